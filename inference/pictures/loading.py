"""From IMAGE_EMBEDDING_MODEL to an encoder. What is named is loaded or refused: there is no silent fall-back.

Importing this module imports no torch; loading an OpenCLIP model does.
"""

from __future__ import annotations

import time
from typing import Final

from PIL import Image

from core.errors import ModelUnavailableError, ServiceError
from core.log import Event, Log
from core.settings import Settings
from inference.base import Purpose
from inference.hardware import prepare_process
from inference.pictures import visual_baseline
from inference.pictures.base import SETTING, PictureEncoder
from inference.pictures.fake import FakePictureEncoder

NONE: Final = "none"
FAKE: Final = "fake"
_log = Log("registry")


def load_picture_encoder(settings: Settings, *, purpose: Purpose = "bulk") -> PictureEncoder | None:
    """The encoder that IMAGE_EMBEDDING_MODEL names, ready to use; None for `none`.

    `purpose` decides what is measured when precision and threads are chosen. Raises ModelUnavailableError, and
    ConfigurationError for a device that is not there.
    """
    name = settings.image_embedding_model
    if name == NONE:
        return None
    started = time.perf_counter()
    encoder = _load(name, settings, purpose=purpose)
    if settings.model_warm_up:
        _warm_up(encoder)
    _log.info(
        Event.MODEL_LOADED,
        encoder=encoder.recipe.encoder,
        revision=encoder.recipe.revision,
        recipe=encoder.recipe.fingerprint,
        device=encoder.device,
        precision=encoder.precision,
        purpose=purpose,
        seconds=round(time.perf_counter() - started, 2),
    )
    return encoder


def _load(name: str, settings: Settings, *, purpose: Purpose) -> PictureEncoder:
    if name == FAKE:
        return FakePictureEncoder()
    if name == visual_baseline.NAME:
        return visual_baseline.VisualBaseline()
    prepare_process()
    try:
        from inference.pictures.open_clip_model import load_open_clip

        return load_open_clip(name, settings, purpose=purpose)
    except ServiceError:
        raise
    except ImportError as error:
        raise ModelUnavailableError(
            SETTING,
            name,
            reason=f"a library is missing ({error.name or error})",
            remedy="Install the extra `models`: pip install 'anime-vector-service[models]'",
        ) from error


def _warm_up(encoder: PictureEncoder) -> None:
    """One picture and one text, so that the first real ones are not slow."""
    encoder.encode_pictures([Image.new("RGB", (64, 64), "gray")])
    if encoder.has_text:
        encoder.encode_texts(["a girl with a red scarf"])
