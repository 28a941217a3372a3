"""From settings to encoders and their recipes. What is named is loaded or refused: there is no silent fall-back.

Importing this module imports no torch; loading a real text encoder does.
"""

from __future__ import annotations

import time

from core.errors import ModelUnavailableError, ServiceError
from core.log import Event, Log
from core.recipe import RecipeSet
from core.settings import Settings
from inference.base import LexicalEncoder, LoadOptions, Purpose, TextEncoder
from inference.bm25 import Bm25Encoder
from inference.fake import FakeTextEncoder
from inference.hardware import prepare_process, set_threads
from inference.lexical import OwnLexicalEncoder
from inference.metadata_features import build_metadata_recipe
from inference.model_files import SETTING, ModelFiles, find_model
from inference.pictures.base import PictureEncoder
from inference.pictures.loading import load_picture_encoder

__all__ = ["FAKE", "build_recipes", "load_lexical_encoder", "load_picture_encoder", "load_text_encoder"]

FAKE = "fake"
_WARM_UP = ("dark psychological thriller", "a notebook that kills whoever's name is written in it")
_log = Log("registry")


def load_text_encoder(settings: Settings, *, template_version: int, purpose: Purpose = "bulk") -> TextEncoder:
    """The encoder that TEXT_EMBEDDING_MODEL names, ready to use.

    `purpose` decides what is measured when precision and threads are chosen. Raises ModelUnavailableError, and
    ConfigurationError for a device that is not there.
    """
    name = settings.text_embedding_model
    if name == FAKE:
        return FakeTextEncoder(template_version=template_version)
    started = time.perf_counter()
    files = find_model(name, revision=settings.text_embedding_revision)
    options = LoadOptions(
        template_version=template_version,
        device=settings.model_device,
        precision=settings.model_precision,
        threads=settings.model_threads,
        max_tokens=settings.passage_max_tokens,
        purpose=purpose,
    )
    encoder = _load(name, files, options)
    if settings.model_warm_up:
        encoder.encode_queries(_WARM_UP)
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


def load_lexical_encoder(settings: Settings, text_encoder: TextEncoder) -> LexicalEncoder:
    """LEXICAL_MODEL `auto`: the text encoder's own sparse weights if it has them, else BM25."""
    if settings.lexical_model == "auto" and text_encoder.lexical_recipe is not None:
        return OwnLexicalEncoder(text_encoder, token_budget=settings.token_budget)
    return Bm25Encoder(template_version=text_encoder.recipe.template_version)


def build_recipes(
    text_encoder: TextEncoder, lexical_encoder: LexicalEncoder, image: PictureEncoder | None = None
) -> RecipeSet:
    """The recipes behind a collection that these write, with that of the metadata rules."""
    return RecipeSet(
        text=text_encoder.recipe,
        lexical=lexical_encoder.recipe,
        metadata=build_metadata_recipe(text_encoder.recipe.template_version),
        image=image.recipe if image else None,
    )


def _load(name: str, files: ModelFiles, options: LoadOptions) -> TextEncoder:
    prepare_process()
    try:
        set_threads(options.threads, purpose=options.purpose)
        if files.is_bge_m3:
            from inference.bge_m3 import load_bge_m3

            return load_bge_m3(files, options)
        from inference.sentence_transformer import load_sentence_transformer

        return load_sentence_transformer(files, options)
    except ServiceError:
        raise
    except ImportError as error:
        raise ModelUnavailableError(
            SETTING,
            name,
            reason=f"a library is missing ({error.name or error})",
            remedy="Install the extra `models`: pip install 'anime-vector-service[models]'",
        ) from error
    except Exception as error:
        # Model libraries raise whatever comes to hand on broken files; the caller needs one type and the cause.
        raise ModelUnavailableError(
            SETTING,
            name,
            reason=f"the files in {files.folder} are not a usable model ({type(error).__name__}: {error})",
            remedy=f"Check or fetch them again, or set {SETTING} to another model",
        ) from error
