"""Query pictures, and texts that look for pictures -> vectors, for the dedicated query worker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.errors import NoPictureEncoderError, NoTextTowerError, PermanentError
from core.pictures import QUERY_FORMATS, PictureRefusedError, decode_picture
from inference.pictures.base import PictureEncoder

_NO_ENCODER = "the query worker has no picture encoder: set IMAGE_EMBEDDING_MODEL, and index the pictures with it"
# The sizes that query batches come in.
_WARM_UP_COUNTS: Final = (1, 4)
_WARM_UP_TEXT = "a girl in a red coat under cherry blossoms"

Outcome = NDArray[np.float32] | PermanentError


class PictureQueryService:
    """Vectors of pictures and texts by one picture encoder; None answers everything with what to configure.

    `max_pixels`: a picture that claims more is refused; whoever sends queries has reduced them before.
    """

    def __init__(self, encoder: PictureEncoder | None, *, max_pixels: int) -> None:
        self._encoder = encoder
        self._max_pixels = max_pixels

    @property
    def recipe(self) -> str:
        """Fingerprint of the encoder's recipe; blank without an encoder."""
        return self._encoder.recipe.fingerprint if self._encoder else ""

    def encode(self, items: Sequence[bytes | str]) -> list[Outcome]:
        """For each file or text a unit vector of shape (dimension,), or why it has none. A bad one fails alone."""
        if self._encoder is None:
            return [NoPictureEncoderError(_NO_ENCODER) for _ in items]
        outcomes: dict[int, Outcome] = {}
        prepared: dict[int, NDArray[np.float32]] = {}
        for place, item in enumerate(items):
            if isinstance(item, bytes):
                try:
                    prepared[place] = self._prepare(self._encoder, item)
                except PictureRefusedError as error:
                    outcomes[place] = error
        if prepared:
            outcomes |= zip(prepared, self._encoder.encode_prepared(list(prepared.values())), strict=True)
        outcomes |= self._encode_texts({place: item for place, item in enumerate(items) if isinstance(item, str)})
        return [outcomes[place] for place in range(len(items))]

    def warm_up(self) -> None:
        """Run the model once at the sizes that queries come in, so that the first real one is not slow."""
        if self._encoder is None:
            return
        picture = Image.effect_noise((self._encoder.input_side, self._encoder.input_side), 64).convert("RGB")
        for count in _WARM_UP_COUNTS:
            self._encoder.encode_pictures([picture] * count)
        if self._encoder.has_text:
            self._encoder.encode_texts([_WARM_UP_TEXT])

    def _prepare(self, encoder: PictureEncoder, data: bytes) -> NDArray[np.float32]:
        picture = decode_picture(
            data, max_pixels=self._max_pixels, least_side=encoder.input_side, formats=QUERY_FORMATS
        )
        return encoder.preprocess(picture)

    def _encode_texts(self, texts: dict[int, str]) -> dict[int, Outcome]:
        if not texts or self._encoder is None:
            return {}
        try:
            return dict(zip(texts, self._encoder.encode_texts(list(texts.values())), strict=True))
        except NoTextTowerError as error:
            return dict.fromkeys(texts, error)
