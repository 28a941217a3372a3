"""Search in a provider's dump of titles, for providers that have no search of their own."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Final

from core.errors import TransientError
from enrichment.linking.index import TitleIndex
from enrichment.providers.base import Candidate
from storage.database.provider_titles import ProviderTitleRepository

# A dump changes once a day.
_CHECK_S: Final = 300.0
# Nobody waits for so long where it comes: then whatever waits for it is due at once.
_MISSING_S: Final = 3_600.0


class TitlesMissingError(TransientError):
    """A provider's titles were not fetched yet: that a title is not among them says nothing."""

    code = "provider-titles-missing"

    def __init__(self, provider: str) -> None:
        super().__init__(f"{provider}: its titles were not fetched yet", retry_after_s=_MISSING_S)
        self.provider = provider


class DumpSearch:
    """Finds candidates among the stored titles of one provider. Safe between threads.

    The titles are kept in memory (about 140 MB for AniDB's 87,000) from the first search on, and read anew when they
    have been replaced. `is_awaited`: somebody fetches them, so that nothing is said before they are there.
    """

    def __init__(
        self, titles: ProviderTitleRepository, provider: str, *, is_awaited: bool = True, check_s: float = _CHECK_S
    ) -> None:
        self._titles = titles
        self._provider = provider
        self._is_awaited = is_awaited
        self._check_s = check_s
        self._lock = threading.Lock()
        self._index: TitleIndex | None = None
        self._version = -1
        self._checked_at = 0.0

    def __call__(self, title: str) -> Sequence[Candidate]:
        """The entries whose titles are most like this one, the best first.

        Raises TitlesMissingError before a dump was stored, if one is awaited; else there are none then.
        """
        index = self._get_index()
        if self._version == 0 and self._is_awaited:
            raise TitlesMissingError(self._provider)
        return index.search(title)

    def _get_index(self) -> TitleIndex:
        # The others wait: reading the same titles twice at once would help nobody.
        with self._lock:
            is_old = time.monotonic() - self._checked_at >= self._check_s
            if self._index is None or self._version == 0 or is_old:
                version = self._titles.get_version(self._provider)
                if self._index is None or version != self._version:
                    found = self._titles.load_all(self._provider)
                    self._index = TitleIndex(Candidate(external_id=one, titles=named) for one, named in found.items())
                    self._version = version
                self._checked_at = time.monotonic()
            return self._index
