"""The guard within Flask: before every route, and for the views that know what a request costs."""

from __future__ import annotations

from flask import Flask, Response, current_app, g, request
from structlog.contextvars import bind_contextvars

from api.guard.access import get_least_role
from api.guard.guard import PASSED, Decision, Guard
from core.keys import Role

# Where the short way leaves a decision that it could not answer itself.
DECISION = "avs.decision"
_EXTENSION = "avs-guard"


def register_guard(app: Flask, guard: Guard) -> None:
    """Ask the guard before each request, and say after it how much is left."""
    app.extensions[_EXTENSION] = guard
    app.before_request(_check)
    app.after_request(_add_headers)


def charge(cost: int, *, field: str) -> None:
    """Count this request as so many: for views that answer many questions at once, before they do the work.

    Raises RateLimitedError, QuotaExceededError or, when so many can never pass, InvalidInputError that names `field`.
    """
    g.decision = _get_guard().charge(g.decision, cost, field=field)
    _raise_error(g.decision)


def require(least: Role) -> None:
    """For a view that is public in part: raises what a route that needs this role would answer."""
    g.decision = _get_guard().check(request.environ, least)
    _raise_error(g.decision)


def get_caller() -> str:
    """Who asks, for what is kept with a person's decision: the name of the key, `anonymous` where none is needed."""
    decision: Decision = g.get("decision", PASSED)
    return "anonymous" if decision.key is None else decision.key.name


def _check() -> None:
    g.decision = PASSED
    rule = request.url_rule
    # No such route, or one that is asked what it allows: nothing is done, so nothing is guarded.
    if rule is None or request.method == "OPTIONS":
        return
    decision = request.environ.pop(DECISION, None)
    g.decision = decision or _get_guard().check(request.environ, get_least_role(request.method, rule.rule))
    if g.decision.key is not None:
        bind_contextvars(key=g.decision.key.id)
    _raise_error(g.decision)


def _raise_error(decision: Decision) -> None:
    if decision.error is not None:
        raise decision.error


def _add_headers(response: Response) -> Response:
    # A request that failed before the guard was asked has no decision.
    for name, value in g.get("decision", PASSED).headers:
        response.headers[name] = value
    return response


def _get_guard() -> Guard:
    guard: Guard = current_app.extensions[_EXTENSION]
    return guard
