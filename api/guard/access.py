"""The least role that each route needs: one table, and the only one.

An entry covers its path and all below it; the longest that fits counts. What none covers is for admins.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from core.keys import Role

# No key is needed, and none is looked at.
PUBLIC = None
# Any method, where no entry names the method itself.
ANY = "*"

ACCESS: Mapping[tuple[str, str], Role | None] = {
    # What probes and browsers load. The front page searches only for those who may: see `api.routes.pages`.
    ("GET", "/"): PUBLIC,
    ("GET", "/docs"): PUBLIC,
    ("GET", "/redoc"): PUBLIC,
    ("GET", "/swagger"): PUBLIC,
    ("GET", "/static"): PUBLIC,
    ("GET", "/openapi.json"): PUBLIC,
    ("GET", "/health"): PUBLIC,
    ("GET", "/api/v1/health"): PUBLIC,
    # Reading
    (ANY, "/api/v1/search"): Role.READER,
    (ANY, "/api/v1/similarity"): Role.READER,
    (ANY, "/api/v1/facets"): Role.READER,
    ("GET", "/api/v1/suggest"): Role.READER,
    ("GET", "/api/v1/media"): Role.READER,
    ("GET", "/api/v1/titles"): Role.READER,
    ("GET", "/stats"): Role.READER,
    ("GET", "/api/v1/stats"): Role.READER,
    ("GET", "/api/v1/jobs"): Role.READER,
    # Changing titles, and what went wrong with them: dead letters name adult titles, too.
    ("GET", "/api/v1/jobs/<job_id>/dead-letters"): Role.EDITOR,
    ("POST", "/api/v1/jobs"): Role.EDITOR,
    ("POST", "/api/v1/index"): Role.EDITOR,
    ("DELETE", "/api/v1/index"): Role.EDITOR,
    (ANY, "/api/v1/admin/vectors"): Role.EDITOR,
    (ANY, "/api/v1/admin/titles"): Role.EDITOR,
    ("GET", "/api/v1/admin/stats"): Role.EDITOR,
    ("GET", "/api/v1/admin/health"): Role.EDITOR,
    ("GET", "/api/v1/admin/providers"): Role.EDITOR,
    ("GET", "/api/v1/admin/links"): Role.EDITOR,
    ("GET", "/api/v1/admin/collection"): Role.EDITOR,
    # Everything else that an operator does: generations, aliases, snapshots
    (ANY, "/api/v1/admin"): Role.ADMIN,
}


@lru_cache(maxsize=1_024)
def get_least_role(method: str, rule: str) -> Role | None:
    """The role that a route needs, by its method and its rule; PUBLIC where none is."""
    entry = find_entry(method, rule)
    return Role.ADMIN if entry is None else ACCESS[entry]


def find_entry(method: str, rule: str) -> tuple[str, str] | None:
    """The entry that covers a route, None if none does. HEAD is GET without the body."""
    asked = "GET" if method == "HEAD" else method
    path = rule
    while path:
        for entry in ((asked, path), (ANY, path)):
            if entry in ACCESS:
                return entry
        # The front page covers nothing but itself.
        path = path.rpartition("/")[0]
    return None
