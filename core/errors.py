"""The one error tree. Transient errors may be retried, permanent ones may not; `api` maps them to a status."""

from __future__ import annotations


class ServiceError(Exception):
    """Base of every error that we raise on purpose. `code` is stable and machine-readable."""

    code = "service-error"


class PermanentError(ServiceError):
    """Trying again with the same input ends the same way."""

    code = "permanent"


class TransientError(ServiceError):
    """The same call may succeed later. `retry_after_s` is a hint for the caller."""

    code = "transient"

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class InvalidInputError(PermanentError):
    """A value that a caller gave is wrong. Names the field, as a dotted path, and the reason."""

    code = "invalid-input"

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class NotFoundError(PermanentError):
    """Nothing has this id."""

    code = "not-found"

    def __init__(self, kind: str, identifier: str) -> None:
        super().__init__(f"no {kind} has the id {identifier!r}")
        self.kind = kind
        self.identifier = identifier


class ConflictError(PermanentError):
    """The request is well-formed, but the present state forbids it."""

    code = "conflict"


class ConfigurationError(PermanentError):
    """A setting is wrong or something that it names is missing. The message says what to set or install."""

    code = "configuration"


class ModelUnavailableError(ConfigurationError):
    """A named model cannot be loaded. Never answered by a silent fall-back to another model."""

    code = "model-unavailable"

    def __init__(self, setting: str, model: str, *, reason: str, remedy: str) -> None:
        super().__init__(f"{setting}={model!r} cannot be loaded: {reason}. {remedy}")
        self.setting = setting
        self.model = model


class NoTextTowerError(ConflictError):
    """The picture encoder knows no text, so pictures cannot be found by words."""

    code = "no-text-tower"


class NoPictureEncoderError(ConflictError):
    """No picture encoder is configured, or nothing has been indexed by it yet."""

    code = "no-picture-encoder"


class DependencyUnavailableError(TransientError):
    """A server that we need does not answer. `dependency` is one of redis, postgres, qdrant, query-worker."""

    code = "dependency-unavailable"

    def __init__(self, dependency: str, reason: str, *, retry_after_s: float = 2.0) -> None:
        super().__init__(f"{dependency} is unavailable: {reason}", retry_after_s=retry_after_s)
        self.dependency = dependency
        self.reason = reason


class UnauthorizedError(PermanentError):
    """No key was sent where one is needed, or one that is not valid. Never says which of the two, or why."""

    code = "unauthorized"


class ForbiddenError(PermanentError):
    """The caller is known and may not do this."""

    code = "forbidden"


class RateLimitedError(TransientError):
    """Too many requests in a short time."""

    code = "rate-limited"


class QuotaExceededError(TransientError):
    """The key has used up its month."""

    code = "quota-exceeded"


class OverloadedError(TransientError):
    """A bounded queue is full: waiting longer would help nobody."""

    code = "overloaded"


class DeadlineExceededError(TransientError):
    """The answer did not come within the time that the caller was promised."""

    code = "deadline-exceeded"
