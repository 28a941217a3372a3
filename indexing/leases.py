"""Leases of one chunk are prolonged from a thread of their own, however long a single step takes.

A step that takes longer than `_LONGEST_STEP` leases is taken for hung: its rows are left to others.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from types import TracebackType
from typing import Generic, Protocol, TypeVar

from core.errors import TransientError
from core.log import Event, Log

_RENEWALS_PER_LEASE = 3
_LONGEST_STEP = 10
_log = Log("leases")
# What is leased: a title by its slug, a picture by its id.
K = TypeVar("K")
K_contra = TypeVar("K_contra", contravariant=True)


class LeasedRows(Protocol[K_contra]):
    """The repository of the rows."""

    def renew(self, job_id: uuid.UUID, keys: Sequence[K_contra], /, *, owner: str, lease_s: float) -> int:
        """Prolong those of the rows that this worker holds; returns how many."""


class LeaseKeeper(Generic[K]):
    """Holds rows of a job for one worker while the `with` block runs."""

    def __init__(
        self, rows: LeasedRows[K], job_id: uuid.UUID, keys: Sequence[K], *, owner: str, lease_s: float
    ) -> None:
        self._rows = rows
        self._job_id = job_id
        self._keys = keys
        self._owner = owner
        self._lease_s = lease_s
        self._ended = threading.Event()
        self._left = 0
        self._thread = threading.Thread(target=self._keep, name="leases", daemon=True)

    def __enter__(self) -> LeaseKeeper[K]:
        self.step()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def step(self) -> None:
        """A step begins: it has its full time."""
        self._left = _LONGEST_STEP * _RENEWALS_PER_LEASE

    def holds(self, keys: Sequence[K]) -> bool:
        """Renew these now; False if none of them is this worker's any more."""
        self.step()
        return self._renew(keys) > 0

    def _keep(self) -> None:
        while not self._ended.wait(self._lease_s / _RENEWALS_PER_LEASE):
            if self._left <= 0:
                continue
            self._left -= 1
            try:
                self._renew(self._keys)
            except TransientError as error:
                # The next turn comes before the lease ends.
                _log.warning(Event.DEPENDENCY_UNAVAILABLE, dependency="postgres", reason=str(error))

    def _renew(self, keys: Sequence[K]) -> int:
        return self._rows.renew(self._job_id, keys, owner=self._owner, lease_s=self._lease_s)
