"""Fields of one value: labels, numbers, names, days, texts and statistics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from core.enrichment import ID_SPACES, SOURCE_CATALOGUE
from enrichment.merging.claims import MergedField, Said, Weighed, is_nothing, newest_of
from enrichment.merging.folding import imply_season, is_coarse_date
from enrichment.merging.model import MergeModel
from enrichment.merging.rules import IMPLIED_SOURCE, get_rule
from enrichment.merging.texts import rate_texts
from enrichment.merging.voting import Vote, Voting, is_outright, rank_sources

# What the order of sources goes by in statistics: those with the most voters say most.
_VOTERS: Final = ("scored_by", "members", "favorites")
# A site with half as many voters as the largest says about as much.
_ABOUT_AS_MANY: Final = 2.0
# Mappings whose values need not agree: every site has its own picture, and its own counts.
_PREFERRED: Final = frozenset({"images", "statistics"})


@dataclass(frozen=True)
class Context:
    """What is known before a field is merged.

    airing   the title is not finished, so its facts still change
    current  the document as it is now
    """

    model: MergeModel
    airing: bool = False
    current: Mapping[str, Any] = field(default_factory=dict)


def merge_values(name: str, said: Sequence[Said], context: Context, *, implied: Sequence[Said] = ()) -> MergedField:
    """The most probable of the values. `implied` words only support what is said outright."""
    rule = get_rule(name)
    keys = rule.fold_values([one.value for one in said])
    known = set(keys)
    hints = [(one, key) for one in implied if (key := rule.fold(one.value)) in known]
    words = [*zip(said, keys, strict=True), *hints]
    votes = [Vote(one.source, key, one.age_years, get_unsettled_years(name, one)) for one, key in words]
    chances = Voting(name, context.model, airing=context.airing).decide(votes)
    weighed = [_weigh(name, key, chance, words, context.model) for key, chance in chances.items()]
    best = next(iter(chances))
    return MergedField(
        value=weighed[0].value,
        sources=weighed[0].sources,
        confidence=weighed[0].confidence,
        at=newest_of((one for one, _ in words), weighed[0].sources),
        method="agreed" if len(chances) == 1 else "most probable",
        conflict=any(_contradicts(key, best) for key in chances),
        others=tuple(weighed[1:]),
    )


def merge_aired(said: Sequence[Said], context: Context) -> MergedField:
    """First and last day, each by itself."""
    parts = {
        day: merge_values(f"aired.{day}", found, context)
        for day in ("start", "end")
        if (found := [replace(one, value=one.value[day]) for one in said if one.value.get(day)])
    }
    return join_parts({day: parts[day].value for day in parts}, parts, said)


def merge_mapping(name: str, said: Sequence[Said], context: Context) -> MergedField:
    """Every key by itself: an id at a provider by vote, its own word first; pictures and counts from one source."""
    parts: dict[str, MergedField] = {}
    for key in sorted({key for one in said for key in one.value}):
        found = [replace(one, value=one.value[key]) for one in said if not is_nothing(one.value.get(key))]
        if not found:
            continue
        if name in _PREFERRED:
            parts[key] = merge_preferred(name, found, context, current=context.current.get(name, {}).get(key))
        else:
            own = [one for one in found if ID_SPACES.get(one.source) == key]
            merged = merge_values(f"{name}.{key}", [replace(one, value=str(one.value)) for one in found], context)
            parts[key] = _take_own(merged, own, found)
    return join_parts({key: part.value for key, part in parts.items()}, parts, said)


def merge_preferred(name: str, said: Sequence[Said], context: Context, *, current: Any = None) -> MergedField:
    """One source's value, for values of which every source has its own: the most trusted and freshest.

    Of equals the value that the document has now, else the catalogue's, else that of the first source by name.
    """
    voting = Voting(name, context.model, airing=context.airing)

    def rate(one: Said) -> float:
        stale = voting.get_staleness(one.age_years, unsettled_years=get_unsettled_years(name, one))
        return round(context.model.get_quality(name, one.source).accuracy * (1 - stale), 9)

    ordered = sorted(
        said, key=lambda one: (-rate(one), one.value != current, one.source != SOURCE_CATALOGUE, one.source)
    )
    return _take_first([(rate(one), one.source, one.value) for one in ordered], said, method="most trusted")


def merge_text(name: str, said: Sequence[Said], context: Context) -> MergedField:
    """One whole text. That texts differ is no conflict."""
    rated = rate_texts(name, said, context.model)
    best, *others = [Weighed(one.text, one.sources, one.score) for one in rated]
    at = newest_of(said, best.sources)
    return MergedField(
        value=best.value,
        sources=best.sources,
        confidence=best.confidence,
        at=at,
        method="best text",
        others=tuple(others),
    )


def merge_statistics(fields: Mapping[str, Sequence[Said]], context: Context) -> dict[str, MergedField]:
    """Score and counts from the one source with the most voters, what it leaves out from the next; old words fade.

    They are figures of one site: a score of one with the voters of another would say nothing.
    """
    shares = _share_voters(fields, context)
    order = _order_by_voters(shares, _find_current_source(fields, context))
    merged = {}
    for name, said in fields.items():
        rated = sorted(((shares[one.source], one.source, one.value) for one in said), key=lambda item: order[item[1]])
        merged[name] = _take_first(rated, said, method="most voters")
    return merged


def imply(name: str, said: Mapping[str, Sequence[Said]]) -> list[Said]:
    """What first days of airing say of season or year, of sources that do not say it themselves."""
    outright = {one.source for one in said.get(name, ())}
    place = {"season": 0, "year": 1}[name]
    hints = [
        (one, imply_season(one.value["start"])[place])
        for one in said.get("aired", ())
        # Of some only the year is known.
        if one.source not in outright and one.value.get("start") and not one.value["start"].endswith("-01-01")
    ]
    return [
        replace(one, source=IMPLIED_SOURCE.format(source=one.source), value=value)
        for one, value in hints
        if value is not None
    ]


def get_unsettled_years(name: str, one: Said) -> float:
    """Said so long before this field of the title was settled."""
    return one.airing_years if get_rule(name).late else one.announced_years


def join_parts(value: Any, parts: Mapping[str, MergedField], said: Sequence[Said]) -> MergedField:
    """One field of its parts: as sure as the least sure of them, in conflict where one is."""
    sources = dict.fromkeys(source for part in parts.values() for source in part.sources)
    others = [
        Weighed({name: other.value}, other.sources, other.confidence)
        for name, part in parts.items()
        for other in part.others
    ]
    return MergedField(
        value=value,
        sources=tuple(sources),
        confidence=min(part.confidence for part in parts.values()),
        at=newest_of(said, sources),
        method="part by part",
        conflict=any(part.conflict for part in parts.values()),
        others=tuple(others),
        parts=parts,
    )


def choose_spelling(
    name: str, words: Iterable[tuple[str, Any]], model: MergeModel, *, prefer_cased: bool = False
) -> Any:
    """Of (source, value) pairs that say the same: the form with the most trust in it."""
    trust: dict[str, float] = defaultdict(float)
    forms: dict[str, Any] = {}
    for source, value in words:
        form = repr(value)
        forms[form] = value
        trust[form] += model.get_quality(name, source).accuracy

    def rank(form: str) -> tuple[bool, float, int, str]:
        value = forms[form]
        plain = prefer_cased and isinstance(value, str) and value.islower()
        return plain, -round(trust[form], 9), len(form), form

    return forms[min(forms, key=rank)]


def _weigh(
    name: str, key: Hashable, chance: float, words: Sequence[tuple[Said, Hashable]], model: MergeModel
) -> Weighed:
    mine = [one for one, its_key in words if its_key == key]
    outright = [(one.source, one.value) for one in mine if is_outright(one.source)]
    return Weighed(
        choose_spelling(name, outright, model), rank_sources(name, model, [one.source for one in mine]), chance
    )


def _contradicts(key: Hashable, best: Hashable) -> bool:
    """A day of which only month or year was known contradicts nothing."""
    if key == best:
        return False
    return not (isinstance(key, str) and isinstance(best, str) and is_coarse_date(key, best))


def _take_own(merged: MergedField, own: Sequence[Said], said: Sequence[Said]) -> MergedField:
    """A provider knows its own id; else the id that won, in the form in which it was given."""
    if not own:
        value = next(one.value for one in said if str(one.value) == merged.value)
        return replace(merged, value=value)
    word = own[0]
    candidates = (Weighed(merged.value, merged.sources, merged.confidence), *merged.others)
    mine = next(one for one in candidates if one.value == str(word.value))
    return replace(
        merged,
        value=word.value,
        sources=(word.source, *(source for source in mine.sources if source != word.source)),
        confidence=1.0,
        at=word.at,
        method="its own id",
        others=tuple(one for one in candidates if one.value != mine.value),
    )


def _take_first(rated: Sequence[tuple[float, str, Any]], said: Sequence[Said], *, method: str) -> MergedField:
    (score, source, value), *rest = rated
    return MergedField(
        value=value,
        sources=(source, *(other for _, other, its_value in rest if its_value == value)),
        confidence=score,
        at=newest_of(said, [source]),
        method=method,
        others=tuple(Weighed(its, (other,), its_score) for its_score, other, its in rest if its != value),
    )


def _share_voters(fields: Mapping[str, Sequence[Said]], context: Context) -> dict[str, float]:
    """Each source's share of all voters, those of old words counted less.

    Only whole years count: who of them was asked last must not decide, for the next round it is another.
    """
    voters: dict[str, float] = {one.source: 0.0 for said in fields.values() for one in said}
    voting = Voting("score", context.model, airing=context.airing)
    for name in reversed(_VOTERS):
        for one in fields.get(name, ()):
            # The first of the three that it gives; one voter more, so that there is an order where nobody counts.
            voters[one.source] = float(one.value)
    ages = {one.source: float(int(one.age_years)) for said in fields.values() for one in said}
    weighed = {source: (count + 1) * (1 - voting.get_staleness(ages[source])) for source, count in voters.items()}
    total = sum(weighed.values()) or 1.0
    return {source: weight / total for source, weight in weighed.items()}


def _order_by_voters(shares: Mapping[str, float], current: str | None) -> dict[str, int]:
    """{source: place}. Of those that have about as many as the largest: whose figures the document has now.

    The catalogue's are a site's of an earlier day: it comes after those that are about as large.
    """
    enough = max(shares.values(), default=0.0) / _ABOUT_AS_MANY

    def rank(source: str) -> tuple[bool, bool, bool, float, str]:
        share = shares[source]
        return share < enough, source != current, source == SOURCE_CATALOGUE, -round(share, 9), source

    return {source: place for place, source in enumerate(sorted(shares, key=rank))}


def _find_current_source(fields: Mapping[str, Sequence[Said]], context: Context) -> str | None:
    """The provider whose figures the document has now: it keeps those of all of them beside its own."""
    now = context.current
    for source, figures in sorted(now.get("statistics", {}).items()):
        shown = {name: figures[name] for name in fields if name in figures} if isinstance(figures, Mapping) else {}
        if shown and all(now.get(name) == value for name, value in shown.items()):
            return str(source)
    return None
