"""Pictures a second with a large model on a GPU: our pipeline against open_clip's own loop, and how busy the GPU is.

    python -m benchmarks.gpu.picture_encoding [--architecture ViT-L-14] [--pictures 8192] [--out OUT.json]

Both sides read the same JPEG files of a cover's size and give unit rows in bf16 of a model of random weights, which
costs what trained ones cost. open_clip's loop is its usual one: its transform in the workers of a DataLoader that stay
for all runs, pinned memory, `encode_image` under autocast. Sides take turns; the median run counts. `--on-cpu` tries
the script out.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.machine import describe_machine
from benchmarks.picture_encoding import MAX_PIXELS, build_random_clip, draw_covers
from core.settings import Settings
from inference.hardware import prepare_process
from inference.pictures.pipeline import encode_stored

_SAMPLE_MS: Final = 100
_ALIKE: Final = 0.99


def main(argv: Sequence[str] | None = None) -> None:
    """Print the result as JSON; write it to the file named on the command line."""
    options = parse_options(argv)
    prepare_process()
    import torch

    result: dict[str, Any] = {"machine": describe_machine(), "was_run": False}
    if torch.cuda.is_available() or options.on_cpu:
        result |= {"was_run": True, **compare(options)}
    else:
        result["reason"] = "no GPU: torch finds no CUDA device on this machine"
    text = json.dumps(result, indent=2)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


def parse_options(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line; exits with 2 on a wrong one."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu.picture_encoding")
    parser.add_argument("--architecture", default="ViT-L-14")
    parser.add_argument("--pictures", type=int, default=8_192)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--threads", type=int, default=0, help="decoding threads, and workers of the loader; 0: all")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--on-cpu", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(argv)
    if options.pictures < 1 or options.batch < 1 or options.repeats < 1 or options.threads < 0:
        parser.error("counts must be positive")
    return options


def compare(options: argparse.Namespace) -> dict[str, Any]:
    """Both sides on the same files; raises RuntimeError if their rows are not alike."""
    device = "cpu" if options.on_cpu else "cuda"
    threads = options.threads or os.cpu_count() or 1
    settings = Settings(_env_file=None, model_device=device, model_precision="bf16")  # type: ignore[call-arg]
    with tempfile.TemporaryDirectory(prefix="avs-bench-gpu-") as folder:
        paths = draw_covers(Path(folder), options.pictures)
        encoder, model, transform = build_random_clip(settings, options.architecture)
        loads = [path.read_bytes for path in paths]

        def run_ours() -> Any:
            found = list(encode_stored(encoder, loads, max_pixels=MAX_PIXELS, batch=options.batch, threads=threads))
            if failed := [one for one in found if isinstance(one, Exception)]:
                raise failed[0]
            return np.stack([one for one in found if not isinstance(one, Exception)])

        run_theirs = build_library_loop(paths, model, transform, device=device, batch=options.batch, workers=threads)
        sides = {"ours": run_ours, "open_clip": run_theirs}
        check_alike(sides)
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
        for _ in range(options.repeats):
            for name, action in sides.items():
                runs[name].append(measure(action, count=len(paths), device=device))
        chosen = {name: sorted(found, key=lambda run: run["per_s"])[len(found) // 2] for name, found in runs.items()}
    return {
        "architecture": options.architecture,
        "device": describe_device(device),
        "pictures": options.pictures,
        "batch": options.batch,
        "threads": threads,
        **chosen,
        "ratio": round(chosen["ours"]["per_s"] / chosen["open_clip"]["per_s"], 3),
    }


def build_library_loop(
    paths: Sequence[Path], model: Any, transform: Any, *, device: str, batch: int, workers: int
) -> Callable[[], Any]:
    """open_clip's own way over the files; the call gives rows (n, dimension) as numpy."""
    import torch
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset

    class Files(Dataset[Any]):
        def __len__(self) -> int:
            return len(paths)

        def __getitem__(self, index: int) -> Any:
            return transform(Image.open(paths[index]))

    loader = DataLoader(
        Files(), batch_size=batch, num_workers=workers, persistent_workers=True, pin_memory=device == "cuda"
    )
    theirs = model.to(device).eval()

    def run() -> Any:
        rows = []
        with torch.inference_mode(), torch.autocast(device, dtype=torch.bfloat16):
            for pictures in loader:
                found = theirs.encode_image(pictures.to(device, non_blocking=True), normalize=True)
                rows.append(found.float().cpu())
        return torch.cat(rows).numpy()

    return run


def check_alike(sides: dict[str, Callable[[], Any]]) -> None:
    """Warm both up, and refuse to compare sides that give other vectors."""
    ours, theirs = (action() for action in sides.values())
    least = float((ours * theirs).sum(axis=1).min())
    if least < _ALIKE:
        raise RuntimeError(f"the two sides give different rows: least cosine {least:.4f}")


def measure(action: Callable[[], Any], *, count: int, device: str) -> dict[str, Any]:
    """Pictures a second, and the share of the time in which the GPU ran a kernel (None on a CPU)."""
    sampler = start_sampler() if device == "cuda" else None
    started = time.perf_counter()
    try:
        action()
        seconds = time.perf_counter() - started
    finally:
        samples = stop_sampler(sampler) if sampler else []
    busy = round(statistics.mean(samples) / 100, 3) if samples else None
    return {"per_s": round(count / seconds, 1), "seconds": round(seconds, 2), "gpu_busy": busy}


def start_sampler() -> subprocess.Popen[str]:
    """nvidia-smi, which prints the GPU's utilisation ten times a second."""
    command = [
        "nvidia-smi",
        "--id=0",
        "--query-gpu=utilization.gpu",
        "--format=csv,noheader,nounits",
        f"-lms={_SAMPLE_MS}",
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def stop_sampler(sampler: subprocess.Popen[str]) -> list[int]:
    """The percentages that it printed."""
    sampler.terminate()
    printed, _ = sampler.communicate(timeout=10)
    return [int(line) for line in printed.split() if line.isdecimal()]


def describe_device(device: str) -> str:
    """The name of the GPU."""
    import torch

    return torch.cuda.get_device_name(0) if device == "cuda" else "cpu"


if __name__ == "__main__":
    main()
