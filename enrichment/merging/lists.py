"""Fields of many values: sets of names and labels, and lists of episodes, characters, staff and related titles."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from enrichment.merging.claims import MergedField, Said, Weighed, is_nothing, newest_of
from enrichment.merging.elements import KEEP_FROM, Listing, judge_element
from enrichment.merging.folding import fold_ids, fold_name, fold_person
from enrichment.merging.rules import get_rule
from enrichment.merging.single import Context, choose_spelling, merge_values
from enrichment.merging.texts import rate_texts
from enrichment.merging.voting import rank_sources

Entry = Mapping[str, Any]
# What a source says of one element: itself and its value there.
Words = list[tuple[Said, Any]]


@dataclass(frozen=True)
class _Judged:
    """An element, who has it, and the probability that it is true."""

    key: Hashable
    words: Words
    chance: float


def merge_list(name: str, said: Sequence[Said], context: Context) -> MergedField:
    """Names and labels: those that are more probable than not, in the order of the most trusted source."""
    fold = get_rule(name).fold
    return _merge(
        name,
        said,
        context,
        grouped=_group(said, fold),
        build=lambda words: choose_spelling(
            name, [(one.source, value) for one, value in words], context.model, prefer_cased=True
        ),
    )


def merge_episodes(said: Sequence[Said], context: Context) -> MergedField:
    """By number; of each episode every fact by itself, so that one site's titles go with another's days."""
    others: list[Weighed] = []

    def build(words: Words) -> Entry:
        entry: dict[str, Any] = {"number": words[0][1]["number"]}
        for part in ("title", "aired"):
            if found := _get_part(words, part):
                entry[part], lost = _decide_part(f"episode.{part}", found, context)
                others.extend(
                    Weighed({"number": entry["number"], part: other.value}, other.sources, other.confidence)
                    for other in lost
                )
        if texts := _get_part(words, "synopsis"):
            entry["synopsis"] = rate_texts("synopsis", texts, context.model)[0].text
        for flag in ("filler", "recap"):
            # False is also what a source says that does not know.
            if flags := [value[flag] for _, value in words if flag in value]:
                entry[flag] = any(flags)
        return entry

    grouped = _group(said, lambda episode: episode["number"])
    merged = _merge("episode_list", said, context, grouped=grouped, build=build, told=False)
    value = sorted(merged.value, key=lambda episode: int(episode["number"]))
    return _with(merged, value=value, others=(*merged.others, *others), conflict=merged.conflict or bool(others))


def merge_characters(said: Sequence[Said], context: Context) -> MergedField:
    """By name, in whichever order its words are."""
    model = context.model

    def build(words: Words) -> Entry:
        entry: dict[str, Any] = {"name": _spell("characters", words, "name", context)}
        if roles := _get_part(words, "role"):
            entry["role"], _ = _decide_part("character.role", roles, context)
        if texts := _get_part(words, "description"):
            entry["description"] = rate_texts("synopsis", texts, model)[0].text
        if images := _get_part(words, "image"):
            first = rank_sources("images", model, [one.source for one in images])[0]
            entry["image"] = next(one.value for one in images if one.source == first)
        actors: dict[str, str] = {}
        for one in _get_part(words, "voice_actors"):
            for actor in one.value:
                actors.setdefault(fold_person(actor), actor)
        return entry | ({"voice_actors": list(actors.values())} if actors else {})

    grouped = _group(said, lambda character: fold_person(character["name"]))
    return _merge("characters", said, context, grouped=grouped, build=build)


def merge_staff(said: Sequence[Said], context: Context) -> MergedField:
    """By name and role. A person without a role goes where the same person has one."""
    with_role = {fold_person(entry["name"]) for one in said for entry in one.value if entry.get("role")}

    def fold(entry: Entry) -> Hashable:
        return fold_person(entry["name"]), fold_name(entry.get("role") or "")

    def build(words: Words) -> Entry:
        entry = {"name": _spell("staff", words, "name", context)}
        return entry | ({"role": _spell("staff", words, "role", context)} if words[0][1].get("role") else {})

    grouped = {
        key: words
        for key, words in _group(said, fold).items()
        if words[0][1].get("role") or fold_person(words[0][1]["name"]) not in with_role
    }
    return _merge("staff", said, context, grouped=grouped, build=build)


def merge_related(said: Sequence[Said], context: Context) -> MergedField:
    """Entries that share an id at a provider, or where one has none its title, are the same title."""

    def build(words: Words) -> Entry:
        entry: dict[str, Any] = {}
        if any(value.get("title") for _, value in words):
            entry["title"] = _spell("related_anime", words, "title", context)
        if relations := _get_part(words, "relation"):
            entry["relation"], _ = _decide_part("related.relation", relations, context)
        ids: dict[str, Any] = {}
        for source in rank_sources("related_anime", context.model, [one.source for one, _ in words]):
            for one, value in words:
                if one.source == source:
                    ids = {**(value.get("external_ids") or {}), **ids}
        return entry | ({"external_ids": dict(sorted(ids.items()))} if ids else {})

    return _merge("related_anime", said, context, grouped=_group_related(said), build=build)


def _merge(
    name: str,
    said: Sequence[Said],
    context: Context,
    *,
    grouped: Mapping[Hashable, Words],
    build: Callable[[Words], Any],
    told: bool = True,
) -> MergedField:
    """Elements that are more probable than not; the most probable one where none is, for all say that there is one."""
    chances: dict[Hashable, float] = {}
    judged = [_judge(name, said, key, words, context, chances) for key, words in grouped.items()]
    likeliest = max(judged, key=lambda one: one.chance)
    kept = [one for one in judged if one.chance >= KEEP_FROM] or [likeliest]
    dropped = [one for one in judged if one not in kept]
    ordered = _order(name, said, kept, context)
    values = [(one, build(one.words)) for one in ordered]
    sources = rank_sources(name, context.model, [word.source for one in kept for word, _ in one.words])
    return MergedField(
        value=[value for _, value in values],
        sources=sources,
        confidence=sum(one.chance for one in kept) / len(kept),
        at=newest_of(said, sources),
        method="element by element",
        conflict=bool(dropped),
        others=tuple(_tell(name, one, build(one.words), context) for one in dropped),
        elements=tuple(_tell(name, one, _name_of(value), context) for one, value in values) if told else (),
    )


def _judge(
    name: str, said: Sequence[Said], key: Hashable, words: Words, context: Context, chances: dict[Hashable, float]
) -> _Judged:
    """`chances`: of elements that the same sources have, which are equal unless they are labels."""
    having = frozenset(one.source for one, _ in words)
    label = key if get_rule(name).labels and isinstance(key, str) else None
    if (having, label) not in chances:
        listings = [Listing(one.source, one.source in having) for one in said]
        chances[(having, label)] = judge_element(name, context.model, listings, label=label)
    return _Judged(key, words, chances[(having, label)])


def _decide_part(name: str, found: Sequence[Said], context: Context) -> tuple[Any, tuple[Weighed, ...]]:
    """The value of a part, and what was not taken; where all agree there is nothing to weigh."""
    if len(set(get_rule(name).fold_values([one.value for one in found]))) == 1:
        return choose_spelling(name, [(one.source, one.value) for one in found], context.model), ()
    merged = merge_values(name, found, context)
    return merged.value, merged.others


def _group(said: Sequence[Said], fold: Callable[[Any], Hashable]) -> dict[Hashable, Words]:
    """Words by element, one of each source, in the order of sources and of their lists."""
    grouped: dict[Hashable, Words] = {}
    for one in said:
        for value in one.value:
            words = grouped.setdefault(fold(value), [])
            if all(other.source != one.source for other, _ in words):
                words.append((one, value))
    return grouped


def _group_related(said: Sequence[Said]) -> dict[Hashable, Words]:
    grouped: dict[Hashable, Words] = {}
    place_of: dict[Hashable, Hashable] = {}
    for one in said:
        for value in one.value:
            keys: list[Hashable] = list(fold_ids(value)) or [fold_name(str(value.get("title")))]
            known = next((place_of[key] for key in keys if key in place_of), keys[0])
            for key in keys:
                place_of.setdefault(key, known)
            words = grouped.setdefault(known, [])
            if all(other.source != one.source for other, _ in words):
                words.append((one, value))
    return grouped


def _order(name: str, said: Sequence[Said], kept: Sequence[_Judged], context: Context) -> list[_Judged]:
    """As the most trusted source lists them; what it has not, after it, as the next one does."""
    rank = {source: place for place, source in enumerate(rank_sources(name, context.model, [s.source for s in said]))}

    places = {(one.source, id(value)): place for one in said for place, value in reversed([*enumerate(one.value)])}

    def place(one: _Judged) -> tuple[int, int]:
        word, value = min(one.words, key=lambda pair: rank[pair[0].source])
        return rank[word.source], places[(word.source, id(value))]

    return sorted(kept, key=place)


def _tell(name: str, one: _Judged, value: Any, context: Context) -> Weighed:
    return Weighed(value, rank_sources(name, context.model, [word.source for word, _ in one.words]), one.chance)


def _name_of(value: Any) -> Any:
    """What an element is called in an explanation."""
    if not isinstance(value, dict):
        return value
    return next((value[key] for key in _NAMES if value.get(key)), value)


_NAMES: Final = ("name", "title", "platform", "number", "external_ids", "summary")


def _get_part(words: Words, part: str) -> list[Said]:
    return [replace(one, value=value[part]) for one, value in words if not is_nothing(value.get(part))]


def _spell(name: str, words: Words, part: str, context: Context) -> Any:
    given = [(one.source, value[part]) for one, value in words if value.get(part)]
    return choose_spelling(name, given, context.model, prefer_cased=True)


def _with(merged: MergedField, *, value: Any, others: tuple[Weighed, ...], conflict: bool) -> MergedField:
    return MergedField(
        value=value,
        sources=merged.sources,
        confidence=merged.confidence,
        at=merged.at,
        method=merged.method,
        conflict=conflict,
        others=others,
    )
