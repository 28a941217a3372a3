"""The picture host itself: its table agrees with what we make of the pictures, and it runs as a program."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.pictures import PictureRefusedError, decode_picture
from fetching import Fetched, Fetcher
from tests.picture_host import KINDS, PictureHost
from tests.picture_host.pictures import draw, save

_ROOT = Path(__file__).resolve().parents[3]
BYTES = {name: kind for name, kind in KINDS.items() if kind.fetch is None}


@pytest.mark.parametrize("name", BYTES)
def test_pictures_of_the_table(name: str, host: PictureHost, fetcher: Fetcher) -> None:
    """What is fetched decodes to a picture of the size that the table says, or is refused with its code word."""
    answer = fetcher.fetch(host.url(f"/kind/{name}/x.jpg"))
    assert isinstance(answer, Fetched)
    try:
        image = decode_picture(answer.body, max_pixels=50_000_000)
    except PictureRefusedError as error:
        assert error.code_word == BYTES[name].picture
        return
    assert BYTES[name].picture is None
    assert (image.mode, image.size) == ("RGB", BYTES[name].size)


def test_many_are_all_different(host: PictureHost, fetcher: Fetcher) -> None:
    """No two of the numbered pictures are equal, and each is the same every time."""
    urls = [host.url(f"/many/{number}.jpg") for number in [*range(100), 123_456]]
    first, second = ([_hash(fetcher.fetch(url)) for url in urls] for _ in range(2))
    assert first == second and len(set(first)) == len(urls)


def test_as_a_program(tmp_path: Path, fetcher: Fetcher) -> None:
    """It serves the files of a folder, says what it was asked, and ends when it is told to."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.png").write_bytes(save(draw(1), "PNG"))
    command = [sys.executable, "-m", "tests.picture_host", "--pictures", str(tmp_path), "--no-robots"]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = json.loads(process.stdout.readline())
            answer = fetcher.fetch(said["url"] + "/file/deep/a.png")
            assert isinstance(answer, Fetched)
            assert (answer.body, answer.media_type) == ((tmp_path / "deep" / "a.png").read_bytes(), "image/png")
            counts = fetcher.fetch(said["url"] + "/counts.json")
            assert isinstance(counts, Fetched)
            assert json.loads(counts.body)["/file/deep/a.png"] == 1
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


def _hash(answer: object) -> str:
    assert isinstance(answer, Fetched)
    return hashlib.sha256(answer.body).hexdigest()
