"""Search in a provider's dump of titles, for providers that have no search of their own."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Final

from enrichment.linking.index import TitleIndex
from enrichment.providers.base import Candidate
from storage.database.provider_titles import ProviderTitleRepository

# A dump changes once a day.
_CHECK_S: Final = 300.0


class DumpSearch:
    """Finds candidates among the stored titles of one provider. Safe between threads.

    The titles are kept in memory (about 140 MB for AniDB's 87,000) from the first search on, and read anew when they
    have been replaced.
    """

    def __init__(self, titles: ProviderTitleRepository, provider: str, *, check_s: float = _CHECK_S) -> None:
        self._titles = titles
        self._provider = provider
        self._check_s = check_s
        self._lock = threading.Lock()
        self._index: TitleIndex | None = None
        self._version = -1
        self._checked_at = 0.0

    def __call__(self, title: str) -> Sequence[Candidate]:
        """The entries whose titles are most like this one, the best first; none before a dump was stored."""
        return self._get_index().search(title)

    def _get_index(self) -> TitleIndex:
        # The others wait: reading the same titles twice at once would help nobody.
        with self._lock:
            if self._index is None or time.monotonic() - self._checked_at >= self._check_s:
                version = self._titles.get_version(self._provider)
                if self._index is None or version != self._version:
                    found = self._titles.load_all(self._provider)
                    self._index = TitleIndex(Candidate(external_id=one, titles=named) for one, named in found.items())
                    self._version = version
                self._checked_at = time.monotonic()
            return self._index
