"""Device, precision and threads by what the hardware has, and by measurement where that does not settle it.

Torch is imported inside the functions: the module itself stays light. Precision is not part of a recipe (vectors of all
precisions are compared with each other), so a precision whose vectors differ from float32's is never chosen here.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final, Literal, TypeAlias, TypeVar

import numpy as np

from core.errors import ConfigurationError
from core.log import Event, Log
from inference.base import DenseRows, Purpose

Precision: TypeAlias = Literal["fp32", "bf16", "fp16"]
Built = TypeVar("Built")

MEASURE_SECONDS = 1.5
MAX_ROUNDS = 15
LEAST_COSINE = 0.99
# A gain below this is noise on a busy machine: fp32 stays.
LEAST_GAIN = 1.1
QUICK_QUERY_S = 0.010

_CPU_FLAGS: Final = frozenset({"amx_bf16", "avx512_bf16", "bf16"})
_log = Log("hardware")


def prepare_process() -> None:
    """What has to stand in the environment before torch is imported.

    OpenMP threads that spin at a barrier burn their core while another process has the other one: with two threads on
    two shared cores a query was seen to cost 30 times the CPU time. Passive waiting costs nothing measurable.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if not sys.stderr.isatty():
        # Also "Loading weights": bars are noise in a log file.
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


def choose_device(setting: str) -> str:
    """`auto` is the first of cuda, mps, cpu that is there. Raises ConfigurationError if a named one is not."""
    import torch

    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if setting == "auto":
        return next(name for name, present in available.items() if present)
    kind, _, number = setting.partition(":")
    if kind not in available or (number and not number.isdecimal()):
        raise ConfigurationError(f"MODEL_DEVICE={setting!r} is none of auto, cuda, cuda:N, mps, cpu")
    if not available[kind] or (kind == "cuda" and int(number or 0) >= torch.cuda.device_count()):
        raise ConfigurationError(
            f"MODEL_DEVICE={setting!r}: torch {torch.__version__} finds no such device. "
            "Install its driver and a matching build of torch, or set MODEL_DEVICE=auto"
        )
    return setting


def list_precisions(setting: str, *, device: str) -> tuple[Precision, ...]:
    """What is worth measuring on this device, fp32 first as the yardstick; one entry if the setting names it."""
    fixed: dict[str, tuple[Precision, ...]] = {"fp32": ("fp32",), "bf16": ("bf16",), "fp16": ("fp16",)}
    if setting in fixed:
        return fixed[setting]
    if device.startswith("cuda"):
        import torch

        return ("fp32", "bf16") if torch.cuda.is_bf16_supported(including_emulation=False) else ("fp32", "fp16")
    if device == "mps":
        return ("fp32", "fp16")
    return ("fp32", "bf16") if cpu_has_bf16() else ("fp32",)


def cpu_has_bf16(cpu_info: Path = Path("/proc/cpuinfo")) -> bool:
    """True if the CPU multiplies bfloat16 itself (AMX, AVX-512 or Arm); without that bf16 is slower than fp32."""
    if not cpu_info.exists():
        return False
    for line in cpu_info.read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip().lower() in {"flags", "features"}:
            return not _CPU_FLAGS.isdisjoint(value.split())
    return False


def choose_precision(
    candidates: tuple[Precision, ...],
    *,
    build: Callable[[Precision], Built],
    run: Callable[[Built], DenseRows],
    device: str,
    purpose: Purpose,
) -> tuple[Precision, Built]:
    """The quickest candidate that gives the same vectors as the first one, with what was built for it.

    `run` encodes the probe texts: rows (n, dimension), L2-normalised. One candidate is taken unmeasured.
    """
    built = {precision: build(precision) for precision in candidates}
    chosen = candidates[0]
    seconds: dict[Precision, float] = {}
    cosines: dict[Precision, float] = {}
    if len(candidates) > 1:
        rows = {precision: run(encoder) for precision, encoder in built.items()}
        cosines = {precision: float((row * rows[chosen]).sum(axis=1).min()) for precision, row in rows.items()}
        equal = {name: encoder for name, encoder in built.items() if name == chosen or cosines[name] > LEAST_COSINE}
        seconds = time_in_turns(equal, run)
        chosen = pick_quickest(seconds)
    _log.info(
        Event.PRECISION_CHOSEN,
        device=device,
        precision=chosen,
        purpose=purpose,
        milliseconds={name: round(value * 1000, 2) for name, value in seconds.items()},
        least_cosine={name: round(value, 5) for name, value in cosines.items()},
    )
    return chosen, built[chosen]


def time_in_turns(built: Mapping[Precision, Built], run: Callable[[Built], DenseRows]) -> dict[Precision, float]:
    """Best seconds of each. They take turns, so that what else the machine does hits all alike."""
    best = dict.fromkeys(built, float("inf"))
    end = time.perf_counter() + MEASURE_SECONDS
    for _ in range(MAX_ROUNDS):
        for precision, encoder in built.items():
            best[precision] = min(best[precision], time_once(partial(run, encoder)))
        if time.perf_counter() > end:
            break
    return best


def pick_quickest(seconds: Mapping[Precision, float]) -> Precision:
    """The quickest, but the first one unless the gain is worth it."""
    first = next(iter(seconds))
    quickest = min(seconds, key=lambda precision: seconds[precision])
    return quickest if seconds[first] > LEAST_GAIN * seconds[quickest] else first


def time_once(run: Callable[[], object]) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def set_threads(setting: int, *, purpose: Purpose) -> None:
    """Torch's threads before a model is built: as set, else one for queries and all cores for bulk work."""
    import torch

    torch.set_num_threads(setting or (1 if purpose == "query" else os.cpu_count() or 1))


def settle_query_threads(run_one: Callable[[], object]) -> None:
    """Give a slow model all cores for its queries. A quick one stays on one thread, which leaves the rest to others."""
    import torch

    run_one()
    # CPU time: while a whole stack starts on two cores, a clock on the wall would call any model slow.
    if min(_cpu_time_once(run_one) for _ in range(3)) > QUICK_QUERY_S:
        torch.set_num_threads(os.cpu_count() or 1)


def _cpu_time_once(action: Callable[[], object]) -> float:
    """CPU seconds of this thread."""
    started = time.thread_time()
    action()
    return time.thread_time() - started


def build_probe_tokens(vocabulary_size: int, *, purpose: Purpose, parameters: int) -> list[list[int]]:
    """Token ids of realistic lengths: eight short queries, or passages of 128 tokens, as many as a second can take.

    `parameters`: of the layers, without embeddings. Ids are spread over the vocabulary by a fixed seed.
    """
    lengths = [6, 8, 8, 10, 10, 12, 16, 24]
    if purpose == "bulk":
        affordable = int(2e10 / (2 * max(parameters, 1)))
        lengths = [128] * max(1, min(8, affordable // 128)) if affordable >= 128 else [max(16, affordable)]
    generator = np.random.default_rng(7)
    return [generator.integers(vocabulary_size // 2, vocabulary_size - 1, length).tolist() for length in lengths]
