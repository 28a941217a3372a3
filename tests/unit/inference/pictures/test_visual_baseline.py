"""The classical descriptor: what a change does to it and what not."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter
from PIL.Image import Resampling, Transpose

from core.pictures import decode_picture
from inference.pictures.visual_baseline import (
    DIMENSION,
    VisualBaseline,
    describe_parts,
    prepare_picture,
)
from inference.pictures.visual_typical import TYPICAL_PATH, draw_leaves, load_typical

# Not the pictures whose mean is taken off.
PICTURES = [draw_leaves(seed) for seed in range(10_000, 10_060)]
ENCODER = VisualBaseline()


def compress(image: Image.Image) -> Image.Image:
    """JPEG of quality 30."""
    target = io.BytesIO()
    image.save(target, "JPEG", quality=30)
    return decode_picture(target.getvalue(), max_pixels=10**7)


def crop(image: Image.Image) -> Image.Image:
    """The middle 70% of both sides."""
    width, height = image.size
    return image.crop((round(width * 0.15), round(height * 0.15), round(width * 0.85), round(height * 0.85)))


def mark(image: Image.Image) -> Image.Image:
    """A line of white text across the middle."""
    marked = image.copy()
    ImageDraw.Draw(marked).text((20, 110), "SAMPLE ONLY", fill="white", font_size=30)
    return marked


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "jpeg": compress,
    "half": lambda image: image.resize((image.width // 2, image.height // 2), Resampling.LANCZOS),
    "crop": crop,
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.6),
    "blur": lambda image: image.filter(ImageFilter.GaussianBlur(1.6)),
    "watermark": mark,
    "flip": lambda image: image.transpose(Transpose.FLIP_LEFT_RIGHT),
    "rotation": lambda image: image.rotate(5, Resampling.BICUBIC),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_copy_finds_its_picture(name: str) -> None:
    """Of 60 pictures at least 57 are found first by a copy that was changed, whatever the change."""
    rows = ENCODER.encode_pictures(PICTURES)
    changed = ENCODER.encode_pictures([CHANGES[name](picture) for picture in PICTURES])
    assert ((changed @ rows.T).argmax(axis=1) == np.arange(len(PICTURES))).mean() >= 0.95


def test_cosines_tell_copies_from_others() -> None:
    """Copies lie well above nearly all pairs of different pictures, and different pictures are not all alike."""
    rows = ENCODER.encode_pictures(PICTURES)
    copies = (ENCODER.encode_pictures([compress(picture) for picture in PICTURES]) * rows).sum(axis=1)
    others = (rows @ rows.T)[np.triu_indices(len(rows), 1)]
    assert np.quantile(copies, 0.05) > 0.8 > np.quantile(others, 0.99)
    assert others.mean() < 0.3


def test_a_mirror_changes_nothing() -> None:
    """A flipped picture has the same vector, up to the rounding of its smaller copy."""
    rows = ENCODER.encode_pictures(PICTURES)
    flipped = ENCODER.encode_pictures([CHANGES["flip"](picture) for picture in PICTURES])
    assert (rows * flipped).sum(axis=1).min() > 0.999


def test_upside_down_is_another_picture() -> None:
    """What lies above and what below makes a difference."""
    turned = ENCODER.encode_pictures([picture.transpose(Transpose.ROTATE_180) for picture in PICTURES])
    assert np.median((ENCODER.encode_pictures(PICTURES) * turned).sum(axis=1)) < 0.95


def test_the_typical_picture_is_the_one_that_is_drawn() -> None:
    """The stored mean is that of the drawn pictures and of nothing else: a sample of them gives nearly the same."""
    sample = np.stack([prepare_picture(draw_leaves(seed)) for seed in range(0, 256, 4)])
    measured = describe_parts(sample).mean(axis=0)
    typical = load_typical()
    assert typical.shape == (DIMENSION,)
    assert typical @ measured / np.linalg.norm(typical) / np.linalg.norm(measured) > 0.99
    assert TYPICAL_PATH.stat().st_size < 10_000


def test_a_decoder_draft_changes_little() -> None:
    """The vector of a large JPEG is the same from libjpeg's draft as from all of its pixels."""
    target = io.BytesIO()
    PICTURES[0].resize((2000, 1500), Resampling.BICUBIC).save(target, "JPEG", quality=90)
    whole, draft = (
        decode_picture(target.getvalue(), max_pixels=10**7, least_side=side) for side in (None, ENCODER.input_side)
    )
    assert draft.width < whole.width
    rows = ENCODER.encode_pictures([whole, draft])
    assert rows[0] @ rows[1] > 0.98


def test_no_torch() -> None:
    """The descriptor is loaded and used without torch, as the registry loads it."""
    code = (
        "import sys\n"
        "from PIL import Image\n"
        "from core.settings import Settings\n"
        "from inference.registry import load_picture_encoder\n"
        "encoder = load_picture_encoder(Settings(image_embedding_model='visual_baseline'))\n"
        "encoder.encode_pictures([Image.new('RGB', (40, 40))])\n"
        "print(sorted(set(sys.modules) & {'torch', 'open_clip', 'scipy'}))\n"
    )
    root = Path(__file__).resolve().parents[4]
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=root)
    assert found.stdout.splitlines()[-1:] == ["[]"], found.stdout + found.stderr
