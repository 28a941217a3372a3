"""The service: asks the model within its time, keeps what it said, and never fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from core.enrichment import SOURCE_SYNTHESIS
from core.errors import ConfigurationError
from core.log import Event, Log
from core.settings import Settings
from enrichment.synthesis.checking import BadAnswerError, read_answer
from enrichment.synthesis.question import Question, build_question
from enrichment.titles.sources import Synthesis
from fetching import Fetched, Fetcher, FetchError, FetchOptions
from storage.database.answers import AnswerRepository, Asked, NewAnswer, StoredAnswer
from storage.database.merge_inputs import MergeInputs
from storage.database.session import Database

# A completion of 800 tokens is 10 kB.
_MAX_BYTES: Final = 200_000
# Titles of one run that wait for a model; the others are merged without it, and asked for the next time.
_BUDGET_S: Final = 120.0
# After a failure that others will share.
_REST_S: Final = 60.0
_OK, _BAD = 200, 422
_log = Log("synthesis")


class Synthesiser:
    """Writes synopses. Thread-safe; opens and starts nothing when it is built."""

    def __init__(
        self,
        fetcher: Fetcher,
        answers: AnswerRepository,
        *,
        base_url: str,
        model: str,
        api_key: str | None = None,
        timeout_s: float = 30.0,
        budget_s: float = _BUDGET_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetcher = fetcher
        self._answers = answers
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._model = model
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._timeout_s = timeout_s
        self._budget_s = budget_s
        self._clock = clock
        self._rests_until = 0.0

    def write(self, titles: Mapping[str, MergeInputs]) -> dict[str, Synthesis]:
        """Synopses by slug, for those that two sources describe and the model has something usable to say about.

        Never raises for what the model or its host does: that is logged, and the title has no synopsis of its own.
        """
        until = self._clock() + self._budget_s
        questions = {slug: build_question(inputs, model=self._model) for slug, inputs in titles.items()}
        written = {slug: self._write(question, slug, until) for slug, question in questions.items() if question}
        return {slug: synthesis for slug, synthesis in written.items() if synthesis is not None}

    def close(self) -> None:
        """Close idle connections."""
        self._fetcher.close()

    def _write(self, question: Question, slug: str, until: float) -> Synthesis | None:
        kept = self._answers.get(SOURCE_SYNTHESIS, question.key)
        if kept is not None:
            return _read_kept(kept, question)
        now = self._clock()
        if now >= until or now < self._rests_until:
            return None
        return self._ask(question, slug, timeout_s=min(self._timeout_s, until - now))

    def _ask(self, question: Question, slug: str, *, timeout_s: float) -> Synthesis | None:
        started = self._clock()
        try:
            fetched = self._fetcher.fetch(
                self._url,
                json=question.to_body(),
                headers=self._headers,
                accept="application/json",
                max_bytes=_MAX_BYTES,
                timeout_s=timeout_s,
            )
        except FetchError as error:
            # Nothing was said, so nothing is kept: the same question is asked again another time.
            self._rests_until = self._clock() + _REST_S
            _log.warning(Event.SYNTHESIS_FAILED, slug=slug, reason=error.reason.value)
            return None
        # NotModified answers conditions, and there were none.
        assert isinstance(fetched, Fetched)
        return self._keep(fetched, question, slug, elapsed_ms=(self._clock() - started) * 1_000)

    def _keep(self, fetched: Fetched, question: Question, slug: str, *, elapsed_ms: float) -> Synthesis | None:
        """What was said is kept, also what is of no use: it would be said again."""
        try:
            synopsis = read_answer(fetched.body, question.texts)
        except BadAnswerError as error:
            _log.warning(Event.SYNTHESIS_FAILED, slug=slug, reason=str(error))
            refused = NewAnswer(status=_BAD, media_type="text/plain", body=str(error).encode())
            self._answers.put(SOURCE_SYNTHESIS, question.key, refused, asked=Asked("refused", elapsed_ms))
            return None
        answer = NewAnswer(status=_OK, media_type=fetched.media_type, body=fetched.body)
        at = self._answers.put(SOURCE_SYNTHESIS, question.key, answer, asked=Asked("ok", elapsed_ms))
        return Synthesis(synopsis, at)


def _read_kept(kept: StoredAnswer, question: Question) -> Synthesis | None:
    if kept.status != _OK:
        return None
    try:
        return Synthesis(read_answer(kept.body, question.texts), kept.fetched_at)
    except BadAnswerError:
        # It was believed once, by checks that have become stricter since.
        return None


def build_synthesiser(settings: Settings, database: Database) -> Synthesiser | None:
    """The synthesiser by the settings, None where it is off. Raises ConfigurationError for half a setting."""
    if settings.llm_base_url is None:
        return None
    if not settings.llm_model:
        raise ConfigurationError("LLM_BASE_URL is set and LLM_MODEL is not: name the model")
    return Synthesiser(
        Fetcher(_build_options(settings)),
        AnswerRepository(database),
        base_url=settings.llm_base_url,
        model=settings.llm_model,
        api_key=settings.llm_api_key.get_secret_value() if settings.llm_api_key else None,
        timeout_s=settings.llm_timeout_s,
    )


def _build_options(settings: Settings) -> FetchOptions:
    # A model says nothing until it has thought: the wait for its first byte is the wait for all.
    return FetchOptions(
        user_agent=settings.enrich_user_agent or settings.download_user_agent,
        timeout_s=settings.llm_timeout_s,
        read_timeout_s=settings.llm_timeout_s,
        max_bytes=_MAX_BYTES,
        connections=4,
        connections_by_host=4,
        most_redirects=0,
        respect_robots=False,
        allowed_networks=settings.get_provider_networks(),
        networks_setting="ENRICH_ALLOWED_NETWORKS",
    )
