"""The titles of one provider in memory, searched as the provider's own search would: for a dump, and for measuring.

A title is found by the character trigrams of its core form, which bears other spellings and missing words; the best of
them are the candidates. AniDB's 87,000 titles take 140 MB, and a search a millisecond or four.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from rapidfuzz import fuzz

from enrichment.linking.forms import parse_title, read_title
from enrichment.providers.base import Candidate

_GRAM = 3
# Compared letter by letter; the rest shares too few trigrams.
_COMPARED = 60
_EXACT = 101.0


class TitleIndex:
    """Finds candidates by any of their titles; never changes."""

    def __init__(self, candidates: Iterable[Candidate]) -> None:
        self._candidates = tuple(candidates)
        self._owners: npt.NDArray[np.int32]
        self._cores: list[str] = []
        self._by_folded: defaultdict[str, list[int]] = defaultdict(list)
        owners: list[int] = []
        postings: defaultdict[str, list[int]] = defaultdict(list)
        for place, candidate in enumerate(self._candidates):
            forms = {form.folded: form.core for form in map(parse_title, candidate.titles)}
            for folded, core in forms.items():
                self._by_folded[folded].append(place)
                for gram in _list_grams(core):
                    postings[gram].append(len(owners))
                owners.append(place)
                self._cores.append(core)
        self._owners = np.array(owners, np.int32)
        self._postings: Mapping[str, npt.NDArray[np.int32]] = {
            gram: np.array(places, np.int32) for gram, places in postings.items()
        }
        self._lengths = np.array([max(1, len(_list_grams(core))) for core in self._cores], np.float32)

    def __len__(self) -> int:
        return len(self._candidates)

    def search(self, title: str, *, limit: int = 10) -> list[Candidate]:
        """The candidates whose titles are most like this one, the best first; none without a shared trigram."""
        form = read_title(title)
        best = dict.fromkeys(self._by_folded.get(form.folded, ()), _EXACT)
        for place in self._find_near(form.core):
            likeness = fuzz.ratio(form.core, self._cores[place])
            owner = int(self._owners[place])
            best[owner] = max(best.get(owner, 0.0), likeness)
        order = sorted(best, key=lambda owner: (-best[owner], owner))
        return [self._candidates[owner] for owner in order[:limit]]

    def _find_near(self, core: str) -> Sequence[int]:
        grams = _list_grams(core)
        found = [postings for gram in grams if (postings := self._postings.get(gram)) is not None]
        if not found:
            return ()
        places, shared = np.unique(np.concatenate(found), return_counts=True)
        # Dice's coefficient over trigrams.
        likeness = 2 * shared / (self._lengths[places] + len(grams))
        top = np.argsort(-likeness, kind="stable")[:_COMPARED]
        nearest: list[int] = places[top].tolist()
        return nearest


def _list_grams(core: str) -> set[str]:
    framed = f"^{core}$"
    return {framed[start : start + _GRAM] for start in range(max(1, len(framed) - _GRAM + 1))}
