"""What the service answers, as typed values, a module a part of the API."""

from client.values import admin, faceting, jobs, search, status

__all__ = ["admin", "faceting", "jobs", "search", "status"]
