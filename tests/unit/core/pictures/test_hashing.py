"""Hashes that stay, and hashes that stay nearly."""

from __future__ import annotations

import imagehash
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from core.pictures import (
    average_colour,
    describe_picture,
    from_signed,
    hamming_distance,
    hash_content,
    inspect_picture,
    perceptual_hash,
    to_signed,
)
from tests.unit.core.pictures.drawing import draw_picture, save_picture


@pytest.mark.parametrize("seed", range(20))
def test_equal_to_imagehash(seed: int) -> None:
    """The perceptual hash is bit for bit that of the library which everybody else uses."""
    image = draw_picture(seed=seed, width=200 + 37 * seed, height=150 + 11 * seed)
    assert perceptual_hash(image) == int(str(imagehash.phash(image)), 16)


def test_copies_are_near_and_others_far() -> None:
    """A recompressed half-size copy differs in few bits, another picture in many."""
    image = draw_picture(width=800, height=600)
    copy = save_picture(image.resize((400, 300)), "JPEG", quality=30)
    near = describe_picture(copy, max_pixels=10**7).phash
    assert hamming_distance(perceptual_hash(image), near) <= 4
    assert hamming_distance(perceptual_hash(image), perceptual_hash(draw_picture(seed=2))) > 16


@given(st.integers(0, 2**64 - 1))
def test_signed_and_back(value: int) -> None:
    """Every unsigned 64-bit number has its place in a bigint, comes back, and has distance 0 to itself there."""
    signed = to_signed(value)
    assert -(2**63) <= signed < 2**63
    assert from_signed(signed) == value
    assert hamming_distance(signed, value) == 0


def test_hash_content() -> None:
    """The content's name is its SHA-256."""
    assert hash_content(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_average_colour() -> None:
    """Half red and half blue is purple."""
    image = Image.new("RGB", (100, 50), "#ff0000")
    image.paste(Image.new("RGB", (50, 50), "#0000ff"), (50, 0))
    assert average_colour(image) in {"#800080", "#7f007f", "#7f0080", "#80007f"}
    assert average_colour(Image.new("RGB", (3, 3), "#0a0b0c")) == "#0a0b0c"


def test_description() -> None:
    """One call gives everything that is recorded: facts of the header, both hashes and the colour."""
    image = draw_picture()
    data = save_picture(image)
    facts = describe_picture(data, max_pixels=10**6)
    assert facts.info == inspect_picture(data, max_pixels=10**6)
    assert (facts.sha256, facts.phash) == (hash_content(data), perceptual_hash(image))
    assert facts.colour == average_colour(image)
