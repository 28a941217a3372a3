"""How long a supervisor waits before it starts a process again: longer and longer, until it has been healthy."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 30.0
HEALTHY_AFTER_S = 10.0


@dataclass
class Backoff:
    """The delays of one process. `failures` counts the ends since it was last healthy."""

    failures: int = 0

    def next_delay_s(self, *, uptime_s: float) -> float:
        """Seconds until the next start of a process that has just ended after `uptime_s`."""
        if uptime_s >= HEALTHY_AFTER_S:
            self.failures = 0
        delay_s: float = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(self.failures, 32))
        self.failures += 1
        return delay_s
