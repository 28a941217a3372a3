"""What the threads of a downloader decode at once is bounded by its pixels."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from PIL import Image

from core.pictures import facts, perceptual_hash
from fetching import Fetched
from indexing.downloads.attempt import AttemptOptions, Downloader
from storage.database.downloads import DownloadClaim
from storage.database.models import DownloadState
from storage.media import StagedMedia
from tests.unit.core.pictures.drawing import draw_picture, save_picture

PICTURE = save_picture(draw_picture(width=320, height=200))


class FakeFetcher:
    """Brings the same picture from everywhere."""

    def fetch(self, url: str, **_: Any) -> Fetched:
        """As Fetcher.fetch."""
        return Fetched(url, url, 200, PICTURE, "image/png", None, None, {}, 1.0)


class FakeStore:
    """Takes everything."""

    def stage(self, sha256: str, data: bytes) -> StagedMedia:
        """As MediaStore.stage."""
        return StagedMedia(sha256, len(data))


class Crowd:
    """Hashes slowly, and counts for how many pictures at once."""

    def __init__(self) -> None:
        self.most = self._inside = 0
        self._lock = threading.Lock()

    def hash(self, image: Image.Image, *, is_quick: bool = False) -> int:
        """As perceptual_hash."""
        with self._lock:
            self._inside += 1
            self.most = max(self.most, self._inside)
        time.sleep(0.005)
        with self._lock:
            self._inside -= 1
        return perceptual_hash(image, is_quick=is_quick)


@pytest.mark.parametrize(("max_pixels", "least", "most"), [(320 * 200, 2, 2), (10_000_000, 3, 5)])
def test_as_many_at_once_as_there_is_memory_for(
    monkeypatch: pytest.MonkeyPatch, max_pixels: int, least: int, most: int
) -> None:
    """Of pictures of the largest size two are decoded at once, of small ones as many as there are decoders."""
    crowd = Crowd()
    monkeypatch.setattr(facts, "perceptual_hash", crowd.hash)
    fetcher: Any = FakeFetcher()
    store: Any = FakeStore()
    options = AttemptOptions(max_bytes=10**6, max_pixels=max_pixels, max_attempts=3, timeout_s=5, decoders=5)
    downloader = Downloader(fetcher, store, options)
    claims = [
        DownloadClaim(str(number), "https://x.test/1", "x.test", 1, 0.0, None, None, None) for number in range(32)
    ]
    with ThreadPoolExecutor(12) as pool:
        ended = list(pool.map(downloader.attempt, claims))
    assert {one.outcome.state for one in ended} == {DownloadState.DONE}
    assert least <= crowd.most <= most
