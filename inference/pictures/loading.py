"""From IMAGE_EMBEDDING_MODEL to an encoder. What is named is loaded or refused: there is no silent fall-back.

Importing this module imports no torch; loading an OpenCLIP model does.
"""

from __future__ import annotations

from typing import Final

from core.errors import ModelUnavailableError
from core.settings import Settings
from inference.base import Purpose
from inference.pictures.base import SETTING, PictureEncoder
from inference.pictures.fake import FakePictureEncoder

NONE: Final = "none"
FAKE: Final = "fake"


def load_picture_encoder(settings: Settings, *, purpose: Purpose = "bulk") -> PictureEncoder | None:
    """The encoder that IMAGE_EMBEDDING_MODEL names, ready to use; None for `none`.

    `purpose` decides what is measured when precision and threads are chosen. Raises ModelUnavailableError, and
    ConfigurationError for a device that is not there.
    """
    name = settings.image_embedding_model
    if name == NONE:
        return None
    if name == FAKE:
        return FakePictureEncoder()
    raise ModelUnavailableError(SETTING, name, reason="only `fake` is there yet", remedy="Set fake or none")
