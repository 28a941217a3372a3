"""Prints the memory that decoding each picture takes at its peak, as JSON: a program, since it measures its process.

Each picture is decoded in a child of its own, and all are drawn in another one: what an allocator keeps from one before
would hide a peak.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from core.pictures import DecodeBudget, describe_picture, estimate_memory, lend_picture
from tests.unit.core.pictures.drawing import draw_picture, save_picture

SIDE = 2_000
PIXELS = SIDE * SIDE
# A progressive picture of the largest size may have few scans only.
MAX_PIXELS = 2 * PIXELS
_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


def build_files() -> dict[str, bytes]:
    """A picture of each kind whose way to RGB is another one."""
    rgb = draw_picture(width=SIDE, height=SIDE)
    rgba = rgb.copy()
    rgba.putalpha(Image.linear_gradient("L").resize((SIDE, SIDE)))
    wide = Image.fromarray(np.tile(np.linspace(0, 65535, SIDE).astype(np.uint16), (SIDE, 1)))
    turned = Image.Exif()
    turned[0x0112] = 6
    return {
        "JPEG": save_picture(rgb, "JPEG"),
        "JPEG turned": save_picture(rgb, "JPEG", exif=turned),
        "JPEG progressive": save_picture(rgb, "JPEG", progressive=True, subsampling=0),
        "CMYK": save_picture(rgb.convert("CMYK"), "JPEG"),
        "CMYK progressive": save_picture(rgb.convert("CMYK"), "JPEG", progressive=True),
        "RGB": save_picture(rgb, compress_level=1),
        "RGBA": save_picture(rgba, compress_level=1),
        "LA": save_picture(rgba.convert("LA"), compress_level=1),
        "P": save_picture(rgb.quantize(64), transparency=0),
        "I;16": save_picture(wide, compress_level=1),
        "I;16 transparent": save_picture(wide, compress_level=1, transparency=0),
        "WEBP": save_picture(rgba, "WEBP", method=0),
        "WEBP lossless": save_picture(rgba, "WEBP", method=0, lossless=True, quality=0),
        "AVIF": save_picture(rgba, "AVIF", speed=10, subsampling="4:4:4"),
        "GIF": save_picture(rgb.quantize(64), "GIF", transparency=0),
        "BMP": save_picture(rgb, "BMP"),
    }


def measure(data: bytes, how: str) -> dict[str, float]:
    """Bytes a pixel: the peak above what was there before, and the estimate."""
    budget = DecodeBudget.of(max_pixels=MAX_PIXELS, places=1)
    least_side = None if how == "whole" else 128
    estimate = estimate_memory(data, max_pixels=MAX_PIXELS, least_side=least_side)
    _CLEAR.write_text("5")
    before = _read("VmRSS")
    if how == "whole":
        with lend_picture(data, budget=budget, max_pixels=MAX_PIXELS):
            peak = _read("VmHWM") - before
    else:
        describe_picture(data, max_pixels=MAX_PIXELS, budget=budget)
        peak = _read("VmHWM") - before
    return {"peak": peak / PIXELS, "estimate": estimate / PIXELS}


def main() -> None:
    """Measure all of them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _run_in_child(lambda: _write_files(folder))
        # What is made once in a process, such as the threads of its matrices, is no picture's.
        describe_picture(save_picture(Image.new("RGB", (32, 32))), max_pixels=MAX_PIXELS)
        found: dict[str, dict[str, object]] = {}
        for path in sorted(folder.iterdir()):
            data = path.read_bytes()
            found[path.name] = {
                how: json.loads(_run_in_child(partial(_measure_as_json, data, how))) for how in ("whole", "described")
            }
    json.dump(found, sys.stdout)


def _write_files(folder: Path) -> str:
    for name, data in build_files().items():
        (folder / name).write_bytes(data)
    return ""


def _measure_as_json(data: bytes, how: str) -> str:
    return json.dumps(measure(data, how))


def _run_in_child(call: Callable[[], str]) -> str:
    source, target = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            os.write(target, call().encode())
            status = 0
        finally:
            os._exit(status)
    os.close(target)
    with os.fdopen(source) as answer:
        text = answer.read()
    if status := os.waitpid(child, 0)[1]:
        raise RuntimeError(f"a child ended with {status}")
    return text


def _read(name: str) -> int:
    match = re.search(rf"^{name}:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    assert match is not None
    return int(match[1]) * 1_024


if __name__ == "__main__":
    main()
