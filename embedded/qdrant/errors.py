"""What can go wrong with a request, each with its HTTP status, and the one place that translates the engine."""

from __future__ import annotations

from types import TracebackType


class ApiError(Exception):
    """An answer that is not a result; `status` is its HTTP code."""

    status = 500


class BadRequestError(ApiError):
    """The request is malformed, or contradicts the collection."""

    status = 400


class NotFoundError(ApiError):
    """No such collection, alias, point or route."""

    status = 404


class MethodNotAllowedError(ApiError):
    """The route exists, under another method."""

    status = 405


class ConflictError(ApiError):
    """The name is taken."""

    status = 409


class NotServedError(ApiError):
    """A real Qdrant can do this and this server cannot; the message names what."""

    status = 501

    def __init__(self, what: str) -> None:
        super().__init__(f"Not served by the embedded Qdrant: {what}")


class EngineErrors:
    """Turn what the engine and its constructors raise into an `ApiError`: `with engine_errors: ...`.

    The engine raises a bare `Exception` for everything, so its message decides; its argument
    converters raise TypeError, ValueError and OverflowError.
    """

    _CONVERSION = (TypeError, ValueError, OverflowError)

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or error is None:
            return
        message = str(error).split("\n", 1)[0]
        if issubclass(kind, self._CONVERSION):
            raise BadRequestError(f"Wrong input: {message}") from error
        if kind is Exception:
            raise _by_message(message) from error


def _by_message(message: str) -> ApiError:
    if message.startswith("No point with id"):
        return NotFoundError(f"Not found: {message}")
    if "internal error" in message or "I/O" in message or "os error" in message:
        return ApiError(message)
    return BadRequestError(f"Wrong input: {message}")


engine_errors = EngineErrors()
