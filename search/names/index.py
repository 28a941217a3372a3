"""Which titles does a text name, and which does it begin? Immutable, safe between threads, no server is asked.

Names that are equal after folding are found by a hash. For the others, names that share rare runs of characters are
looked up and the nearest few dozen compared one by one (optimal string alignment: insertions, deletions, substitutions
and transpositions count one). How many errors a name may have was chosen by measurement: docs/decisions/0006-names.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from rapidfuzz.distance import OSA

from search.names.folding import Places, encode, has_cjk
from search.names.hits import (
    Asked,
    Hit,
    LiveSegment,
    build_hit,
    choose_best,
    fold_each,
    get_loose,
    measure_families,
)
from search.names.match import NameMatch, Suggestion, SuggestionKind
from search.names.postings import SHORT, cut_runs

# Longer texts are descriptions. The longest of 274,976 names has 400 characters.
TEXT_MAX_CHARS = 400
_POSTINGS_CAP = 20_000
_COMPARED_MAX = 64
# Two letters that change places are in four runs of three.
_RUNS_AN_ERROR = 4
_SUGGESTED_COMPARED_MAX = 256
# To suggest: names looked at for each title wanted, and titles ranked for each.
_NAMES_A_TITLE, _POOL_FACTOR = 64, 4
# A name that differs in long vowels only is nearer than one with an error.
_LOOSE_DISTANCE = 0.5

# Shorter texts are taken for a name only if they are one.
_MIN_CHARS = 4
# Below this, two common words of Chinese, Japanese or Korean are words and no name with an error.
_CJK_SURE_CHARS = 6
# A text of nothing but known words may still be a name with an error from this length on.
_KNOWN_MIN_CHARS = 10
# From here on, two errors.
_TWICE_MIN_CHARS = 12


class NameIndex:
    """All names of all titles. What an earlier segment holds of a title is hidden where a later one has it anew."""

    def __init__(self, segments: Sequence[LiveSegment]) -> None:
        self.segments = tuple(segments)

    def match(self, text: str, *, limit: int = 5, include_adult: bool = False) -> tuple[NameMatch, ...]:
        """Titles that the whole text names, the best first: equal names only, or else the nearest that are near enough.

        Of titles that share a name, the best known comes first.
        """
        asked = Asked(text)
        if len(text) > TEXT_MAX_CHARS or not asked.loose:
            return ()
        hits = self._find_equal(asked, include_adult=include_adult)
        if all(hit.distance for hit in hits):
            hits += self._find_near(asked, include_adult=include_adult)
        nearest = min((hit.distance for hit in hits), default=0.0)
        best = choose_best(hit for hit in hits if hit.distance == nearest)
        return tuple(
            NameMatch(
                slug=hit.slug,
                name=hit.text,
                similarity=1.0 - hit.distance / max(len(asked.plain), 1),
                kind="fuzzy" if nearest else "exact",
                adult=bool(hit.segment.titles.is_adult[hit.title]),
                is_synonym=hit.standing > 1,
            )
            for hit in best[:limit]
        )

    def suggest(self, prefix: str, *, limit: int, include_adult: bool) -> list[Suggestion]:
        """Titles for what was typed so far, an entry a title.

        First those that have the name; then those with a name or a word of one that begins so, the better known and the
        beginnings of whole names first; then those with a name that nearly begins so.
        """
        asked = Asked(prefix)
        if not asked.loose or len(prefix) > TEXT_MAX_CHARS:
            return []
        found: dict[str, Suggestion] = {}
        for hit in choose_best(self._find_equal(asked, include_adult=include_adult)):
            _add(found, hit, "exact")
        if len(found) < limit:
            for hit, is_whole in self._find_beginnings(asked, limit=limit, include_adult=include_adult):
                _add(found, hit, "prefix" if is_whole else "word")
        if len(found) < limit:
            for hit in choose_best(self._find_near_beginnings(asked, include_adult=include_adult)):
                _add(found, hit, "fuzzy")
        return list(found.values())[:limit]

    def _find_equal(self, asked: Asked, *, include_adult: bool) -> list[Hit]:
        hits = []
        for live in self.segments:
            names = live.keep_shown(live.segment.find_equal(asked.loose), include_adult=include_adult).tolist()
            for name, plain in zip(names, fold_each(live.segment, names), strict=True):
                if plain == asked.plain:
                    hits.append(build_hit(live.segment, name, asked, distance=0.0))
                elif get_loose(live.segment, name) == asked.loose:
                    hits.append(build_hit(live.segment, name, asked, distance=_LOOSE_DISTANCE))
        return hits

    def _find_near(self, asked: Asked, *, include_adult: bool) -> list[Hit]:
        errors = self._count_allowed(asked)
        if not errors:
            return []
        hits = []
        for live in self.segments:
            # Long vowels are short where names are looked up, so lengths may differ by one more there.
            near = _find_near_names(live, asked.loose, gap=errors + 1, errors=errors + 1, include_adult=include_adult)
            names = near.tolist()
            for name, plain in zip(names, fold_each(live.segment, names), strict=True):
                if (distance := OSA.distance(asked.plain, plain, score_cutoff=errors)) <= errors:
                    hits.append(build_hit(live.segment, name, asked, distance=distance))
        return hits

    def _count_allowed(self, asked: Asked) -> int:
        """How many errors a name may have to be what was meant."""
        length = len(asked.plain)
        if length < _MIN_CHARS or self._is_known(asked.loose):
            return 0
        if has_cjk(asked.plain):
            if length < _CJK_SURE_CHARS and any(live.segment.is_made_of_pairs(asked.plain) for live in self.segments):
                return 0
        elif all(self._is_known(word) for word in asked.words.split()):
            return 1 if length >= _KNOWN_MIN_CHARS else 0
        return 1 if length < _TWICE_MIN_CHARS else 2

    def _is_known(self, word: str) -> bool:
        return any(live.segment.is_known(word) for live in self.segments)

    def _find_beginnings(self, asked: Asked, *, limit: int, include_adult: bool) -> list[tuple[Hit, bool]]:
        """A name of each title with a word that begins so, the best titles first, and whether it is the first word."""
        wanted = _NAMES_A_TITLE * limit
        while True:
            found: list[tuple[Hit, bool]] = []
            is_all = True
            for live in self.segments:
                places = live.segment.beginnings.find(encode(asked.words), limit=wanted)
                is_all &= len(places) < wanted
                chosen = _choose_names(live, places, limit=_POOL_FACTOR * limit, include_adult=include_adult)
                found += [(build_hit(live.segment, name, asked, distance=0.0), is_whole) for name, is_whole in chosen]
            # Hidden and adult titles, or the many names of a few, may have taken all the places.
            if is_all or len(found) >= limit:
                return _order_beginnings(found)
            wanted *= 8

    def _find_near_beginnings(self, asked: Asked, *, include_adult: bool) -> Iterator[Hit]:
        length = len(asked.loose)
        if length < _MIN_CHARS:
            return
        errors = 1 if length < _TWICE_MIN_CHARS else 2
        for live in self.segments:
            for name in _find_near_names(live, asked.loose, errors=errors, include_adult=include_adult).tolist():
                loose = get_loose(live.segment, name)
                heads = (loose[: length + more] for more in (-1, 0, 1))
                distance = min(OSA.distance(asked.loose, head, score_cutoff=errors) for head in heads)
                if distance <= errors:
                    yield build_hit(live.segment, name, asked, distance=distance)


def _find_near_names(
    live: LiveSegment, loose: str, *, errors: int, include_adult: bool, gap: int | None = None
) -> Places:
    """Names that share enough runs with a text. `gap`: whole names whose length differs by so much at most."""
    segment, codes, length = live.segment, encode(loose), len(loose)
    most = _SUGGESTED_COMPARED_MAX if gap is None else _COMPARED_MAX
    found = []
    for is_short in (True, False):
        if gap is not None and (length - gap > SHORT if is_short else length + gap <= SHORT):
            continue
        # One more for the mark at the end, which a longer name does not have there.
        missing = _RUNS_AN_ERROR * errors + (gap is None)
        names, counts = segment.postings.find(cut_runs(codes, is_short=is_short), cap=_POSTINGS_CAP, missing=missing)
        if gap is not None:
            is_near = np.abs(segment.lengths[names].astype(np.int32) - length) <= gap
            names, counts = names[is_near], counts[is_near]
        if len(names) > most:
            weights = counts + segment.titles.popularity[segment.owners[names]]
            names = names[np.argpartition(weights, len(names) - most)[-most:]]
        found.append(live.keep_shown(names.astype(np.int64), include_adult=include_adult))
    return np.concatenate(found)


def _choose_names(live: LiveSegment, places: Places, *, limit: int, include_adult: bool) -> Iterator[tuple[int, bool]]:
    """Of the names at these places, the best known first, one a title: one that begins there, a title, a short one."""
    segment = live.segment
    names = np.searchsorted(segment.starts, places, side="right") - 1
    kept = live.keep_shown(names, include_adult=include_adult)
    is_whole = np.isin(kept, names[segment.starts[names] == places])
    titles = segment.owners[kept]
    order = np.lexsort((segment.lengths[kept], segment.get_standings(kept), ~is_whole, titles))
    order = order[np.append(True, titles[order][1:] != titles[order][:-1])] if len(order) else order
    weights = segment.titles.popularity[titles[order]] * 0.75 + is_whole[order] * 0.25
    best = order[np.argsort(-weights, kind="stable")[:limit]]
    return zip(kept[best].tolist(), is_whole[best].tolist(), strict=True)


def _order_beginnings(found: list[tuple[Hit, bool]]) -> list[tuple[Hit, bool]]:
    known = measure_families([hit for hit, _ in found])
    weights = [0.75 * popularity + 0.25 * is_whole for popularity, (_, is_whole) in zip(known, found, strict=True)]
    order = sorted(range(len(found)), key=lambda place: (-weights[place], len(found[place][0].main_title)))
    return [found[place] for place in order]


def _add(found: dict[str, Suggestion], hit: Hit, kind: SuggestionKind) -> None:
    titles = hit.segment.titles
    found.setdefault(
        hit.slug,
        Suggestion(
            slug=hit.slug,
            title=hit.main_title,
            matched=hit.text,
            type=titles.types[titles.type_codes[hit.title]],
            year=int(titles.years[hit.title]) or None,
            kind=kind,
        ),
    )
