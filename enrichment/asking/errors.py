"""Why one request brought nothing, where it is not the whole provider that cannot be asked."""

from __future__ import annotations

from core.errors import PermanentError, TransientError


class AnswerFailedError(TransientError):
    """This request failed and may work later; others to the same provider may go on. `reason`: see FetchReason.

    Also 'wrong-form': what came is not what was asked for (a page of HTML instead of JSON), so it was not kept.
    """

    code = "provider-answer-failed"

    def __init__(self, provider: str, reason: str, message: str, *, retry_after_s: float = 60.0) -> None:
        super().__init__(f"{provider}: {message}", retry_after_s=retry_after_s)
        self.provider = provider
        self.reason = reason


class AnswerRefusedError(PermanentError):
    """The provider refuses this request (http-400), or we refuse its answer (too-large, forbidden-address)."""

    code = "provider-answer-refused"

    def __init__(self, provider: str, reason: str, message: str) -> None:
        super().__init__(f"{provider}: {message}")
        self.provider = provider
        self.reason = reason
