"""Texts: one is taken as a whole, never a mix."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rapidfuzz.fuzz import ratio

from enrichment.merging.claims import Said
from enrichment.merging.model import MergeModel

# A text of so many characters is as good as a longer one.
_LONG_ENOUGH: Final = 500
_SAME_FROM: Final = 90.0
_COMPARED: Final = 2_000
_ENDS_WELL: Final = re.compile(r"[.!?…。！？\"')\]”’」』]\s*$")
_CUT_OFF: Final = re.compile(r"(\.\.\.|…|read more|more\.\.\.)\s*$", re.IGNORECASE)
_LEFTOVERS: Final = re.compile(r"<[a-z/][^>]*>|&[a-z]+;|https?://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RatedText:
    """A text, who has it (nearly) word for word, and how good it is, 0 to 1."""

    text: str
    sources: tuple[str, ...]
    score: float


def rate_texts(name: str, said: Sequence[Said], model: MergeModel) -> list[RatedText]:
    """The best first. Nearly equal texts are one, in the better form: who copied from whom does not matter."""
    rated = sorted(
        ((_score(one, model.get_quality(name, one.source).accuracy), one.source, str(one.value)) for one in said),
        key=lambda item: (-item[0], item[1]),
    )
    kept: list[RatedText] = []
    for score, source, text in rated:
        for place, better in enumerate(kept):
            if _is_same(better.text, text):
                kept[place] = RatedText(better.text, (*better.sources, source), better.score)
                break
        else:
            kept.append(RatedText(text, (source,), score))
    return kept


def rate_form(text: str) -> float:
    """How whole a text looks, 0 to 1: long enough, with an end, without leftovers of a page."""
    length = min(len(text) / _LONG_ENOUGH, 1.0) ** 0.5
    end = 1.0 if _ENDS_WELL.search(text) and not _CUT_OFF.search(text) else 0.7
    return float(length * end * (0.7 if _LEFTOVERS.search(text) else 1.0))


def _score(one: Said, accuracy: float) -> float:
    return accuracy * rate_form(str(one.value))


def _is_same(first: str, second: str) -> bool:
    return ratio(first[:_COMPARED], second[:_COMPARED], score_cutoff=_SAME_FROM) > 0
