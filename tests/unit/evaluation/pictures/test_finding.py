"""Finding changed pictures: sets, near duplicates, figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.errors import InvalidInputError, ModelUnavailableError
from core.settings import Settings
from evaluation.catalogue import NothingToEvaluateError
from evaluation.pictures import encoders
from evaluation.pictures.changes import CHANGES, mirror, recompress
from evaluation.pictures.embedding import rank
from evaluation.pictures.finding import describe, evaluate_finding
from evaluation.pictures.sets import build_set, group_near, load_cover_set, load_shared_set
from inference.pictures.base import PictureEncoder
from inference.pictures.fake import FakePictureEncoder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five noisy pictures; the last is a recompressed copy of the first."""
    lots = np.random.default_rng(1)
    for number in range(4):
        blocks = lots.integers(0, 255, (6, 6, 3), dtype=np.uint8)
        picture = Image.fromarray(blocks).resize((96, 96), Image.Resampling.BICUBIC)
        picture.save(tmp_path / f"{number}.png")
        if number == 0:
            picture.save(tmp_path / "copy.jpg", quality=95)
    return tmp_path


def list_paths(folder: Path) -> dict[str, Path]:
    """By name."""
    return {path.name: path for path in sorted(folder.iterdir())}


def test_near_duplicates_are_one_group_through_others_too() -> None:
    """A chain of small steps is one group; a far one stays alone."""
    assert group_near([0b0000, 0b1111, 0b11111111, (1 << 64) - 1]) == [0, 0, 0, 3]
    assert group_near([(1 << 40) - 1, 0, 1]) == [0, 1, 1]
    assert group_near([]) == []


def test_a_near_duplicate_counts_as_right_and_is_told(folder: Path) -> None:
    """Copies of the twin find one of the two; `itself` says how often it was the very one."""
    pictures = build_set("five", list_paths(folder))
    assert pictures.twins == 2
    report = evaluate_finding(
        pictures, FakePictureEncoder(), seed=7, progress=lambda _: None, changes={**CHANGES, "plain": recompress}
    )
    assert report.count == 5
    assert report.means["plain"] == {"success@1": 1.0, "success@10": 1.0, "mrr": 1.0}
    assert report.itself["plain"] <= 1.0
    assert describe([report])["reports"][0]["near_duplicates"] == 2


def test_an_encoder_that_knows_places_misses_mirrored_pictures(folder: Path) -> None:
    """The figures can fall: a mirrored copy is not found at the first place by pixels."""
    pictures = build_set("five", list_paths(folder))
    report = evaluate_finding(
        pictures, FakePictureEncoder(), seed=7, progress=lambda _: None, changes={**CHANGES, "mirrored": mirror}
    )
    assert report.means["mirrored"]["success@1"] < 1.0


def test_progress_tells_every_picture_and_the_seed_decides(folder: Path) -> None:
    """Same seed, same figures."""
    pictures, told = build_set("five", list_paths(folder)), []
    reports = [
        evaluate_finding(pictures, FakePictureEncoder(), seed=3, progress=told.append).to_json() for _ in range(2)
    ]
    assert sum(told) == 2 * len(pictures.items)
    assert reports[0] == reports[1]


def test_rank_is_exact_and_nearest_first() -> None:
    """Dot products in falling order."""
    stored = np.eye(3, dtype=np.float32)
    query = np.array([[0.1, 0.9, 0.5]], np.float32)
    assert rank(query, stored, depth=2).tolist() == [[1, 2]]


def test_one_picture_is_nothing_to_find_among(folder: Path) -> None:
    """Said, not measured."""
    pictures = build_set("one", {"0.png": folder / "0.png"})
    with pytest.raises(NothingToEvaluateError, match="nothing to find"):
        evaluate_finding(pictures, FakePictureEncoder(), seed=7, progress=lambda _: None)


@pytest.mark.parametrize("content", [b"", b"<html></html>", b"\xff\xd8\xff\xe0 cut"])
def test_a_file_that_is_no_picture_names_itself(folder: Path, content: bytes) -> None:
    """The path and the reason."""
    (folder / "0.png").write_bytes(content)
    with pytest.raises(InvalidInputError, match=r"0\.png"):
        build_set("five", list_paths(folder))


def test_the_shared_set_is_what_its_manifest_lists(folder: Path) -> None:
    """Files beside it are not read; a listed file that is missing is an error, as is a manifest without the column."""
    images = folder / "images"
    images.mkdir()
    (images / "a.png").write_bytes((folder / "0.png").read_bytes())
    (images / "other.txt").write_text("not listed")
    manifest = images / "manifest.csv"
    manifest.write_text("file,width\na.png,96\n")
    assert [item.name for item in load_shared_set(folder).items] == ["a.png"]
    manifest.write_text("file\nb.png\n")
    with pytest.raises(InvalidInputError, match=r"b\.png"):
        load_shared_set(folder)
    manifest.write_text("name\na.png\n")
    with pytest.raises(InvalidInputError, match="no column"):
        load_shared_set(folder)
    manifest.unlink()
    with pytest.raises(InvalidInputError, match="not there"):
        load_shared_set(folder)


def test_named_encoders_must_load_and_others_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without names, what cannot be loaded is told with its reason; a name that cannot be loaded is an error."""
    fake, settings = FakePictureEncoder(), Settings(_env_file=None)

    def load(given: Settings) -> PictureEncoder:
        if given.image_embedding_model == encoders.BASELINE:
            return fake
        raise ModelUnavailableError("X", given.image_embedding_model, reason="no weights", remedy="Get some")

    monkeypatch.setattr(encoders, "load_picture_encoder", load)
    chosen = encoders.choose_encoders(settings, ())
    assert chosen.encoders == (fake,)
    assert "no weights" in chosen.missing[settings.image_embedding_model]
    with pytest.raises(ModelUnavailableError):
        encoders.choose_encoders(settings, ("ViT-B-32/none-such",))


def test_no_encoder_at_all_is_an_error() -> None:
    """`none` by name is refused."""
    with pytest.raises(InvalidInputError, match="--encoder"):
        encoders.choose_encoders(Settings(_env_file=None), ("none",))


def test_the_cover_set_has_every_sample_title(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By title; here of the first three only, since drawing takes its time."""
    sample = tmp_path / "sample.jsonl"
    sample.write_bytes(b"\n".join((read_sample()).splitlines()[:3]))
    monkeypatch.setattr("evaluation.pictures.sets.SAMPLE", sample)
    pictures = load_cover_set(tmp_path / "covers")
    assert [item.name for item in pictures.items][:1] == ["Tetsuwan Atom"]
    assert all(item.path.is_file() for item in pictures.items)


def read_sample() -> bytes:
    """The sample catalogue."""
    from evaluation.pictures.sets import SAMPLE

    return SAMPLE.read_bytes()
