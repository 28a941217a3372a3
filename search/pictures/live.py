"""Which pictures collection answers right now, and which of its pictures must not be found."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import ConflictError, NoPictureEncoderError
from core.recipe import EmbeddingRecipe
from search.contents import ContentReader, HiddenReader, get_scope
from search.live_reader import LiveReader
from storage.database.jobs import JobRepository
from storage.database.picture_generations import PictureGenerationRepository
from storage.database.visibility import HiddenPoints, VisibilityRepository

NOTHING_INDEXED = (
    "no pictures are indexed yet: set IMAGE_EMBEDDING_MODEL, run `avs download`, and then `avs index --pictures`"
)


@dataclass(frozen=True, slots=True)
class LivePictures:
    """The live pictures collection. `state` changes whenever its content, or what is hidden, may have changed."""

    collection: str
    recipe: EmbeddingRecipe
    state: str
    hidden: HiddenPoints

    @property
    def scope(self) -> str:
        """What states have in common between which an old answer does no harm."""
        return get_scope(self.state)


class LivePicturesReader(LiveReader[LivePictures]):
    """Reads the live pictures collection; it raises NoPictureEncoderError while there is none."""

    def __init__(
        self,
        generations: PictureGenerationRepository,
        jobs: JobRepository,
        visibility: VisibilityRepository,
        *,
        alias: str,
        lease_s: float,
    ) -> None:
        super().__init__()
        self._generations = generations
        self._hidden = HiddenReader(visibility.load_hidden_pictures)
        self._contents = ContentReader(jobs, visibility, lease_s=lease_s)
        self._alias = alias

    def _build_missing(self) -> ConflictError:
        return NoPictureEncoderError(NOTHING_INDEXED)

    def _read(self) -> LivePictures | None:
        # Before all else: what a job writes between the reads then belongs to the next state.
        contents = self._contents.read()
        generation = self._generations.get_live(self._alias)
        if generation is None:
            return None
        hidden = self._hidden.read(generation.collection, contents)
        state = contents.name_state(generation.collection, hidden)
        return LivePictures(generation.collection, generation.recipe, state, hidden)
