"""(g) Pictures a second of the downloader, against img2dataset: same host on loopback, same files, same connections.

Both in turn, a process a core, some times over; the median of the ratios counts. Ours fetches, checks by a decode,
hashes (SHA-256, perceptual hash, colour), brings the files to the disk and records it all in Postgres. Neither start is
counted.

`python -m benchmarks.downloads --mixed 10000` fetches a list of which a tenth fails in every way, and adds up.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from statistics import median_low
from typing import Any, Final

from benchmarks import img2dataset
from benchmarks.picture_encoding import draw_covers
from benchmarks.queries import find_shared_data
from embedded.services import EmbeddedServices
from fetching.errors import TRANSIENT_REASONS
from tests.picture_host.lists import build_mixed_list

AIM: Final = 1.5
CONNECTIONS: Final = 32
_ROOT = Path(__file__).resolve().parents[1]
_DRAWN = 256
_LIMIT_S = 1_500


def run(*, pictures: int, repeats: int) -> dict[str, Any]:
    """Both sides on `pictures` files, each of its own content."""
    img2dataset.ensure_environment()
    with tempfile.TemporaryDirectory(prefix="avs-bench-downloads-") as name:
        folder = Path(name)
        size = write_pictures(folder / "pictures", pictures)
        with serve_pictures(folder / "pictures") as address, EmbeddedServices(folder / "home") as services:
            urls = folder / "urls.txt"
            urls.write_text(
                "\n".join(f"{address}/file/{path.name}" for path in sorted((folder / "pictures").iterdir()))
            )
            runs: list[dict[str, Any]] = []
            for number in range(repeats):
                ours = fetch_list(services.env, urls, count=pictures, folder=folder / f"run-{number}")
                theirs = img2dataset.run(urls, count=pictures, connections=CONNECTIONS)
                runs.append({"ours": ours, "img2dataset": theirs, "ratio": round(ours["per_s"] / theirs["per_s"], 2)})
            resized = img2dataset.run(urls, count=pictures, connections=CONNECTIONS, resize_mode="keep_ratio")
    ratio = median_low(one["ratio"] for one in runs)
    chosen = next(one for one in runs if one["ratio"] == ratio)
    figures = {"pictures": pictures, "mean_bytes": round(size / pictures), "connections": CONNECTIONS, "aim": AIM}
    ratios = [one["ratio"] for one in runs]
    return {**figures, **chosen, "ratios_of_all_runs": ratios, "img2dataset_with_small_copies": resized}


def write_pictures(folder: Path, count: int) -> int:
    """`count` files, the shared pictures (else drawn covers) over and over, each ended differently; returns bytes."""
    folder.mkdir()
    shared = find_shared_data() / "images"
    sources = sorted(path for path in shared.rglob("*") if path.suffix in {".jpg", ".png"})
    with tempfile.TemporaryDirectory(prefix="avs-bench-covers-") as drawn:
        sources = sources or draw_covers(Path(drawn), _DRAWN)
        size = 0
        for number, source in enumerate(islice(cycle(sources), count)):
            # Bytes behind the end of a picture change its content and nothing that it shows.
            data = source.read_bytes() + number.to_bytes(8, "big")
            (folder / f"{number:06d}{source.suffix}").write_bytes(data)
            size += len(data)
    return size


@contextmanager
def serve_pictures(folder: Path | None, *, address: str = "127.0.0.1") -> Iterator[str]:
    """The picture host in a process of its own; its address."""
    command = [sys.executable, "-m", "tests.picture_host", "--address", address]
    command += [] if folder is None else ["--pictures", str(folder)]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield str(json.loads(process.stdout.readline())["url"])
        finally:
            process.terminate()


def fetch_list(env: Mapping[str, str], urls: Path, *, count: int, folder: Path) -> dict[str, Any]:
    """One run of ours into an empty database and an empty folder."""
    found = run_downloader(env, urls, folder=folder, processes=img2dataset.count_processes(CONNECTIONS))
    if found["outcomes"] != {"fetched": count}:
        raise RuntimeError(f"of {count} pictures came: {found['outcomes']}")
    seconds, cpu_ms = found["seconds"], 1_000 * found["cpu_s"] / count
    return {"seconds": round(seconds, 2), "per_s": round(count / seconds, 1), "cpu_ms": round(cpu_ms, 2)}


def run_downloader(
    env: Mapping[str, str], urls: Path, *, folder: Path, processes: int = 1, **settings: str
) -> dict[str, Any]:
    """The figures of so many workers, each with its part of a list and its share of the connections."""
    share = str(CONNECTIONS // processes)
    given = {
        **os.environ,
        **env,
        "AVS_HOME": str(folder),
        "MEDIA_PATH": str(folder / "media"),
        "LOG_LEVEL": "ERROR",
        "DOWNLOAD_ALLOWED_NETWORKS": "127.0.0.0/8",
        "DOWNLOAD_CONCURRENCY": share,
        "DOWNLOAD_PER_HOST": share,
        **settings,
    }
    migrate = [sys.executable, "-m", "alembic", "-c", "migrations/alembic.ini"]
    for step in (["downgrade", "base"], ["upgrade", "head"]):
        subprocess.run([*migrate, *step], cwd=_ROOT, env=given, check=True, capture_output=True, timeout=120)
    command = [sys.executable, "-m", "benchmarks.download_process"]
    stored = subprocess.run(
        [*command, "--urls", str(urls)], cwd=_ROOT, env=given, check=True, stdout=subprocess.PIPE, timeout=120
    )
    command += ["--job", json.loads(stored.stdout)["job"], *(["--until-closed"] if settings else [])]
    workers = [
        subprocess.Popen([*command, "--shard", f"{number}/{processes}"], cwd=_ROOT, env=given, stdout=subprocess.PIPE)
        for number in range(1, processes + 1)
    ]
    parts = [json.loads(worker.communicate(timeout=_LIMIT_S)[0]) for worker in workers]
    seconds = max(part["ended"] for part in parts) - min(part["started"] for part in parts)
    last = max(parts, key=lambda part: part["ended"])
    outcomes, dead_letters = last["outcomes"], last["dead_letters"]
    cpu_s = sum(part["cpu_s"] for part in parts)
    return {"seconds": seconds, "cpu_s": cpu_s, "outcomes": outcomes, "dead_letters": dead_letters}


def run_mixed(count: int) -> dict[str, Any]:
    """A list of which a tenth fails: what came of it, and what had to. Raises RuntimeError unless it adds up."""
    with (
        tempfile.TemporaryDirectory(prefix="avs-bench-mixed-") as name,
        serve_pictures(None, address="0.0.0.0") as address,
        EmbeddedServices(Path(name, "home")) as services,
    ):
        listed, expected = build_mixed_list(int(address.rpartition(":")[2]), count)
        urls = Path(name, "urls.txt")
        urls.write_text("\n".join(listed))
        settings = {"DOWNLOAD_TIMEOUT_S": "10", "DOWNLOAD_MAX_ATTEMPTS": "2", "DOWNLOAD_PER_HOST": "8"}
        settings["DOWNLOAD_HOST_PATIENCE_S"] = "30"
        found = run_downloader(services.env, urls, folder=Path(name, "run"), **settings)
    outcomes = Counter(found["outcomes"])
    faults = {
        word: (outcomes[word], expected[word])
        for word in {*outcomes, *expected} - TRANSIENT_REASONS
        if outcomes[word] != expected[word]
    }
    if faults or outcomes.total() != count:
        raise RuntimeError(f"{outcomes.total()} of {count} URLs ended; (is, should be): {faults}")
    return {"urls": count, "outcomes_add_up_to": outcomes.total(), **found, "expected": dict(expected)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mixed", type=int, metavar="URLS", help="a list of which a tenth fails, and no comparison")
    parser.add_argument("--pictures", type=int, default=3_000)
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    result = run_mixed(chosen.mixed) if chosen.mixed else run(pictures=chosen.pictures, repeats=chosen.repeats)
    print(json.dumps(result, indent=2))
