"""Resident bytes a title: quantized vectors and graphs in memory, against float32 vectors with the same graphs.

Computed from the settings, and checked against the files of the engine where they can be seen: quantized vectors and
graphs are loaded as they lie there. Qdrant keeps room for a dense vector of every point, whether the point has it or
not, so each named vector costs its full size a title.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.settings import Settings
from core.vectors import TITLE_VECTORS, Priority, VectorSource

FLOAT_BYTES = 4
# An int8 vector is stored with the offset that its scalar products need.
_INT8_EXTRA = 4
# Product quantization as the collections are made: sixteen times smaller than float32.
_PRODUCT_RATIO = 16
# The lowest layer of a graph has twice m links a point at most. The others are thin: one point in m is there.
_LOWEST_LAYER = 2
_QUANTIZED_FILE, _GRAPH_FILE = "quantized.data", "links_compressed.bin"


@dataclass(frozen=True, slots=True)
class VectorBytes:
    """Bytes a title of one named vector; `graph_most` is what its links can take, uncompressed."""

    name: str
    quantized: int
    float32: int
    graph_most: int


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """All text vectors at one dimension, and image vectors at theirs (None: titles have none).

    `graphs` are measured bytes a title, None where nobody could look.
    """

    dimension: int
    image_dimension: int | None
    vectors: tuple[VectorBytes, ...]
    graphs: float | None

    @property
    def resident(self) -> int:
        """Vector bytes a title that stay in memory."""
        return sum(vector.quantized for vector in self.vectors)

    @property
    def float32(self) -> int:
        """Vector bytes a title if originals stayed in memory."""
        return sum(vector.float32 for vector in self.vectors)

    @property
    def saved(self) -> float:
        """The share of the vectors' memory that quantization saves."""
        return 1 - self.resident / self.float32

    def to_json(self) -> dict[str, Any]:
        """Bytes a title, and gigabytes for a million titles."""
        with_graphs = None if self.graphs is None else self.resident + self.graphs
        plain_with_graphs = None if self.graphs is None else self.float32 + self.graphs
        return {
            "dimension": self.dimension,
            "image_dimension": self.image_dimension,
            "vectors": len(self.vectors),
            "bytes_a_title": {
                "vectors_resident": self.resident,
                "vectors_float32": self.float32,
                "graphs_measured": self.graphs and round(self.graphs),
                "graphs_most": sum(vector.graph_most for vector in self.vectors),
                "resident_with_graphs": with_graphs and round(with_graphs),
                "float32_with_graphs": plain_with_graphs and round(plain_with_graphs),
            },
            "saved_of_vectors": round(self.saved, 4),
            "gb_for_a_million_titles": {
                "vectors_resident": round(self.resident / 1e3, 2),
                "vectors_float32": round(self.float32 / 1e3, 2),
            },
        }


def build_memory_plan(
    settings: Settings, *, dimension: int, image_dimension: int | None = None, graphs: float | None = None
) -> MemoryPlan:
    """What the configured quantization and graphs cost at these dimensions."""
    sizes = {VectorSource.TEXT: dimension, VectorSource.IMAGE: image_dimension}
    vectors = tuple(
        VectorBytes(
            name=spec.name,
            quantized=get_quantized_bytes(_get_kind(settings, spec.priority), size),
            float32=FLOAT_BYTES * size,
            graph_most=_get_graph_bytes(int(getattr(settings, f"hnsw_m_{spec.priority.value}"))),
        )
        for spec in TITLE_VECTORS
        if spec.priority is not None and (size := sizes.get(spec.source)) is not None
    )
    return MemoryPlan(dimension, image_dimension, vectors, graphs)


def get_quantized_bytes(kind: str, dimension: int) -> int:
    """Bytes in memory of one vector; `none` is float32, whose originals lie on disk and are read through its cache."""
    if kind == "int8":
        return dimension + _INT8_EXTRA
    if kind == "binary":
        # In words of 64 bits.
        return 8 * math.ceil(dimension / 64)
    if kind == "product":
        return FLOAT_BYTES * dimension // _PRODUCT_RATIO
    return FLOAT_BYTES * dimension


def measure_files(storage: Path, names: Mapping[str, int]) -> dict[str, dict[str, float]]:
    """{vector: bytes a title of 'quantized' and 'graph'} from the files below a Qdrant storage folder.

    `names` are the vectors with the number of points of the collection. Files of other collections below the same
    folder would be added up: name the folder of one.
    """
    measured: dict[str, dict[str, float]] = {}
    for name, points in names.items():
        quantized = _sum_sizes(storage, f"vector_storage-{name}/{_QUANTIZED_FILE}")
        graph = _sum_sizes(storage, f"vector_index-{name}/{_GRAPH_FILE}")
        measured[name] = {"quantized": quantized / points, "graph": graph / points}
    return measured


def _sum_sizes(storage: Path, pattern: str) -> int:
    return sum(path.stat().st_size for path in storage.rglob(pattern))


def _get_kind(settings: Settings, priority: Priority) -> str:
    kind: str = getattr(settings, f"quantization_{priority.value}")
    return kind if settings.qdrant_enable_quantization else "none"


def _get_graph_bytes(m: int) -> int:
    """Four bytes a link: the lowest layer, and the upper ones that a point is in on average."""
    return round(4 * (_LOWEST_LAYER * m + m / (m - 1)))
