"""From a text to what it asks for, by rules alone: no server, no model, no clock."""

from __future__ import annotations

from search.names.index import NameIndex
from search.understanding.formats import read_formats
from search.understanding.labels import read_labels, read_negations
from search.understanding.lexicon import Lexicon
from search.understanding.makers import read_studios
from search.understanding.reading import Reading, fold_in_place, start_reading
from search.understanding.times import read_times
from search.understanding.titles import is_plain, match_whole, read_titles
from search.understanding.understood import Finding, Understood

# Longer texts are stories that somebody tells: what is mentioned there is no condition.
TEXT_MAX_CHARS = 400


def understand(text: str, *, names: NameIndex | None, lexicon: Lexicon, include_adult: bool = False) -> Understood:
    """Read a text in its normal form. `names` is None while nobody knows them.

    A text that is a title's name asks for that title and for nothing else; one that is a genre as well stays one.
    """
    if len(text) > TEXT_MAX_CHARS:
        return Understood(text)
    whole = match_whole(text, names, lexicon, include_adult=include_adult) if names is not None else ()
    if whole and not is_plain(start_reading(text).folded, lexicon):
        return Understood(text, names=whole, found=(Finding(text, "title", "id", whole[0].slug, "pin"),))
    reading = start_reading(text)
    read_titles(reading, names, lexicon, include_adult=include_adult)
    mentions = lexicon.find_terms(reading.folded)
    read_negations(reading, mentions, lexicon)
    read_times(reading)
    read_studios(reading, lexicon)
    read_formats(reading, mentions)
    read_labels(reading, mentions)
    if reading.filters and is_plain(fold_in_place(reading.get_rest()), lexicon):
        reading.require_labels()
    if whole:
        return Understood(
            text,
            names=whole,
            boosts=tuple(reading.boosts),
            features=reading.features,
            found=(Finding(text, "title", "id", whole[0].slug, "pin"), *_list_wishes(reading)),
        )
    return Understood(
        text=reading.get_rest(),
        names=tuple(reading.names),
        likes=tuple(reading.likes),
        filters=tuple(reading.filters),
        excluded=tuple(reading.excluded),
        boosts=tuple(reading.boosts),
        features=reading.features,
        found=_list_found(reading),
    )


def _list_found(reading: Reading) -> tuple[Finding, ...]:
    return tuple(finding for _, finding in sorted(reading.found, key=lambda pair: pair[0]))


def _list_wishes(reading: Reading) -> list[Finding]:
    return [finding for finding in _list_found(reading) if finding.effect == "boost"]
