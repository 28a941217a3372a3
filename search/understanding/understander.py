"""What a search is given to read texts with: the rules, over the names that are known right now."""

from __future__ import annotations

import threading

from search.names.keeper import KnownNames, NameIndexKeeper
from search.understanding.lexicon import Lexicon, build_studios
from search.understanding.understand import understand
from search.understanding.understood import Understood


class Understander:
    """Reads structure out of texts. While the names are not read yet, titles and studios are not recognised."""

    def __init__(self, keeper: NameIndexKeeper) -> None:
        self._keeper = keeper
        self._lock = threading.Lock()
        self._lexicon: tuple[KnownNames | None, Lexicon] = (None, Lexicon())

    @property
    def revision(self) -> int:
        """That of the names."""
        return self._keeper.revision

    def understand(self, text: str, *, include_adult: bool = False) -> Understood:
        """Read a text in its normal form. Never fails; what is unclear stays text."""
        known = self._keeper.get()
        return understand(
            text,
            names=known.index if known else None,
            lexicon=self._get_lexicon(known),
            include_adult=include_adult,
        )

    def _get_lexicon(self, known: KnownNames | None) -> Lexicon:
        made_from, lexicon = self._lexicon
        if made_from is known or known is None:
            return lexicon
        with self._lock:
            if self._lexicon[0] is not known:
                self._lexicon = (known, Lexicon(build_studios(known.studios)))
            return self._lexicon[1]
