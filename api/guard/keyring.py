"""The keys in use, kept in memory, so that a request asks Postgres about a key at most once.

A thread asks again about all of them every `REFRESH_S`: a revoked key ends that soon, and with Postgres away known keys
go on for `GRACE_S` while unknown ones are told to come back (503). Never is a key let in that has not been seen valid.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock

from core.errors import DependencyUnavailableError
from core.keys import matches, parse_token
from core.log import Event, Log
from storage.database.keys import ApiKey, KeyRepository, get_month

REFRESH_S = 2.0
GRACE_S = 300.0
# A key that nobody sends any more is let go of.
_IDLE_S = 120.0
_UNKNOWN_S = 5.0
_UNKNOWN_MAX = 10_000
# After a failure those who come with a key that is not known are answered at once.
_PAUSE_S = 2.0
_log = Log("keys")


@dataclass(slots=True)
class _Entry:
    key: ApiKey
    seen_at: float
    used_at: float


class KeyRing:
    """Finds keys by their text. Safe between threads. `refresh` is for one thread, again and again."""

    def __init__(self, repository: KeyRepository, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._repository = repository
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._unknown: dict[str, float] = {}
        self._paused_until = 0.0
        self._lock = Lock()

    def find(self, token: str) -> tuple[ApiKey | None, str]:
        """The valid key of this text, else None; and what is wrong with it, for the log.

        Raises DependencyUnavailableError when Postgres, which would have to be asked, does not answer.
        """
        parsed = parse_token(token)
        if parsed is None:
            return None, "malformed"
        key_id, secret = parsed
        key = self._get(key_id)
        if not matches(secret, key.secret_hash if key else None) or key is None:
            return None, f"wrong secret of {key_id}" if key else f"unknown id {key_id}"
        if not key.is_usable(datetime.now(UTC)):
            return None, f"{key_id} was revoked" if key.revoked_at else f"{key_id} has expired"
        return key, ""

    def refresh(self) -> list[ApiKey]:
        """Read the keys in use anew; answers them. Raises DependencyUnavailableError."""
        now = self._clock()
        with self._lock:
            for key_id in [one for one, entry in self._entries.items() if now - entry.used_at > _IDLE_S]:
                del self._entries[key_id]
            used_at = {key_id: entry.used_at for key_id, entry in self._entries.items()}
        if not used_at:
            return []
        found = self._repository.load(used_at.keys(), month=get_month(datetime.now(UTC)))
        with self._lock:
            for key_id, last in used_at.items():
                if key_id in found:
                    self._entries[key_id] = _Entry(found[key_id], now, last)
                else:
                    self._entries.pop(key_id, None)
        return list(found.values())

    def _get(self, key_id: str) -> ApiKey | None:
        now = self._clock()
        entry = self._entries.get(key_id)
        if entry is not None and now - entry.seen_at < GRACE_S:
            entry.used_at = now
            return entry.key
        if now - self._unknown.get(key_id, -_UNKNOWN_S) < _UNKNOWN_S:
            return None
        return self._load(key_id, now=now)

    def _load(self, key_id: str, *, now: float) -> ApiKey | None:
        if now < self._paused_until:
            raise DependencyUnavailableError("postgres", "did not answer a moment ago")
        try:
            key = self._repository.load([key_id], month=get_month(datetime.now(UTC))).get(key_id)
        except DependencyUnavailableError as error:
            self._paused_until = self._clock() + _PAUSE_S
            _log.warning(Event.KEYS_NOT_REFRESHED, reason=error.reason)
            raise
        with self._lock:
            if key is not None:
                self._entries[key_id] = _Entry(key, now, now)
            else:
                if len(self._unknown) >= _UNKNOWN_MAX:
                    self._unknown.clear()
                self._unknown[key_id] = now
        return key
