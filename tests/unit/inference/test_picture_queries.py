"""What the query worker answers to pictures and texts, with the fake encoder."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from core.errors import NoPictureEncoderError, NoTextTowerError
from core.pictures import PictureRefusedError
from inference.picture_queries import PictureQueryService
from inference.pictures.base import PictureEncoder, build_no_text_error
from inference.pictures.fake import FakePictureEncoder


def draw(colour: str, *, size: tuple[int, int] = (48, 64)) -> bytes:
    """A PNG of one colour."""
    target = io.BytesIO()
    Image.new("RGB", size, colour).save(target, "PNG")
    return target.getvalue()


class Wordless(FakePictureEncoder):
    """An encoder without a text tower."""

    has_text = False

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:  # type: ignore[type-arg]
        """Refuses."""
        raise build_no_text_error("wordless")


def build(encoder: PictureEncoder | None) -> PictureQueryService:
    """A service that takes pictures of up to 10,000 pixels."""
    return PictureQueryService(encoder, max_pixels=10_000)


def test_pictures_and_texts_get_unit_vectors_in_order() -> None:
    """Each item has the vector that it would have alone."""
    service = build(FakePictureEncoder())
    items = [draw("red"), "a red coat", draw("blue")]
    together = service.encode(items)
    for item, outcome in zip(items, together, strict=True):
        assert isinstance(outcome, np.ndarray)
        assert np.linalg.norm(outcome) == pytest.approx(1.0, abs=1e-5)
        [alone] = service.encode([item])
        assert np.allclose(outcome, alone, atol=1e-6)
    assert service.recipe == FakePictureEncoder().recipe.fingerprint


def test_a_bad_picture_fails_alone() -> None:
    """What is no picture, and what claims too many pixels, is refused beside the vector of a good one."""
    broken, bomb, good = build(FakePictureEncoder()).encode([b"<html>", draw("red", size=(101, 101)), draw("red")])
    assert isinstance(broken, PictureRefusedError) and broken.code_word == "html"
    assert isinstance(bomb, PictureRefusedError) and bomb.code_word == "too-many-pixels"
    assert isinstance(good, np.ndarray)


def test_without_a_text_tower_only_texts_are_refused() -> None:
    """The refusal names the setting; pictures of the same batch get their vectors."""
    text, picture = build(Wordless()).encode(["a red coat", draw("red")])
    assert isinstance(text, NoTextTowerError) and "IMAGE_EMBEDDING_MODEL" in str(text)
    assert isinstance(picture, np.ndarray)


def test_without_an_encoder_everything_is_refused() -> None:
    """IMAGE_EMBEDDING_MODEL=none answers with what to configure, and warms nothing up."""
    service = build(None)
    service.warm_up()
    outcomes = service.encode([draw("red"), "a red coat"])
    assert all(isinstance(one, NoPictureEncoderError) and "IMAGE_EMBEDDING_MODEL" in str(one) for one in outcomes)
    assert service.recipe == ""


def test_warming_up_leaves_no_trace() -> None:
    """It runs the model, and answers are the same after it."""
    service = build(FakePictureEncoder())
    [before] = service.encode([draw("green")])
    service.warm_up()
    [after] = service.encode([draw("green")])
    assert np.array_equal(before, after)  # type: ignore[arg-type]
