"""Fields that follow from others: pure rules over what was merged. What a person decided is never computed over."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Final

from core.document import AnimeDocument, is_adult
from core.enrichment import SOURCE_CATALOGUE, STAGE_FIELDS, EnrichStage
from storage.database.merge_inputs import Relative, find_relative

_SEASONS: Final = ("WINTER", "SPRING", "SUMMER", "FALL")
_MONTHS_PER_SEASON: Final = 3
_COUNTS: Final = tuple(name for name in STAGE_FIELDS[EnrichStage.STATISTICS] if name not in ("statistics", "reviews"))
# An end that a time zone moves is no contradiction yet.
_GRACE: Final = timedelta(days=2)
# One that ran in one go: over when it has begun.
_ONE_DAY_TYPES: Final = frozenset({"MOVIE", "MUSIC"})
# Relations to works of another story, or of another kind.
_NO_FAMILY: Final = frozenset({"character", "music", "adaptation", "other", "crossover", "source"})
_FRANCHISE_MIN_CHARS: Final = 4
_WORD: Final = re.compile(r"\w[\w'’.!?-]*")
_FILLERS: Final = frozenset({
    "a", "an", "and", "cour", "de", "ga", "movie", "ni", "no", "of", "ona", "ova", "part", "season", "special",
    "specials", "the", "to", "tv", "wa", "wo",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Computed:
    """A field's value and the rule that gave it; `sources`: whose facts went in."""

    value: Any
    rule: str
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What rules look at.

    document    as merged so far
    facts       {source: facts} of all sources, the catalogue among them
    relatives   {'mal:1': title} of titles of ours that relations name by id; one without a name is hidden
    overridden  fields that a person decided
    untouched   fields that are only computed where they are empty
    """

    document: Mapping[str, Any]
    facts: Mapping[str, Mapping[str, Any]]
    slug: str
    relatives: Mapping[str, Relative]
    overridden: frozenset[str]
    today: date
    untouched: frozenset[str] = frozenset()


def compute_fields(given: Given) -> dict[str, Computed]:
    """{field: value} of what follows; a rule sees what those before it gave."""
    found: dict[str, Computed] = {}
    for field, rule in _RULES:
        is_kept = field in given.untouched and given.document.get(field) not in (None, "UNKNOWN", "", [], {})
        computed = None if field in given.overridden or is_kept else rule(given)
        if computed is not None and computed.value != given.document.get(field):
            found[field] = computed
            given = replace(given, document={**given.document, field: computed.value})
    return found


def _status(given: Given) -> Computed | None:
    """What the days say, where the sources say nothing, or what can no longer be."""
    status, aired = given.document.get("status", "UNKNOWN"), given.document.get("aired") or {}
    start, end = _read_day(aired.get("start")), _read_day(aired.get("end"))
    if end is not None and end + _GRACE < given.today and status != "FINISHED":
        return Computed("FINISHED", "its last day is past")
    if start is None or status == "FINISHED":
        return None
    if start > given.today + _GRACE:
        return Computed("UPCOMING", "its first day is to come") if status == "UNKNOWN" else None
    is_over = given.document.get("type") in _ONE_DAY_TYPES and start + _GRACE < given.today
    if is_over:
        return Computed("FINISHED", "it was shown")
    if status == "UPCOMING" and start + _GRACE < given.today:
        return Computed("ONGOING", "its first day is past")
    return None


def _year(given: Given) -> Computed | None:
    start = _get_start(given)
    return Computed(start.year, "year of its first day") if start and not given.document.get("year") else None


def _season(given: Given) -> Computed | None:
    start = _get_start(given)
    # The first of January is how many sources write a year without a day.
    if given.document.get("season") or start is None or (start.month, start.day) == (1, 1):
        return None
    return Computed(_SEASONS[(start.month - 1) // _MONTHS_PER_SEASON], "season of its first day")


def _episodes(given: Given) -> Computed | None:
    """The number of a finished title's episodes, where they are listed without a gap and nobody says it."""
    numbers = sorted({one["number"] for one in given.document.get("episode_list", ()) if one["number"] > 0})
    is_whole = bool(numbers) and numbers == list(range(1, len(numbers) + 1))
    if given.document.get("episodes") or given.document.get("status") != "FINISHED" or not is_whole:
        return None
    return Computed(len(numbers), "episodes that are listed")


def _synonyms(given: Given) -> Computed | None:
    """A source's main title is a name of it, whatever name is the main one here."""
    document = given.document
    names = [document.get(name) for name in ("title", "title_english", "title_japanese")]
    known = {name.casefold() for name in (*names, *document.get("synonyms", ())) if name}
    missing: dict[str, str] = {}
    for source, facts in sorted(given.facts.items()):
        name = facts.get("title")
        if name and name.casefold() not in known:
            missing.setdefault(name, source)
            known.add(name.casefold())
    if not missing:
        return None
    sources = tuple(sorted(set(missing.values())))
    return Computed([*document.get("synonyms", ()), *missing], "with the sources' main titles", sources)


