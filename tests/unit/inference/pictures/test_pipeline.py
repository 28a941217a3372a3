"""The pipeline from stored bytes to rows: order, errors of one picture alone, and how far it reads ahead."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from PIL import Image

from core.errors import NotFoundError
from core.pictures import PictureRefusedError, decode_picture
from inference.pictures.base import PendingRows, Prepared
from inference.pictures.fake import FakePictureEncoder
from inference.pictures.pipeline import encode_stored
from tests.unit.core.pictures.drawing import draw_picture, save_picture

MANY = 10**7
FILES = [save_picture(draw_picture(seed=seed), ("PNG", "JPEG", "WEBP")[seed % 3]) for seed in range(25)]


def give(data: bytes) -> Callable[[], bytes]:
    """A load of these bytes."""
    return lambda: data


class CountingEncoder(FakePictureEncoder):
    """Notes the sizes of batches, and how many of them are begun and not asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self.open = 0
        self.most_open = 0

    def submit_prepared(self, batch: Sequence[Prepared]) -> PendingRows:
        """Compute at once, and count until somebody asks."""
        self.sizes.append(len(batch))
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        rows = self.encode_prepared(batch)

        def wait() -> np.ndarray:
            self.open -= 1
            return rows

        return wait


@pytest.mark.parametrize("batch", [1, 4, 25, 100])
@pytest.mark.parametrize("threads", [0, 1, 3])
def test_rows_in_order(batch: int, threads: int) -> None:
    """Every picture has the row that it has alone, in order, whatever the batches and the threads."""
    encoder = FakePictureEncoder()
    found = list(encode_stored(encoder, [give(data) for data in FILES], max_pixels=MANY, batch=batch, threads=threads))
    expected = encoder.encode_pictures([decode_picture(data, max_pixels=MANY, least_side=32) for data in FILES])
    np.testing.assert_allclose(np.stack(found), expected, atol=1e-6)


def test_a_bad_picture_fails_alone() -> None:
    """What cannot be read, decoded or preprocessed is the error of that picture, of its own type; the others go on."""

    def fail() -> bytes:
        raise NotFoundError("picture", "abc")

    class Picky(FakePictureEncoder):
        def preprocess(self, image: Image.Image) -> Prepared:
            if image.width == 33:
                raise ValueError("no pictures of 33 pixels")
            return super().preprocess(image)

    odd = save_picture(Image.new("RGB", (33, 33)))
    loads = [fail, give(FILES[0]), give(FILES[1][:200]), give(b""), give(odd), give(FILES[2])]
    found = list(encode_stored(Picky(), loads, max_pixels=MANY, batch=2))
    kinds = [type(one) for one in found]
    assert kinds == [NotFoundError, np.ndarray, PictureRefusedError, PictureRefusedError, ValueError, np.ndarray]


def test_all_bad() -> None:
    """Where no picture is good the encoder is never called."""
    encoder = CountingEncoder()
    found = list(encode_stored(encoder, [give(b"no")] * 5, max_pixels=MANY, batch=2))
    assert [type(one) for one in found] == [PictureRefusedError] * 5
    assert encoder.sizes == []


def test_limits_hold() -> None:
    """Pictures beyond the limits of pixels and bytes are refused as everywhere."""
    words = []
    for limits in ({"max_pixels": 100}, {"max_pixels": MANY, "max_bytes": 10}):
        (found,) = encode_stored(FakePictureEncoder(), [give(FILES[0])], **limits)
        assert isinstance(found, PictureRefusedError)
        words.append(found.code_word)
    assert words == ["too-many-pixels", "too-large"]


def test_an_error_of_the_encoder_is_raised() -> None:
    """A model that fails has not failed for one picture."""

    class Broken(FakePictureEncoder):
        def encode_prepared(self, batch: Sequence[Prepared]) -> np.ndarray:
            raise RuntimeError("device lost")

    with pytest.raises(RuntimeError, match="device lost"):
        list(encode_stored(Broken(), [give(FILES[0])], max_pixels=MANY))


def test_two_batches_are_on_their_way() -> None:
    """The second batch is begun before the first one's rows are asked for, and never a third."""
    encoder = CountingEncoder()
    list(encode_stored(encoder, [give(data) for data in FILES], max_pixels=MANY, batch=5))
    assert encoder.sizes == [5] * 5
    assert encoder.most_open == 2


def test_nothing_is_read_far_ahead() -> None:
    """Of 200 pictures only a few batches are read before the first row is there, and none after the caller has left."""
    read = 0
    lock = threading.Lock()

    def load() -> bytes:
        nonlocal read
        with lock:
            read += 1
        return FILES[0]

    results = encode_stored(FakePictureEncoder(), [load] * 200, max_pixels=MANY, batch=5, threads=2)
    next(results)
    assert read <= 5 * 5
    results.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("pictures")]


class CrowdedEncoder(FakePictureEncoder):
    """Counts the pictures whose pixels are there at once."""

    def __init__(self) -> None:
        super().__init__()
        self.most = self._inside = 0
        self._lock = threading.Lock()

    def preprocess(self, image: Image.Image) -> Prepared:
        """Slowly, so that others come meanwhile."""
        with self._lock:
            self._inside += 1
            self.most = max(self.most, self._inside)
        time.sleep(0.005)
        try:
            return super().preprocess(image)
        finally:
            with self._lock:
                self._inside -= 1


def test_as_many_at_once_as_there_is_memory_for() -> None:
    """Of the largest pictures two at a time are decoded, of small ones as many as there are threads."""
    large, small = CrowdedEncoder(), CrowdedEncoder()
    loads = [give(save_picture(draw_picture(width=320, height=200)))] * 24
    assert len(list(encode_stored(large, loads, max_pixels=320 * 200, threads=6))) == 24
    assert large.most == 2
    list(encode_stored(small, loads, max_pixels=MANY, threads=6))
    assert 2 < small.most <= 6
