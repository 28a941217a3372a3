"""What holds for every picture encoder: the fake, the descriptor without weights, and OpenCLIP models."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from core.errors import NoTextTowerError
from inference.pictures.base import PictureEncoder
from inference.registry import load_picture_encoder
from tests.unit.core.pictures.drawing import draw_picture

from ..conftest import build_settings

KINDS = ["fake", "visual_baseline", "tiny_clip", "squashing_clip"]
PICTURES = [draw_picture(seed=seed, width=200 + 40 * seed, height=300 - 30 * seed) for seed in range(6)]


@pytest.fixture(scope="module", params=KINDS)
def encoder(request: pytest.FixtureRequest) -> PictureEncoder:
    """One encoder after another, loaded as a worker loads it."""
    name = request.param if request.param in {"fake", "visual_baseline"} else request.getfixturevalue(request.param)
    loaded = load_picture_encoder(build_settings(image_embedding_model=name))
    assert loaded is not None
    return loaded


def test_shapes_types_and_norms(encoder: PictureEncoder) -> None:
    """A float32 row of length one for each picture, as wide as the recipe says."""
    rows = encoder.encode_pictures(PICTURES)
    assert rows.shape == (len(PICTURES), encoder.recipe.dimension)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-4)


def test_different_pictures_differ(encoder: PictureEncoder) -> None:
    """No two of these pictures have the same vector."""
    rows = encoder.encode_pictures(PICTURES)
    assert (rows @ rows.T - np.eye(len(PICTURES))).max() < 0.999


def test_a_copy_is_nearest_to_its_picture(encoder: PictureEncoder) -> None:
    """A half-size copy is nearer to its own picture than to any other."""
    rows = encoder.encode_pictures(PICTURES)
    copies = encoder.encode_pictures(
        [picture.resize((picture.width // 2, picture.height // 2)) for picture in PICTURES]
    )
    assert (copies @ rows.T).argmax(axis=1).tolist() == list(range(len(PICTURES)))


def test_the_same_call_gives_the_same_rows(encoder: PictureEncoder) -> None:
    """Encoding has no chance in it."""
    first, second = (encoder.encode_pictures(PICTURES) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_rows_do_not_depend_on_the_batches(encoder: PictureEncoder, size: int) -> None:
    """Whatever the batch, each picture keeps its vector."""
    whole = encoder.encode_pictures(PICTURES)
    parts = [encoder.encode_pictures(PICTURES[start : start + size]) for start in range(0, len(PICTURES), size)]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=2e-5)


def test_the_steps_give_what_the_whole_gives(encoder: PictureEncoder) -> None:
    """Preprocessing on many threads, and batches that are started before others have ended, change no vector."""
    with ThreadPoolExecutor(4) as pool:
        prepared = list(pool.map(encoder.preprocess, PICTURES))
    assert len({(item.shape, item.dtype) for item in prepared}) == 1
    pending = [encoder.submit_prepared(prepared[start : start + 2]) for start in (0, 2, 4)]
    rows = np.concatenate([wait() for wait in pending])
    np.testing.assert_allclose(rows, encoder.encode_pictures(PICTURES), atol=2e-5)
    np.testing.assert_allclose(rows, encoder.encode_prepared(prepared), atol=2e-5)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (3, 3), (2000, 40)])
@pytest.mark.parametrize("colour", ["white", "black", "#808080", "#7f7f7f"])
def test_plain_and_tiny_pictures_have_vectors(encoder: PictureEncoder, size: tuple[int, int], colour: str) -> None:
    """Even a picture that shows nothing, of any proportions, has a unit vector of finite numbers."""
    row = encoder.encode_pictures([Image.new("RGB", size, colour)])[0]
    assert np.isfinite(row).all()
    assert np.linalg.norm(row) == pytest.approx(1, abs=1e-4)


def test_no_pictures_are_refused(encoder: PictureEncoder) -> None:
    """A batch of nothing is a mistake of the caller's."""
    for call in (encoder.encode_pictures, encoder.encode_prepared, encoder.submit_prepared):
        with pytest.raises(ValueError, match="no picture"):
            call([])


def test_texts(encoder: PictureEncoder) -> None:
    """With a text tower texts have unit rows of the same space; without one they are refused by what to configure."""
    if not encoder.has_text:
        with pytest.raises(NoTextTowerError, match="IMAGE_EMBEDDING_MODEL"):
            encoder.encode_texts(["a red robot"])
        return
    rows = encoder.encode_texts(["a red robot", "the sea at night"])
    assert rows.shape == (2, encoder.recipe.dimension)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-4)
    assert rows[0] @ rows[1] < 0.9999
    with pytest.raises(ValueError, match="text 1 is empty"):
        encoder.encode_texts(["a", " "])
