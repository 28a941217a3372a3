"""Every endpoint of the API, once. A test compares this table with the service's own OpenAPI document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path with places such as {id}.

    `is_repeatable`: asking twice does no more than asking once, so a request whose answer was lost may be sent again.
    """

    method: str
    path: str
    is_repeatable: bool = True

    def fill(self, **parts: str) -> str:
        """The path with its places filled, percent-encoded.

        Raises ValueError for a part that would lead to another route: the empty one, `.` and `..`.
        """
        for name, value in parts.items():
            if value in ("", ".", ".."):
                raise ValueError(f"{name}: {value!r} is no id")
        return self.path.format(**{name: quote(value, safe=":") for name, value in parts.items()})

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


# Searches are asked by POST because their questions are long; they change nothing.
SEARCH: Final = Route("POST", "/api/v1/search")
SEARCH_BATCH: Final = Route("POST", "/api/v1/search/batch")
GET_TITLE: Final = Route("GET", "/api/v1/search/by-id/{id}")
SIMILAR: Final = Route("GET", "/api/v1/similarity/anime/{id}")
SIMILAR_BY_VECTOR: Final = Route("GET", "/api/v1/similarity/vector/{id}")
SIMILAR_BATCH: Final = Route("POST", "/api/v1/similarity/batch")
FACETS: Final = Route("POST", "/api/v1/facets")
SUGGEST: Final = Route("GET", "/api/v1/suggest")

CREATE_JOB: Final = Route("POST", "/api/v1/jobs", is_repeatable=False)
LIST_JOBS: Final = Route("GET", "/api/v1/jobs")
GET_JOB: Final = Route("GET", "/api/v1/jobs/{job_id}")
# Cancelled twice is a conflict, and that would hide that the first time was heard.
CANCEL_JOB: Final = Route("POST", "/api/v1/jobs/{job_id}/cancel", is_repeatable=False)
RETRY_JOB: Final = Route("POST", "/api/v1/jobs/{job_id}/retry", is_repeatable=False)
DEAD_LETTERS: Final = Route("GET", "/api/v1/jobs/{job_id}/dead-letters")

ALIVE: Final = Route("GET", "/health/live")
HEALTH: Final = Route("GET", "/api/v1/health")
STATS: Final = Route("GET", "/api/v1/stats")

# The same views under other names, for probes and for people.
ALIASES: Final = frozenset({"/health", "/health/ready", "/stats"})


def list_routes() -> frozenset[Route]:
    """All of them."""
    return frozenset(value for value in globals().values() if isinstance(value, Route))
