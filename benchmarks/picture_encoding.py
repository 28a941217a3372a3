"""(h) Pictures a second from stored files to vectors, against the bare encoder on pictures that are decoded already.

Both sides run in this process, in turn, on the same pictures, with the same threads of the model. The pictures are
drawn from code at the size of a cover; the weights of ViT-B/32 are random, which costs what trained ones cost.
"""

from __future__ import annotations

import copy
import io
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from PIL.Image import Resampling

from benchmarks.processes import read_cpu
from core.pictures import decode_picture
from core.settings import Settings
from inference.hardware import choose_device, prepare_process, set_threads
from inference.pictures.base import PictureEncoder
from inference.pictures.pipeline import encode_stored
from inference.pictures.visual_baseline import VisualBaseline
from inference.pictures.visual_typical import draw_leaves

AIM: Final = 0.9
_COVER: Final = (425, 600)
MAX_PIXELS: Final = 10_000_000
_BATCH: Final = 32
_ARCHITECTURE: Final = "ViT-B-32"


def run(*, pictures: int, repeats: int) -> dict[str, Any]:
    """Both encoders; `pictures` for the quick one, and as many as a CPU can take for the model."""
    prepare_process()
    with tempfile.TemporaryDirectory(prefix="avs-bench-pictures-") as folder:
        paths = draw_covers(Path(folder), pictures)
        loads = [path.read_bytes for path in paths]
        settings = Settings(_env_file=None)  # type: ignore[call-arg]
        clip, _, _ = build_random_clip(settings, _ARCHITECTURE)
        slow = loads if clip.device != "cpu" else loads[: max(_BATCH, pictures // 4)]
        return {
            "aim": AIM,
            "cover": list(_COVER),
            "encoders": {
                "visual_baseline": compare(VisualBaseline(), loads, repeats=repeats),
                f"{_ARCHITECTURE}, random weights": compare(clip, slow, repeats=repeats),
            },
        }


def compare(encoder: PictureEncoder, loads: Sequence[Callable[[], bytes]], *, repeats: int) -> dict[str, Any]:
    """Pictures a second of both sides: the median of `repeats` runs of each, taken in turn."""
    prepared = [
        encoder.preprocess(decode_picture(load(), max_pixels=MAX_PIXELS, least_side=encoder.input_side))
        for load in loads
    ]

    def run_bare() -> int:
        return sum(len(encoder.encode_prepared(prepared[at : at + _BATCH])) for at in range(0, len(prepared), _BATCH))

    def run_ours() -> int:
        found = list(encode_stored(encoder, loads, max_pixels=MAX_PIXELS, batch=_BATCH))
        return sum(not isinstance(one, Exception) for one in found)

    actions = {"bare": run_bare, "end_to_end": run_ours}
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in actions}
    for number in range(repeats + 1):
        for name, action in actions.items():
            measured = _measure(action, expected=len(loads))
            # The first round warms up: pages of the model, threads, the cache of the disk.
            if number:
                runs[name].append(measured)
    chosen = {name: sorted(found, key=lambda run: run["per_s"])[len(found) // 2] for name, found in runs.items()}
    return {
        "pictures": len(loads),
        "batch": _BATCH,
        "device": encoder.device,
        "precision": encoder.precision,
        **chosen,
        "ratio": round(chosen["end_to_end"]["per_s"] / chosen["bare"]["per_s"], 3),
    }


def draw_covers(folder: Path, count: int) -> list[Path]:
    """JPEG files at the size of a cover."""
    paths = []
    for seed in range(count):
        target = io.BytesIO()
        draw_leaves(seed % 64).resize(_COVER, Resampling.BICUBIC).save(target, "JPEG", quality=90)
        paths.append(folder / f"{seed}.jpg")
        paths[-1].write_bytes(target.getvalue())
    return paths


def build_random_clip(settings: Settings, architecture: str) -> tuple[PictureEncoder, Any, Any]:
    """An OpenCLIP model of a known architecture without its weights: loaded as a worker does, and as the library does.

    Returns our encoder, the library's model in float32 on the CPU, and its transform.
    """
    import open_clip

    from inference.pictures.open_clip_model import ClipParts, build_encoder

    set_threads(settings.model_threads, purpose="bulk")
    model, _, transform = open_clip.create_model_and_transforms(architecture, load_weights=False)
    parts = ClipParts(copy.deepcopy(model), transform, open_clip.get_tokenizer(architecture), "random")
    device = choose_device(settings.model_device)
    return build_encoder(parts, settings, encoder=architecture, device=device, purpose="bulk"), model, transform


def _measure(action: Callable[[], int], *, expected: int) -> dict[str, float]:
    """Pictures a second, CPU milliseconds a picture, and how many cores others kept busy meanwhile."""
    before, started = read_cpu({"own": os.getpid()}), time.perf_counter()
    done = action()
    seconds = time.perf_counter() - started
    spent = read_cpu({"own": os.getpid()}).since(before)
    if done != expected:
        raise RuntimeError(f"{done} of {expected} pictures were encoded")
    return {
        "per_s": round(done / seconds, 1),
        "cpu_ms": round(spent.groups["own"] * 1000 / done, 2),
        "others_busy_cores": round(max(0.0, spent.machine_s - spent.groups["own"]) / seconds, 2),
    }
