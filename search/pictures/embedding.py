"""The vectors of query pictures: remembered in this process and in Redis, else made by the query worker.

They depend on the picture encoder's recipe and on what the caller sent, byte by byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from core.errors import PermanentError
from core.settings import Settings
from messaging.picture_call import EncodedPictures, PictureQueryItem, WordsItem
from search.dispatcher import Dispatcher, DispatcherStats
from search.encoding import RecipeMismatchError
from search.memory import Memory
from storage.cache import Cache
from storage.cache_writer import CacheWriter, Values

PICTURE_PREFIX = "avs:p:"
_MEMORY_BYTES = 8_000_000
_MEMORY_TTL_S = 300.0


@dataclass(frozen=True, slots=True, eq=False)
class PictureOutcome:
    """What became of one item: a unit vector of the recipe, or why there is none."""

    recipe: str
    vector: NDArray[np.float32] | PermanentError


class PictureEncoderClient(Protocol):
    """Encodes items together, in their order; called from one thread only."""

    def encode(self, items: Sequence[PictureQueryItem], timeout_s: float) -> EncodedPictures:
        """Raises DependencyUnavailableError or DeadlineExceededError."""


def encode_each_picture(
    encoder: PictureEncoderClient, items: list[PictureQueryItem], timeout_s: float
) -> list[PictureOutcome]:
    """One outcome an item: what the dispatcher of pictures calls."""
    encoded = encoder.encode(items, timeout_s)
    # Each row is copied: a view would keep the vectors of the whole batch alive with it.
    return [
        PictureOutcome(encoded.recipe, one if isinstance(one, PermanentError) else one.copy())
        for one in encoded.outcomes
    ]


class PictureEmbedding:
    """Vectors of pictures, and of texts in the space of pictures. Safe between threads."""

    def __init__(
        self,
        settings: Settings,
        *,
        dispatcher: Dispatcher[PictureQueryItem, PictureOutcome],
        cache: Cache,
        writer: CacheWriter,
    ) -> None:
        self._deadline_s = settings.query_deadline_s
        self._ttl_s = settings.vector_cache_ttl_s
        self._dispatcher = dispatcher
        self._cache = cache
        self._writer = writer
        self._memory: Memory[str, NDArray[np.float32]] = Memory(
            max_bytes=_MEMORY_BYTES,
            ttl_s=min(_MEMORY_TTL_S, self._ttl_s),
            size_of=lambda key, vector: len(key) + vector.nbytes,
        )

    def embed(self, item: PictureQueryItem, *, recipe: str) -> tuple[NDArray[np.float32], bool]:
        """The unit vector of shape (dimension,), and whether it was known already.

        Raises RecipeMismatchError if the worker makes vectors by another recipe than this one, NoTextTowerError and
        NoPictureEncoderError, OverloadedError, DeadlineExceededError, DependencyUnavailableError.
        """
        return self.begin(item, recipe=recipe)()

    def begin(self, item: PictureQueryItem, *, recipe: str) -> Callable[[], tuple[NDArray[np.float32], bool]]:
        """As `embed`, in two steps: what is returned waits for the vector. Raises OverloadedError."""
        key = build_picture_key(item, recipe=recipe)
        if (known := self._recall(key)) is not None:
            return lambda: (known, True)
        wait = self._dispatcher.begin([item], timeout_s=self._deadline_s)
        return lambda: (self._accept(key, wait()[0], recipe=recipe), False)

    def _accept(self, key: str, outcome: PictureOutcome, *, recipe: str) -> NDArray[np.float32]:
        if isinstance(outcome.vector, PermanentError):
            # Several threads may wait for one item: none shall show the stack of another.
            raise outcome.vector.with_traceback(None)
        if outcome.recipe != recipe:
            raise RecipeMismatchError(
                f"the query worker makes picture vectors by recipe {outcome.recipe}, but the index was made by "
                f"{recipe}: run the worker with the model of the index, or index the pictures again"
            )
        self._remember(key, outcome.vector)
        return outcome.vector

    @property
    def is_idle(self) -> bool:
        """True if nobody waits for a vector."""
        return self._dispatcher.is_idle

    def get_stats(self) -> DispatcherStats:
        """What the dispatcher has done."""
        return self._dispatcher.get_stats()

    def close(self) -> None:
        """Let waiting threads go and end the dispatcher."""
        self._dispatcher.close()

    def _recall(self, key: str) -> NDArray[np.float32] | None:
        if (vector := self._memory.get(key)) is not None:
            return vector
        data = self._cache.get(key) if self._ttl_s else None
        if not data or len(data) % 4:
            return None
        vector = np.frombuffer(data, "<f4")
        self._memory.put_many({key: vector})
        return vector

    def _remember(self, key: str, vector: NDArray[np.float32]) -> None:
        self._memory.put_many({key: vector})
        if self._ttl_s:

            def build() -> Values:
                return {key: (vector.astype("<f4").tobytes(), self._ttl_s)}

            self._writer.put(build, size_bytes=vector.nbytes)


def build_picture_key(item: PictureQueryItem, *, recipe: str) -> str:
    """The Redis key of an item's vector."""
    if isinstance(item, WordsItem):
        return f"{PICTURE_PREFIX}{recipe}:t{hashlib.blake2b(item.text.encode(), digest_size=16).hexdigest()}"
    return f"{PICTURE_PREFIX}{recipe}:{item.sha256}"
