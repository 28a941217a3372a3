"""The search page when a search fails."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

import api
from api.routes.pages import register_pages
from core.errors import ConflictError, DependencyUnavailableError, PermanentError


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
    register_pages(app, service)
    page = app.test_client().get("/?q=robot", headers={"Accept": "text/html"}).text
    assert shown in page
    assert "10.0.0.5" not in page