def _statistics(given: Given) -> Computed | None:
    """Every source's own counts side by side: a rank there is no rank here."""
    base = given.facts.get(SOURCE_CATALOGUE, {}).get("statistics", {})
    joined: dict[str, Any] = dict(base)
    providers = sorted(set(given.facts) - {SOURCE_CATALOGUE})
    for provider in providers:
        facts = given.facts[provider]
        counts = {name: facts[name] for name in _COUNTS if name in facts}
        own = facts.get("statistics", {})
        if both := {**counts, **own.get(provider, own)}:
            joined[provider] = both
    sources = tuple(provider for provider in providers if provider in joined)
    return Computed(joined, "joined by source", sources) if sources else None


def _related(given: Given) -> Computed | None:
    """One entry a title: sources name it by ids of their own, and our ids say which of them are the same."""
    if not given.relatives:
        return None
    joined: list[dict[str, Any]] = []
    places: dict[str, dict[str, Any]] = {}
    for related in given.document.get("related_anime", ()):
        relative = find_relative(given.relatives, related)
        if relative is not None and relative.slug == given.slug:
            continue
        entry = dict(related)
        known = None if relative is None else places.get(relative.slug)
        if known is None or not _join_ids(known, entry):
            joined.append(entry)
            if relative is not None:
                places.setdefault(relative.slug, entry)
    return Computed(joined, "joined by title")


def _join_ids(known: dict[str, Any], entry: Mapping[str, Any]) -> bool:
    """Add an entry of the same title; False if a provider has another id there, which must not be lost."""
    ids, more = known.get("external_ids", {}), entry.get("external_ids", {})
    if any(ids.get(provider, value) != value for provider, value in more.items()):
        return False
    known["external_ids"] = {**ids, **more}
    for name in ("title", "relation"):
        if name not in known and name in entry:
            known[name] = entry[name]
    return True


def _franchise(given: Given) -> Computed | None:
    """The words that its name and those of its relatives begin with."""
    if given.document.get("franchise"):
        return None
    title, relatives = given.document["title"], sorted(set(_iterate_relatives(given)))
    own = _split(title)
    beginnings = {name: shared for name in relatives if (shared := _get_shared(own, _split(name)))}
    if not beginnings:
        return None
    words = _choose_beginning(own, [_split(name) for name in beginnings], list(beginnings.values()))
    # As most of them write it: seasons differ in a mark at the end, and the family shall have one name.
    spellings = Counter(_cut(name, len(words)) for name in (title, *relatives) if _split(name)[: len(words)] == words)
    name = min(spellings, key=lambda spelling: (-spellings[spelling], len(spelling), spelling))
    return Computed(name, "what its relatives' names begin with")


def _tags(given: Given) -> Computed | None:
    """Adult if any source says so: a vote must not make such a title visible."""
    if is_adult(given.document):
        return None
    saying = tuple(source for source, facts in sorted(given.facts.items()) if is_adult(facts))
    if not saying:
        return None
    return Computed([*given.document.get("tags", ()), AnimeDocument.ADULT_LABEL], "adult, as a source says", saying)


def _iterate_relatives(given: Given) -> Iterator[str]:
    """Names of its family: ours where we have the title, for other sources write it in another language."""
    for related in given.document.get("related_anime", ()):
        if (related.get("relation") or "").casefold() in _NO_FAMILY:
            continue
        known = find_relative(given.relatives, related)
        if name := related.get("title") if known is None else known.name:
            yield name


def _split(name: str) -> tuple[str, ...]:
    return tuple(match.group().casefold().rstrip(".!?'’") for match in _WORD.finditer(name))


def _choose_beginning(
    own: tuple[str, ...], relatives: Sequence[tuple[str, ...]], shared: Sequence[tuple[str, ...]]
) -> tuple[str, ...]:
    """The shortest whole name that half of the relatives begin with ('Naruto'), else what most of them share."""

    def is_common(name: tuple[str, ...]) -> bool:
        return 2 * sum(other[: len(name)] == name for other in relatives) >= len(relatives)

    whole = {name for name in (own, *relatives) if name == own[: len(name)] and name in (own, *shared)}
    if common := [name for name in whole if is_common(name)]:
        return min(common, key=len)
    counts = Counter(shared)
    return max(counts, key=lambda words: (counts[words], -len(words), words))


def _get_shared(first: Sequence[str], second: Sequence[str]) -> tuple[str, ...]:
    """The words that both begin with, without fillers at the end; empty if too little is left of them."""
    count = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        count += 1
    while count and first[count - 1] in _FILLERS:
        count -= 1
    shared = tuple(first[:count])
    return shared if sum(map(len, shared)) >= _FRANCHISE_MIN_CHARS else ()


def _cut(title: str, words: int) -> str:
    """A name up to the end of so many words, as it is written there."""
    ends = [match.end() for match in _WORD.finditer(title)]
    return title[: ends[words - 1]].rstrip(" .,:;-")


def _get_start(given: Given) -> date | None:
    return _read_day((given.document.get("aired") or {}).get("start"))


def _read_day(value: str | None) -> date | None:
    return date.fromisoformat(value) if value else None


_RULES: Final[Iterable[tuple[str, Callable[[Given], Computed | None]]]] = (
    ("status", _status),
    ("year", _year),
    ("season", _season),
    ("episodes", _episodes),
    ("synonyms", _synonyms),
    ("statistics", _statistics),
    ("related_anime", _related),
    ("franchise", _franchise),
    ("tags", _tags),
)
