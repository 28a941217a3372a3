"""The search page when a search fails."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

import api
from api.guard.guard import Guard
from api.guard.hooks import register_guard
from api.routes.pages import register_pages
from core.errors import ConflictError, DependencyUnavailableError, PermanentError
from core.settings import Settings
from storage.database.keys import KeyRepository
from storage.database.session import Database
from storage.rate_limits import RateLimiter


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (
            DependencyUnavailableError("postgres", "connection to 10.0.0.5 port 5432 refused"),
            "postgres does not answer",
        ),
        (ConflictError("nothing is indexed yet"), "nothing is indexed yet"),
        (PermanentError("10.0.0.5 refused the request"), "Something went wrong on our side"),
    ],
)
def test_the_page_shows_no_address(error: Exception, shown: str) -> None:
    """It says what is wrong as the API does, and leaves addresses to the log."""

    class Failing:
        def search(self, *_: object, **__: object) -> None:
            raise error

    service: Any = Failing()
    app = Flask("api", root_path=api.__path__[0])
    settings, keys = Settings(_env_file=None), KeyRepository(Database("postgresql+psycopg://x@127.0.0.1:1/x"))
    register_guard(app, Guard(settings, keys=keys, limiter=RateLimiter(settings)))
    register_pages(app, service, document={})
    page = app.test_client().get("/?q=robot", headers={"Accept": "text/html"}).text
    assert shown in page
    assert "10.0.0.5" not in page
