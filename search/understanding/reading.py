"""A text while it is read: what was found so far, and which of its characters are taken."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field, replace
from typing import Any, cast

from search.filters import AnyOf, Condition, Match, Range, parse_filters
from search.names.match import NameMatch
from search.plan import Boost
from search.understanding.understood import Effect, Finding
from search.understanding.vocabulary import FILLERS, SPELLINGS

# How much a wish that is no condition counts: a title that fulfils it gains so much of what the vectors gave it.
LABEL_BOOST = 0.1
FORMAT_BOOST = 0.1
STUDIO_BOOST = 0.2
YEAR_BOOST = 0.2

_LABEL_FIELDS = ("genres", "themes", "tags")
_DEMOGRAPHIC_FIELDS = ("demographics", "genres", "tags")
_SPACES = re.compile(r"\s+")
_EDGES = " ,;:.!?/&|-–—、。，！？；：·・~"
_DANGLING = re.compile(
    r"(?:(?:^|[\s,;:]+)(?:and|or|but|from|by|in|of|with|without|the|not|no))+\s*$|^\s*(?:and|or|but)\s+|^[のでがをは的의]+",
    re.I,
)
_WORD = re.compile(r"[^\W_]+")
# Longer texts that ask for nothing tell a story: what is mentioned there is told, not wanted.
STORY_MIN_WORDS = 16
_CJK_WORD_CHARS = 3
_ASKS = re.compile(
    r"\b(?:recommend\w*|suggest\w*|looking|searching|want|need|find|give|show me|any|anime|animes|series|shows?)\b|"
    r"アニメ|おすすめ|教えて|애니|추천|动画|動畫|动漫|推荐|推薦"
)
# A wish within a story counts half.
_STORY_FACTOR = 0.5
# What is a wish beside other words and a condition in a text of nothing but facts.
_LABEL_KINDS = ("genre", "demographic")

Span = tuple[int, int]


@dataclass(eq=False)
class Reading:
    """One text. `folded` has the same length, so that places in it are places in `text`."""

    text: str
    folded: str
    is_story: bool = False
    names: list[NameMatch] = field(default_factory=list)
    likes: list[NameMatch] = field(default_factory=list)
    filters: list[Condition] = field(default_factory=list)
    excluded: list[Condition] = field(default_factory=list)
    boosts: list[Boost] = field(default_factory=list)
    features: dict[str, float] = field(default_factory=dict)
    found: list[tuple[int, Finding]] = field(default_factory=list)
    _taken: list[Span] = field(default_factory=list)
    _removed: list[Span] = field(default_factory=list)

    def is_free(self, start: int, end: int) -> bool:
        """True if no rule has taken any of these characters."""
        return all(end <= first or last <= start for first, last in self._taken)

    def take(self, start: int, end: int) -> None:
        """Keep these characters from the rules to come."""
        self._taken.append((start, end))

    def note(self, span: Span, kind: str, *, field: str | None, value: Any, effect: Effect) -> None:
        """Show a finding."""
        self.take(*span)
        shown = self.text[span[0] : span[1]].strip(_EDGES)
        self.found.append((span[0], Finding(shown, kind, field, value, effect)))

    def require(self, span: Span, kind: str, field: str, value: Any, *, stays: bool = False) -> None:
        """A hard condition. Its words are not embedded, unless it `stays` because the sentence needs it.

        Two values of one field are alternatives: movies or OVAs, by Bones or Madhouse, from the 80s and 90s.
        """
        if self.is_story:
            self.prefer(span, kind, field, value, weight=YEAR_BOOST)
            return
        condition = build_condition(field, value)
        joined = next((place for place, one in enumerate(self.filters) if _is_alternative(one, condition)), None)
        if joined is None:
            self.filters.append(condition)
        else:
            self.filters[joined] = _join(self.filters[joined], condition)
        if not stays:
            self._removed.append(span)
        self.note(span, kind, field=field, value=value, effect="filter")

    def exclude(self, span: Span, kind: str, field: str, value: Any) -> None:
        """Nothing that fulfils this; its words are not embedded, or they would attract what they forbid."""
        if self.is_story:
            self.note(span, kind, field=field, value=value, effect="kept")
            return
        condition = build_condition(field, value)
        if condition not in self.excluded:
            self.excluded.append(condition)
        self._removed.append(span)
        self.note(span, kind, field=field, value=value, effect="exclude")

    def prefer(self, span: Span, kind: str, field: str, value: Any, *, weight: float) -> None:
        """A gain for what fulfils this; its words stay."""
        condition = build_condition(field, value)
        weight *= _STORY_FACTOR if self.is_story else 1.0
        if all(boost.condition != condition for boost in self.boosts):
            self.boosts.append(Boost(condition, weight, self.text[span[0] : span[1]].strip()))
        self.note(span, kind, field=field, value=value, effect="boost")

    def add_feature(self, name: str, weight: float) -> None:
        """A feature of metadata_sparse."""
        if not self.is_story:
            self.features[name] = weight

    def require_labels(self) -> None:
        """Genres and demographics are conditions too: for a text of nothing but facts."""
        wanted = [
            place for place, (_, one) in enumerate(self.found) if one.effect == "boost" and one.kind in _LABEL_KINDS
        ]
        for place in wanted:
            start, one = self.found[place]
            assert one.field is not None, "labels have a field"
            condition = build_condition(one.field, one.value)
            self.boosts = [boost for boost in self.boosts if boost.condition != condition]
            if condition not in self.filters:
                self.filters.append(condition)
            self.found[place] = (start, replace(one, effect="filter"))

    def get_rest(self) -> str:
        """The text without what became a condition; the whole one when nothing of meaning is left."""
        if not self._removed:
            return self.text
        kept, place = [], 0
        for start, end in sorted(self._removed):
            kept.append(self.text[place:start])
            place = max(place, end)
        rest = _SPACES.sub(" ", " ".join([*kept, self.text[place:]])).strip(_EDGES)
        while (shorter := _DANGLING.sub("", rest).strip(_EDGES)) != rest:
            rest = shorter
        said = [word for word in _WORD.findall(fold_in_place(rest)) if word not in FILLERS]
        return rest if said else self.text


def start_reading(text: str) -> Reading:
    """Nothing is found yet."""
    folded = fold_in_place(text)
    words = _WORD.findall(folded)
    count = sum(1 if word.isascii() else max(1, len(word) // _CJK_WORD_CHARS) for word in words)
    return Reading(text, folded, is_story=count > STORY_MIN_WORDS and not _ASKS.search(folded))


def fold_in_place(text: str) -> str:
    """Lower case and of one width, character by character: those that would become several stay as they are."""
    if text.isascii():
        return text.lower()
    folded = (unicodedata.normalize("NFKC", character).casefold() for character in text)
    return "".join(new if len(new) == 1 else old for new, old in zip(folded, text, strict=True))


def build_condition(field: str, value: Any) -> Condition:
    """The condition as a caller's filter would be read. `label` and `demographic` are looked for in several fields."""
    if field == "label":
        return _build_any(_LABEL_FIELDS, [value, *SPELLINGS.get(value, ())])
    if field == "demographic":
        return _build_any(_DEMOGRAPHIC_FIELDS, [value])
    return parse_filters({field: value}, include_adult=True).must[0]


