"""Bytes a title, from settings and from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.settings import Settings
from evaluation.memory import build_memory_plan, get_quantized_bytes, measure_files
from evaluation.recall import measure_recall, sample_ids


def test_the_default_plan_saves_three_quarters() -> None:
    """Eight vectors in int8 and two in bits: 3,200 bytes a title at 384 dimensions, 8,480 at 1,024."""
    settings = Settings(_env_file=None)
    small, large = (build_memory_plan(settings, dimension=dimension) for dimension in (384, 1_024))
    assert (small.resident, small.float32) == (3_200, 15_360)
    assert (large.resident, large.float32) == (8_480, 40_960)
    assert small.saved > 0.75
    assert large.saved > 0.75
    assert small.to_json()["bytes_a_title"]["graphs_measured"] is None


def test_image_vectors_count_at_their_own_size() -> None:
    """Where titles have vectors of pictures, two more in int8 are resident."""
    settings = Settings(_env_file=None)
    plan = build_memory_plan(settings, dimension=384, image_dimension=768)
    assert plan.resident == 3_200 + 2 * (768 + 4)
    assert {"image_vector", "character_image_vector"} <= {vector.name for vector in plan.vectors}
    assert plan.to_json()["image_dimension"] == 768


def test_without_quantization_nothing_is_saved() -> None:
    """The switch turns all kinds off."""
    plan = build_memory_plan(Settings(_env_file=None, qdrant_enable_quantization=False), dimension=384)
    assert plan.saved == 0


@pytest.mark.parametrize(("kind", "expected"), [("int8", 388), ("binary", 48), ("product", 96), ("none", 1_536)])
def test_bytes_of_a_vector_by_kind(kind: str, expected: int) -> None:
    """As the engine lays them out."""
    assert get_quantized_bytes(kind, 384) == expected


def test_files_are_summed_over_segments(tmp_path: Path) -> None:
    """Each segment has files of its own; a vector without any has none."""
    for segment, size in (("one", 600), ("two", 400)):
        folder = tmp_path / "shard" / "segments" / segment / "vector_storage-title_vector"
        folder.mkdir(parents=True)
        (folder / "quantized.data").write_bytes(b"x" * size)
    measured = measure_files(tmp_path, {"title_vector": 10, "genre_vector": 10})
    assert measured == {"title_vector": {"quantized": 100, "graph": 0}, "genre_vector": {"quantized": 0, "graph": 0}}


def test_a_title_as_near_as_the_last_is_as_good() -> None:
    """Equal vectors come in any order; what is farther away was missed."""
    assert measure_recall([0.9, 0.8], [0.9, 0.8]) == 1.0
    assert measure_recall([0.9, 0.7], [0.9, 0.8]) == 0.5
    assert measure_recall([0.9], [0.9, 0.8]) == 0.5
    assert measure_recall([], []) == 1.0


def test_the_sample_does_not_depend_on_the_order() -> None:
    """Qdrant gives ids in an order of its own."""
    ids = [f"id-{number}" for number in range(50)]
    assert sample_ids(iter(ids), count=10, seed=3) == sample_ids(reversed(ids), count=10, seed=3)
    assert len(sample_ids(iter(ids[:4]), count=10, seed=3)) == 4
