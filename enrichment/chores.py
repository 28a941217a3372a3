"""The chores of enrichment: AniDB's daily dump of titles, what merging learns of its sources, and tidying up."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import timedelta
from typing import Final, Protocol

from enrichment.attempt import REASON_NO_TITLES, Asker
from enrichment.providers.anidb_titles import read_titles
from enrichment.providers.base import Request, ShapeChangedError
from enrichment.titles.models import UsedModel
from storage.database.answers import AnswerRepository
from storage.database.enrich_parts import EnrichPartRepository
from storage.database.provider_titles import ProviderTitle, ProviderTitleRepository

DUMP_REQUEST: Final = Request(key="titles-dump", path="", accept="application/gzip", absent=frozenset())
# AniDB wants it to be fetched once a day at most: https://wiki.anidb.net/API#Anime_Titles
_DUMP_AGE: Final = timedelta(hours=23)
_PROVIDER: Final = "anidb"


class Learner(Protocol):
    """What learns how reliable sources are; see ModelKeeper."""

    def learn(self) -> UsedModel | None:
        """A new model, or None while too little is known."""
        ...


class TitleDump:
    """Fetches AniDB's titles and puts them in the place of those of the day before, all or nothing."""

    def __init__(self, client: Asker, titles: ProviderTitleRepository, parts: EnrichPartRepository) -> None:
        self._client = client
        self._titles = titles
        self._parts = parts

    def refresh(self) -> str:
        """Fetch and store; what it came to. The titles of the day before stay where anything goes wrong.

        Raises what asking raises, and ShapeChangedError for what is no dump.
        """
        answer = self._client.ask(DUMP_REQUEST, most_age_s=_DUMP_AGE.total_seconds())
        try:
            count = self._titles.replace(_PROVIDER, _read(answer.body))
        except ShapeChangedError:
            self._client.distrust([DUMP_REQUEST.key])
            raise
        # Whoever could not be looked for without them.
        self._parts.make_due(_PROVIDER, REASON_NO_TITLES)
        return f"{count} titles, as of {answer.fetched_at:%Y-%m-%d %H:%M} UTC"


def _read(body: bytes) -> Iterator[ProviderTitle]:
    for one in read_titles(io.BytesIO(body)):
        yield ProviderTitle(one.external_id, one.kind, one.language, one.title)


def learn_sources(learner: Learner) -> str:
    """Learn how reliable the sources are from all that they have said."""
    used = learner.learn()
    if used is None:
        return "too few titles to learn from: what comes with us is used"
    return f"version {used.version} is used from now on"


def prune(answers: AnswerRepository, parts: EnrichPartRepository) -> str:
    """Forget old counts of requests, and parts that nobody waits for any more."""
    counts, unwanted = answers.prune(), parts.release_unwanted()
    return f"{counts} old counts and {unwanted} unwanted parts are gone"
