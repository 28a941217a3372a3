"""Pictures drawn from code, so that no file has to lie in the repository."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image
from PIL.Image import Resampling


def draw_picture(*, width: int = 320, height: int = 200, seed: int = 1) -> Image.Image:
    """Smooth coloured blobs, the same for the same arguments."""
    noise = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Resampling.BICUBIC)


def save_picture(image: Image.Image, name: str = "PNG", **options: Any) -> bytes:
    """The bytes of a file of the named format."""
    target = io.BytesIO()
    image.save(target, name, **options)
    return target.getvalue()
