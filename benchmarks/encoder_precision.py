"""What a query and a passage cost: the library's `encode` against ours, by precision and number of threads.

    python -m benchmarks.encoder_precision [OUT.json]

MiniLM on the sample catalogue, about a minute. Times are the best of several rounds, since other work on the machine
only ever makes them longer; CPU time is of the whole process.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from inference.base import LoadOptions
from inference.hardware import cpu_has_bf16, prepare_process
from inference.model_files import find_model

_ROOT = Path(__file__).resolve().parents[1]
_QUERIES = (
    "dark psychological thriller",
    "a notebook that kills whoever's name is written in it",
    "giant humanoids besiege the last walled city of humanity",
    "romantic comedy in high school with ghosts",
    "space western bounty hunters",
    "like Naruto but lighter",
    "slow life in the countryside, healing, no drama",
    "an assassin girl who cannot feel anything learns to live with a family after the war",
)
_BATCHES = (1, 8, 64)
_PASSAGES = 300
_ROUND_SECONDS = 0.7
_TOKEN_BUDGET = 8_192


@dataclass(frozen=True)
class Row:
    """One way to encode. Keys of the dictionaries are batch sizes; milliseconds a call, CPU milliseconds a query."""

    way: str
    precision: str
    threads: int
    query_ms: dict[int, float]
    query_cpu_ms: dict[int, float]
    passages_per_s: float


def main() -> None:
    """Print the table; write it as JSON to the file named on the command line."""
    prepare_process()
    passages = _read_passages()
    rows: list[Row] = []
    for threads in sorted({1, os.cpu_count() or 1}):
        _set_threads(threads)
        rows.append(_measure(passages, way="library", precision="fp32", threads=threads, encode=_build_library()))
        for precision in ("fp32", "bf16") if cpu_has_bf16() else ("fp32",):
            encode = _build_ours(precision)
            rows.append(_measure(passages, way="ours", precision=precision, threads=threads, encode=encode))
    _print(rows)
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(json.dumps([asdict(row) for row in rows], indent=2))


def _read_passages() -> list[str]:
    from indexing.passages import build_passages

    lines = (_ROOT / "data" / "sample-catalogue.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [text for line in lines for texts in build_passages(json.loads(line)).values() for text in texts]
    step = max(1, len(texts) // _PASSAGES)
    return list(dict.fromkeys(texts[::step]))


def _set_threads(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)


def _build_library() -> Callable[[Sequence[str]], object]:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(find_model("minilm", revision="main").folder), device="cpu")
    return lambda texts: model.encode(list(texts), show_progress_bar=False)


def _build_ours(precision: str) -> Callable[[Sequence[str]], object]:
    from inference.sentence_transformer import load_sentence_transformer

    options = LoadOptions(template_version=1, device="cpu", precision=precision, threads=1)
    encoder = load_sentence_transformer(find_model("minilm", revision="main"), options)
    return lambda texts: encoder.encode_passages(texts, token_budget=_TOKEN_BUDGET)


def _measure(
    passages: Sequence[str], *, way: str, precision: str, threads: int, encode: Callable[[Sequence[str]], object]
) -> Row:
    wall, cpu = {}, {}
    for size in _BATCHES:
        texts = [_QUERIES[number % len(_QUERIES)] for number in range(size)]
        seconds, cpu_seconds = _time(encode, texts)
        wall[size] = round(seconds * 1000, 2)
        cpu[size] = round(cpu_seconds * 1000 / size, 2)
    seconds, _ = _time(encode, passages)
    return Row(way, precision, threads, wall, cpu, round(len(passages) / seconds, 1))


def _time(encode: Callable[[Sequence[str]], object], texts: Sequence[str]) -> tuple[float, float]:
    """Best wall and CPU seconds of one call."""
    encode(texts)
    best, best_cpu = float("inf"), float("inf")
    end = time.perf_counter() + _ROUND_SECONDS
    while time.perf_counter() < end:
        started, started_cpu = time.perf_counter(), time.process_time()
        encode(texts)
        best = min(best, time.perf_counter() - started)
        best_cpu = min(best_cpu, time.process_time() - started_cpu)
    return best, best_cpu


def _print(rows: Sequence[Row]) -> None:
    heads = "".join(f"{f'batch {size}':>24}" for size in _BATCHES)
    print(f"{'way':<8} {'precision':<10} {'threads':>7}{heads} {'passages/s':>12}")
    for row in rows:
        cells = "".join(f"{row.query_ms[size]:>9.2f} ms {row.query_cpu_ms[size]:>5.2f} CPU-ms" for size in _BATCHES)
        print(f"{row.way:<8} {row.precision:<10} {row.threads:>7}{cells} {row.passages_per_s:>12.1f}")


if __name__ == "__main__":
    main()
