"""(i) Searches by picture, and by text and picture, for changed copies that nobody has sent before.

The whole stack with `visual_baseline`: the sample catalogue's pictures are drawn, fetched from loopback, embedded and
indexed by the real pipeline. Every request carries a copy of its own (another crop, another JPEG), so nothing is cached
but the payloads of titles. Both ways of TITLE_PICTURES are measured on the same index, one web server after the other.
"""

from __future__ import annotations

import base64
import io
import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path
from statistics import fmean
from typing import Any, Final

import httpx
import orjson
from PIL import Image

from benchmarks.paths import IMAGE_PATH, MULTIMODAL_PATH, SEARCH_PATH
from benchmarks.queries import QuerySource, find_shared_data, load_seeds
from benchmarks.runs import run_load, sum_cpu_ms
from benchmarks.stack import SearchStack
from cli.picture_host import PictureHost
from covers.album import add_addresses, draw_albums, load_documents, plan_album

CLIENTS: Final = (1, 8, 32)
# Milliseconds at the 95th percentile, for one client.
AIM_PICTURE_MS: Final = 300.0
AIM_BOTH_MS: Final = 400.0
_LIMIT: Final = 10
# Copies for each second of a run: more than two cores answer.
_COPIES_PER_S: Final = 150
_STEPS: Final = 150
_ENV: Final = {"IMAGE_EMBEDDING_MODEL": "visual_baseline", "DOWNLOAD_ALLOWED_NETWORKS": "127.0.0.0/8"}


def run(*, sample: Path, seconds: float) -> dict[str, Any]:
    """Latencies by route and number of clients, and where the time of a search goes."""
    with tempfile.TemporaryDirectory(prefix="avs-bench-picture-search-") as name:
        home = Path(name)
        documents = load_documents(sample)
        draw_albums(documents, home / "drawn")
        with PictureHost(home / "drawn") as host:
            catalogue = home / "catalogue.jsonl"
            lines = [orjson.dumps(add_addresses(one, host.address)) for one in documents]
            catalogue.write_bytes(b"\n".join(lines) + b"\n")
            ways = {}
            for way in ("group", "mean"):
                with SearchStack(home / way, catalogue=catalogue, env={**_ENV, "TITLE_PICTURES": way}) as stack:
                    stack.run_command("download", "--then-index")
                    copies = Copies([home / "drawn" / plan_album(one).cover for one in documents], seed=way)
                    ways[way] = measure(stack, copies, seconds=seconds)
    return {"titles": len(documents), "aim_ms": AIM_PICTURE_MS, "aim_both_ms": AIM_BOTH_MS, "ways": ways}


class Copies:
    """Endlessly many changed copies of pictures, no two alike, as base64."""

    def __init__(self, paths: Sequence[Path], *, seed: str) -> None:
        self._chance = random.Random(seed)
        pictures = []
        for path in paths:
            with Image.open(path) as picture:
                pictures.append(picture.convert("RGB"))
        self._chance.shuffle(pictures)
        self._pictures = cycle(pictures)

    def take(self, count: int) -> Iterator[str]:
        """The next copies: 60 to 95% of the picture, saved with more or less loss."""
        for picture in islice(self._pictures, count):
            share = self._chance.uniform(0.6, 0.95)
            width, height = round(picture.width * share), round(picture.height * share)
            left = self._chance.randint(0, picture.width - width)
            top = self._chance.randint(0, picture.height - height)
            target = io.BytesIO()
            quality = self._chance.randint(30, 90)
            picture.crop((left, top, left + width, top + height)).save(target, "JPEG", quality=quality)
            yield base64.b64encode(target.getvalue()).decode("ascii")


def measure(stack: SearchStack, copies: Copies, *, seconds: float) -> dict[str, Any]:
    """Both routes at each number of clients; searches by text with as many clients stand beside them."""
    texts = QuerySource(load_seeds(find_shared_data()), seed=7)
    found: dict[str, Any] = {"picture": [], "both": [], "text": []}
    count = round(_COPIES_PER_S * (seconds + 1))
    for clients in CLIENTS:
        plain = [{"image_data": copy, "limit": _LIMIT} for copy in copies.take(count)]
        words = texts.take(2 * count)
        both = [{**body, "query": text} for body, text in zip(copies_of(copies, count), words[:count], strict=True)]
        found["picture"].append(load(stack, IMAGE_PATH, plain, clients=clients, seconds=seconds))
        found["both"].append(load(stack, MULTIMODAL_PATH, both, clients=clients, seconds=seconds))
        asked = [{"query": text, "limit": _LIMIT} for text in words[count:]]
        found["text"].append(load(stack, SEARCH_PATH, asked, clients=clients, seconds=seconds))
    found["steps_ms"] = {
        "picture": split_steps(stack, IMAGE_PATH, list(copies_of(copies, _STEPS))),
        "both": split_steps(
            stack,
            MULTIMODAL_PATH,
            [{**body, "query": text} for body, text in zip(copies_of(copies, _STEPS), texts.take(_STEPS), strict=True)],
        ),
    }
    return found


def copies_of(copies: Copies, count: int) -> Iterator[dict[str, Any]]:
    """Bodies of searches by the next copies."""
    return ({"image_data": copy, "limit": _LIMIT} for copy in copies.take(count))


def load(
    stack: SearchStack, path: str, bodies: Sequence[Mapping[str, Any]], *, clients: int, seconds: float
) -> dict[str, Any]:
    """One measured run."""
    figures = run_load(
        port=stack.port,
        path=path,
        bodies=[orjson.dumps(body) for body in bodies],
        clients=clients,
        seconds=seconds,
        read_cpu=stack.read_cpu,
    )
    shown = {name: value for name, value in figures.items() if name != "first_body"}
    return {**shown, "server_cpu_ms": sum_cpu_ms(figures)}


def split_steps(stack: SearchStack, path: str, bodies: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Mean milliseconds of one client's searches by step: the rest is HTTP, JSON, and decoding the picture."""
    took: list[dict[str, float]] = []
    with httpx.Client(base_url=f"http://127.0.0.1:{stack.port}", timeout=30) as client:
        for body in bodies:
            answer = client.post(path, content=orjson.dumps(body), headers={"Content-Type": "application/json"})
            answer.raise_for_status()
            steps: dict[str, float] = answer.json()["query_info"]["took_ms"]
            took.append({**steps, "whole": answer.elapsed.total_seconds() * 1_000})
    means = {name: fmean(one[name] for one in took) for name in ("embed", "retrieve", "total", "whole")}
    rest = {"request": means["whole"] - means["total"], "other": means["total"] - means["embed"] - means["retrieve"]}
    return {name: round(value, 2) for name, value in {**means, **rest}.items()}
