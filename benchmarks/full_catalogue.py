"""The largest catalogue through the pipeline: in full, again with nothing to do, then ten changed titles alone."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.pipeline import PipelineUnderTest
from indexing.sources.files import RawRecord, read_records

_CHANGED = 10


def find_catalogue(name: str) -> Path:
    """A file of the shared data: in AVS_SHARED_DATA, else beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(os.environ.get("AVS_SHARED_DATA", beside)) / "catalogue" / name


def main() -> None:
    """Print the figures as JSON, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--catalogue", type=Path, default=find_catalogue("anime-39k.jsonl.zst"))
    parser.add_argument("--titles", type=int, default=None, help="only so many titles")
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    result = measure(options.catalogue, options.titles)
    text = json.dumps(result, indent=2)
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text + "\n")


def measure(catalogue: Path, titles: int | None) -> dict[str, Any]:
    """Three jobs in a row on an empty stack."""
    with tempfile.TemporaryDirectory(prefix="avs-full-") as home, PipelineUnderTest(Path(home)) as pipeline:
        first = pipeline.run_job(islice(read_records(catalogue), titles))
        second = pipeline.run_job(islice(read_records(catalogue), titles))
        third = pipeline.run_job(_change(islice(read_records(catalogue), _CHANGED)))
        target = pipeline.generations.get_target().collection
        state = pipeline.store.get_state(target)
        coverage = pipeline.ledger.count_by_vector(target)
    skipped = 1 - first["encoded"] / first["passages"]
    return {
        "first_run": {
            **first,
            "passages_per_s": round(first["passages"] / first["embed_s"], 1),
            "share_of_passages_skipped_as_equal": round(skipped, 3),
        },
        "second_run": second,
        "ten_changed": third,
        "points": state.points if state else 0,
        "titles_by_vector": dict(sorted(coverage.items(), key=lambda item: -item[1])),
    }


def _change(records: Iterator[RawRecord]) -> Iterator[RawRecord]:
    for record in records:
        if record.value is not None:
            yield replace(record, value={**record.value, "synopsis": "A new synopsis, written for a benchmark."})


if __name__ == "__main__":
    main()
