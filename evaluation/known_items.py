"""Known-item queries: somebody types one of the names of a title, as it is or nearly so.

Right are all titles that bear the name. Names that more than three titles bear name nothing in particular.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from evaluation.catalogue import Catalogue, Title, fold_name
from evaluation.gold import GoldQuery, sample_titles, split_count, take_queries
from evaluation.spelling import TYPING_ERRORS, count_letters, find_language, misspell, respell

GROUP = "known-item"
_BEARERS_MAX = 3
_LATIN_LETTERS_MIN = 4
_OTHER_LETTERS_MIN = {"ja": 2, "zh": 2, "ko": 2, "ru": 4, "other": 4}
# Everything that a model could take for the name of something else is found in long names less often.
_MISSPELT_LETTERS_MIN = 6

# A kind of query: what is typed for a title and the name that is meant by it, one of them or nothing.
_Typed = tuple[str, str]
_Kind = Callable[[Title, random.Random], _Typed | None]


def build_known_items(catalogue: Catalogue, *, count: int, seed: int) -> tuple[GoldQuery, ...]:
    """`count` queries, as many of each kind as of the others. Kinds that the catalogue cannot fill come out shorter."""
    made: list[GoldQuery] = []
    for (kind, type_name), share in zip(_KINDS.items(), split_count(count, len(_KINDS)), strict=True):
        build = _build_of_kind(catalogue, kind, type_name, seed)
        made += take_queries(sample_titles(catalogue, f"{seed}:{kind}"), build, count=share)
    return tuple(made)


def _build_of_kind(catalogue: Catalogue, kind: str, type_name: _Kind, seed: int) -> Callable[[Title], GoldQuery | None]:
    def build(title: Title) -> GoldQuery | None:
        typed = type_name(title, random.Random(f"{seed}:{kind}:{title.slug}"))
        if typed is None:
            return None
        text, name = typed
        bearers = catalogue.by_name[fold_name(name)]
        # A slip may turn one name into another one: then that is what was asked for.
        others = catalogue.by_name.get(fold_name(text), bearers)
        if len(bearers) > _BEARERS_MAX or others != bearers:
            return None
        return GoldQuery(f"{kind}:{title.slug}", GROUP, kind, text, dict.fromkeys(sorted(bearers), 1))

    return build


def _type_title(title: Title, _: random.Random) -> _Typed | None:
    name = title.names[0]
    return (name, name) if count_letters(name) >= _LATIN_LETTERS_MIN else None


def _type_synonym(title: Title, rng: random.Random) -> _Typed | None:
    said = {fold_name(name) for name in title.names[:1]}
    others = [name for name in title.names[1:] if _is_latin(name) and fold_name(name) not in said]
    return _choose(others, rng)


def _type_romanised(title: Title, rng: random.Random) -> _Typed | None:
    name = title.names[0]
    is_japanese = any(find_language(other) == "ja" for other in title.names)
    if not (is_japanese and _is_latin(name)) or name == title.document.get("title_english"):
        return None
    text = respell(name, rng)
    return None if text is None else (text, name)


def _misspeller(error: str) -> _Kind:
    def type_name(title: Title, rng: random.Random) -> _Typed | None:
        names = [name for name in _get_main_names(title) if count_letters(name) >= _MISSPELT_LETTERS_MIN]
        if not names:
            return None
        name = rng.choice(names)
        text = misspell(name, error, rng)
        return None if text is None else (text, name)

    return type_name


def _foreign(language: str) -> _Kind:
    def type_name(title: Title, rng: random.Random) -> _Typed | None:
        least = _OTHER_LETTERS_MIN[language]
        names = [name for name in title.names if find_language(name) == language and count_letters(name) >= least]
        return _choose(names, rng)

    return type_name


def _choose(names: list[str], rng: random.Random) -> _Typed | None:
    if not names:
        return None
    name = rng.choice(names)
    return name, name


def _get_main_names(title: Title) -> Iterator[str]:
    own = (title.document.get("title"), title.document.get("title_english"))
    return (name for name in dict.fromkeys(own) if name and find_language(name) is None)


def _is_latin(name: str) -> bool:
    return find_language(name) is None and count_letters(name) >= _LATIN_LETTERS_MIN


_KINDS: dict[str, _Kind] = {
    "title": _type_title,
    "synonym": _type_synonym,
    "romanised": _type_romanised,
    **{error: _misspeller(error) for error in TYPING_ERRORS},
    **{language: _foreign(language) for language in _OTHER_LETTERS_MIN},
}
