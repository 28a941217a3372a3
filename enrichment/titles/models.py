"""Which merge model is used, and the learning of a better one from all that sources have said."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from core.enrichment import SOURCE_OVERRIDE
from core.log import Event, Log
from enrichment.merging import MergeModel, learn
from enrichment.merging.claims import SourceClaims
from enrichment.titles.sources import build_sources
from storage.database.merge_inputs import MergeInputRepository
from storage.database.merge_models import MergeModelRepository
from storage.database.session import Database

# Fewer say hardly anything beside the thousands that the package's model was learned from.
MIN_TITLES = 100
_WRONG_FORM = (TypeError, ValueError, AttributeError, KeyError, IndexError)
_log = Log("merging")


@dataclass(frozen=True, slots=True)
class UsedModel:
    """A model with its version; 0 is the one that comes with the package."""

    version: int
    model: MergeModel


class ModelKeeper:
    """Gives the newest model and learns new ones. Safe between threads."""

    def __init__(self, database: Database, *, min_titles: int = MIN_TITLES) -> None:
        self._models = MergeModelRepository(database)
        self._inputs = MergeInputRepository(database)
        self._min_titles = min_titles
        self._used: UsedModel | None = None
        self._lock = threading.Lock()

    def get(self) -> UsedModel:
        """The newest version that was learned, else the default."""
        version = self._models.get_newest_version()
        with self._lock:
            if self._used is None or self._used.version != version:
                self._used = self._load(version)
            return self._used

    def learn(self) -> UsedModel | None:
        """Learn a model from all titles of which a provider speaks, beside what the package knows; used from now on.

        None, and nothing is stored, while there are fewer than `min_titles` of them.
        """
        counted = _Counted(self._iterate_titles())
        try:
            model = learn(counted, prior=MergeModel.default())
        except _WRONG_FORM:
            # Some title has facts of a form that no parser of today makes. All are looked at one by one only then.
            counted = _Counted(_iterate_sound(self._iterate_titles()))
            model = learn(counted, prior=MergeModel.default())
        if counted.count < self._min_titles:
            return None
        version = self._models.add(model.to_json(), titles=counted.count)
        _log.info(Event.MERGE_MODEL_LEARNED, version=version, titles=counted.count)
        return UsedModel(version, model)

    def _load(self, version: int) -> UsedModel:
        stored = self._models.load_newest() if version else None
        if stored is None:
            return UsedModel(0, MergeModel.default())
        return UsedModel(stored.version, MergeModel.from_json(stored.parameters))

    def _iterate_titles(self) -> Iterator[list[SourceClaims]]:
        """Without what persons said: it would teach that everybody else is wrong."""
        for inputs in self._inputs.iterate_claimed():
            yield [one for one in build_sources(inputs) if one.source != SOURCE_OVERRIDE]


def _iterate_sound(titles: Iterable[list[SourceClaims]]) -> Iterator[list[SourceClaims]]:
    """Those that can be learned from; merging says of the others what is wrong with them."""
    for title in titles:
        try:
            learn([title])
        except _WRONG_FORM as error:
            _log.error(Event.TITLE_FAILED, error=error, stage="learn")
        else:
            yield title


class _Counted:
    """Titles on their way to be learned from."""

    def __init__(self, titles: Iterator[list[SourceClaims]]) -> None:
        self._titles = titles
        self.count = 0

    def __iter__(self) -> Iterator[list[SourceClaims]]:
        for title in self._titles:
            self.count += 1
            yield title