def _is_alternative(one: Condition, other: Condition) -> bool:
    """Values of the same field. Of ranges only closed ones: `after 2000` and `before 2010` are both meant."""
    if isinstance(one, Range) and isinstance(other, Range):
        bounds = (one.gte, one.lte, other.gte, other.lte)
        return one.path == other.path and all(bound is not None for bound in bounds)
    if isinstance(one, Match) and isinstance(other, Match):
        return one.path == other.path
    return isinstance(one, AnyOf) and isinstance(other, AnyOf)


def _join(one: Condition, other: Condition) -> Condition:
    if isinstance(one, Range) and isinstance(other, Range):
        low, high = (one.gte, other.gte), (one.lte, other.lte)
        return Range(one.path, gte=min(cast(Any, low)), lte=max(cast(Any, high)))
    if isinstance(one, Match) and isinstance(other, Match):
        return Match(one.path, tuple(dict.fromkeys((*one.values, *other.values))))
    return AnyOf(tuple(dict.fromkeys((*cast(AnyOf, one).conditions, *cast(AnyOf, other).conditions))))


def _build_any(fields: tuple[str, ...], values: list[str]) -> Condition:
    conditions = [build_condition(name, values) for name in fields]
    return AnyOf(tuple(one for one in conditions if isinstance(one, Match)))
