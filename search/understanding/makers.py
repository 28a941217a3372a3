"""Studios: after `by`, `from` or `studio`, or by a name that nothing else has."""

from __future__ import annotations

import re

from core.features import WEIGHTS
from search.understanding.lexicon import Lexicon, Mention, Studio
from search.understanding.reading import STUDIO_BOOST, Reading

_STUDIO = re.compile(
    r"\b(?:(?:made|animated|produced|created)\s+(?:by|at)\s+|by\s+|from\s+)?(?:the\s+)?studios?\s+|スタジオ・?|스튜디오\s?"
)
_BY = re.compile(r"\b(?:(?:made|animated|produced|created|done)\s+)?by\s+(?:the\s+)?")
_PARTICIPLE = re.compile(r"(?:ed|en|wn|ught)\s*$")
_FROM = re.compile(r"\bfrom\s+")
_LIKENESS_BEFORE = re.compile(
    r"\b(?:like|similar\s+to|style\s+of|vein\s+of|reminiscent\s+of|inspired\s+by)\s+(?:an?\s+|the\s+)?$"
)
_LIKENESS_AFTER = re.compile(
    r"'?s?[\s-]*(?:like|style|styled|esque|vibes?|aesthetics?|feel|inspired|っぽい|風|スタイル|느낌|풍)"
)
# A name that is a word counts after `by` if the studio has made so much, and is no syllable.
_WORDY_TITLES, _WORDY_CHARS = 100, 4


def read_studios(reading: Reading, lexicon: Lexicon) -> None:
    """The clearest words first."""
    for pattern in (_STUDIO, _BY, _FROM):
        for match in pattern.finditer(reading.folded):
            mention = lexicon.find_studio(reading.folded, match.end())
            if mention is None or mention.studio is None or not reading.is_free(match.start(), mention.end):
                continue
            if _is_named(mention.studio, pattern) and not _is_agent(reading, match, mention.studio):
                _decide(reading, mention, start=match.start(), studio=mention.studio)
    for mention in list(lexicon.find_sure_studios(reading.folded)):
        if mention.studio is not None and reading.is_free(mention.start, mention.end):
            _decide(reading, mention, start=mention.start, studio=mention.studio)


def _is_named(studio: Studio, pattern: re.Pattern[str]) -> bool:
    """`by bones` names a studio, `from bones` and `by zero` do not."""
    if pattern is _STUDIO:
        return True
    if studio.is_wordy:
        return pattern is _BY and studio.titles >= _WORDY_TITLES and len(studio.key) >= _WORDY_CHARS
    return studio.is_known


def _is_agent(reading: Reading, match: re.Match[str], studio: Studio) -> bool:
    """`killed by arms`: a word that does something."""
    return studio.is_wordy and bool(_PARTICIPLE.search(reading.folded[: match.start()]))


def _decide(reading: Reading, mention: Mention, *, start: int, studio: Studio) -> None:
    keys = list(studio.keys)
    is_likeness = _LIKENESS_BEFORE.search(reading.folded[:start]) or _LIKENESS_AFTER.match(reading.folded, mention.end)
    if is_likeness:
        reading.prefer((mention.start, mention.end), "studio", "studios", keys, weight=STUDIO_BOOST)
    else:
        reading.require((start, mention.end), "studio", "studios", keys)
    feature = f"studio:{studio.name}"
    reading.add_feature(feature, WEIGHTS.get(feature, WEIGHTS["studio"]))
