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
SEARCH_IMAGE: Final = Route("POST", "/api/v1/search/image")
SEARCH_MULTIMODAL: Final = Route("POST", "/api/v1/search/multimodal")
SIMILAR_VISUAL: Final = Route("GET", "/api/v1/similarity/visual/{id}")
FACETS: Final = Route("POST", "/api/v1/facets")
SUGGEST: Final = Route("GET", "/api/v1/suggest")
GET_PROVENANCE: Final = Route("GET", "/api/v1/titles/{id}/provenance")

GET_MEDIA: Final = Route("GET", "/api/v1/media/{sha256}")
# The same again stores the same again.
INDEX: Final = Route("POST", "/api/v1/index")
REMOVE_PICTURE: Final = Route("DELETE", "/api/v1/index/{image_id}")

CREATE_JOB: Final = Route("POST", "/api/v1/jobs", is_repeatable=False)
LIST_JOBS: Final = Route("GET", "/api/v1/jobs")
GET_JOB: Final = Route("GET", "/api/v1/jobs/{job_id}")
# Cancelled twice is a conflict, and that would hide that the first time was heard.
CANCEL_JOB: Final = Route("POST", "/api/v1/jobs/{job_id}/cancel", is_repeatable=False)
RETRY_JOB: Final = Route("POST", "/api/v1/jobs/{job_id}/retry", is_repeatable=False)
DEAD_LETTERS: Final = Route("GET", "/api/v1/jobs/{job_id}/dead-letters")

ADMIN_STATS: Final = Route("GET", "/api/v1/admin/stats")
ADMIN_HEALTH: Final = Route("GET", "/api/v1/admin/health")
LIST_PROVIDERS: Final = Route("GET", "/api/v1/admin/providers")
COLLECTION: Final = Route("GET", "/api/v1/admin/collection/info")
UPSERT: Final = Route("POST", "/api/v1/admin/vectors/upsert", is_repeatable=False)
EXCLUDE_TITLE: Final = Route("DELETE", "/api/v1/admin/vectors/{id}")
RESTORE_TITLE: Final = Route("POST", "/api/v1/admin/vectors/{id}/restore")
LIST_OVERRIDES: Final = Route("GET", "/api/v1/admin/titles/{id}/overrides")
# The same again says that nothing had to change.
SET_OVERRIDE: Final = Route("PUT", "/api/v1/admin/titles/{id}/overrides/{field}")
REMOVE_OVERRIDE: Final = Route("DELETE", "/api/v1/admin/titles/{id}/overrides/{field}")
LIST_LINKS: Final = Route("GET", "/api/v1/admin/links")
DECIDE_LINK: Final = Route("PUT", "/api/v1/admin/titles/{id}/links/{provider}")
WITHDRAW_LINK: Final = Route("DELETE", "/api/v1/admin/titles/{id}/links/{provider}")
REINDEX: Final = Route("POST", "/api/v1/admin/reindex", is_repeatable=False)
LIST_GENERATIONS: Final = Route("GET", "/api/v1/admin/generations")
SWAP_GENERATION: Final = Route("POST", "/api/v1/admin/generations/{collection}/swap", is_repeatable=False)
# Twice would go back two.
ROLLBACK: Final = Route("POST", "/api/v1/admin/rollback", is_repeatable=False)
# The second answer would be that there is nothing of this name.
DROP_GENERATION: Final = Route("DELETE", "/api/v1/admin/generations/{collection}", is_repeatable=False)
TAKE_SNAPSHOT: Final = Route("POST", "/api/v1/admin/snapshots", is_repeatable=False)
LIST_SNAPSHOTS: Final = Route("GET", "/api/v1/admin/snapshots")
DELETE_SNAPSHOT: Final = Route("DELETE", "/api/v1/admin/snapshots/{name}", is_repeatable=False)
RESTORE_SNAPSHOT: Final = Route("POST", "/api/v1/admin/snapshots/{name}/restore", is_repeatable=False)

ALIVE: Final = Route("GET", "/health/live")
HEALTH: Final = Route("GET", "/api/v1/health")
STATS: Final = Route("GET", "/api/v1/stats")

# The same views under other names, for probes and for people.
ALIASES: Final = frozenset({"/health", "/health/ready", "/stats"})


def list_routes() -> frozenset[Route]:
    """All of them."""
    return frozenset(value for value in globals().values() if isinstance(value, Route))
