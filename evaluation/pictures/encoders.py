"""Which picture encoders are measured: those that are named, else the one in use and the one that needs no weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import InvalidInputError, ModelUnavailableError
from core.settings import Settings
from evaluation.catalogue import NothingToEvaluateError
from inference.pictures.base import PictureEncoder
from inference.registry import load_picture_encoder

BASELINE = "visual_baseline"
_UNMEASURED = frozenset({"none", "fake"})


@dataclass(frozen=True)
class Chosen:
    """`missing` says by name why an encoder that nobody asked for by name is not measured."""

    encoders: tuple[PictureEncoder, ...]
    missing: dict[str, str]


def choose_encoders(settings: Settings, named: Sequence[str]) -> Chosen:
    """Those of the names that IMAGE_EMBEDDING_MODEL takes, each once; without names, whatever can be loaded here.

    Raises ModelUnavailableError for one that was named, InvalidInputError for `none`, and NothingToEvaluateError if
    nothing can be loaded.
    """
    if named:
        return Chosen(tuple(load_named(settings, name) for name in dict.fromkeys(named)), {})
    in_use = settings.image_embedding_model
    encoders, missing = [], {}
    for name in dict.fromkeys((BASELINE, in_use)):
        if name in _UNMEASURED:
            continue
        try:
            encoders.append(load_named(settings, name))
        except ModelUnavailableError as error:
            missing[name] = str(error)
    if not encoders:
        raise NothingToEvaluateError(f"no picture encoder can be loaded: {missing}")
    return Chosen(tuple(encoders), missing)


def load_named(settings: Settings, name: str) -> PictureEncoder:
    """The encoder of this name. Raises ModelUnavailableError if it cannot be loaded, InvalidInputError for `none`."""
    encoder = load_picture_encoder(settings.model_copy(update={"image_embedding_model": name}))
    if encoder is None:
        raise InvalidInputError("--encoder", f"{name} is no encoder")
    return encoder
