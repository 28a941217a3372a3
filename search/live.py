"""Which collection answers right now, kept in memory so that Postgres is not asked by every search."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.errors import ConflictError
from core.recipe import RecipeSet
from search.contents import ContentReader, HiddenReader, get_scope
from search.live_reader import LiveReader
from storage.database.generations import GenerationRepository
from storage.database.jobs import JobRepository
from storage.database.visibility import HiddenPoints, VisibilityRepository


class NothingIndexedError(ConflictError):
    """There is no live generation yet."""

    code = "nothing-indexed"


@dataclass(frozen=True, slots=True)
class LiveIndex:
    """The live collection. `state` changes whenever its content, or what is hidden, may have changed."""

    collection: str
    recipes: RecipeSet
    state: str
    hidden: HiddenPoints = field(default_factory=HiddenPoints)

    @property
    def scope(self) -> str:
        """What states have in common between which an old answer does no harm: collection and what is hidden."""
        return get_scope(self.state)


class LiveIndexReader(LiveReader[LiveIndex]):
    """Reads the live generation.

    `lease_s`: how long a worker may go on writing what it had leased when its job ended.
    """

    def __init__(
        self,
        generations: GenerationRepository,
        jobs: JobRepository,
        visibility: VisibilityRepository,
        *,
        alias: str,
        lease_s: float,
    ) -> None:
        super().__init__()
        self._generations = generations
        self._hidden = HiddenReader(visibility.load_hidden_titles)
        self._contents = ContentReader(jobs, visibility, lease_s=lease_s)
        self._alias = alias

    def _build_missing(self) -> ConflictError:
        return NothingIndexedError("nothing is indexed yet: import a catalogue and run an index job first")

    def _read(self) -> LiveIndex | None:
        # Before all else: what a job writes between the reads then belongs to the next state.
        contents = self._contents.read()
        generation = self._generations.get_live(self._alias)
        if generation is None:
            return None
        hidden = self._hidden.read(generation.collection, contents)
        state = contents.name_state(generation.collection, hidden)
        return LiveIndex(generation.collection, generation.recipes, state, hidden)
