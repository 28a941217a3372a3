"""The titles collection as Qdrant sees it: vectors, HNSW and quantization by priority, payload indexes."""

from __future__ import annotations

from qdrant_client import models

from core.fields import INDEXED_FIELDS
from core.settings import Settings
from core.vectors import TITLE_VECTORS, Priority, VectorSource

# Every structured field that a filter or a sort may name. URLs and provenance are payload only.
PAYLOAD_INDEXES: dict[str, models.PayloadSchemaType] = {
    field.path: models.PayloadSchemaType(field.kind.value) for field in INDEXED_FIELDS
}


def build_vectors_config(
    settings: Settings, *, text_dimension: int, image_dimension: int | None
) -> dict[str, models.VectorParams]:
    """The dense vectors. Image vectors exist only when an image encoder is known (`image_dimension`)."""
    config: dict[str, models.VectorParams] = {}
    for spec in TITLE_VECTORS:
        dimension = text_dimension if spec.source is VectorSource.TEXT else image_dimension
        if spec.priority is None or dimension is None:
            continue
        config[spec.name] = build_vector_params(settings, dimension=dimension, priority=spec.priority)
    return config


def build_vector_params(settings: Settings, *, dimension: int, priority: Priority) -> models.VectorParams:
    """One dense vector: cosine, originals on disk, graph and quantization by priority."""
    return models.VectorParams(
        size=dimension,
        distance=models.Distance.COSINE,
        on_disk=True,
        hnsw_config=_build_hnsw(settings, priority),
        quantization_config=_build_quantization(settings, priority),
    )


def build_sparse_config(settings: Settings, *, lexical_needs_idf: bool) -> dict[str, models.SparseVectorParams]:
    """The sparse vectors. BM25 gets its IDF from Qdrant, so that it follows the corpus; learned weights need none."""
    if not settings.enable_sparse_vectors:
        return {}
    return {
        spec.name: models.SparseVectorParams(
            modifier=models.Modifier.IDF if lexical_needs_idf and spec.source is VectorSource.LEXICAL else None
        )
        for spec in TITLE_VECTORS
        if spec.is_sparse
    }


def get_search_ef(settings: Settings, priority: Priority) -> int:
    """HNSW ef at search for vectors of this priority."""
    return int(getattr(settings, f"hnsw_ef_{priority.value}"))


def _build_hnsw(settings: Settings, priority: Priority) -> models.HnswConfigDiff:
    return models.HnswConfigDiff(
        m=getattr(settings, f"hnsw_m_{priority.value}"),
        ef_construct=getattr(settings, f"hnsw_ef_construct_{priority.value}"),
    )


def _build_quantization(settings: Settings, priority: Priority) -> models.QuantizationConfig | None:
    kind = getattr(settings, f"quantization_{priority.value}")
    if not settings.qdrant_enable_quantization or kind == "none":
        return None
    if kind == "binary":
        return models.BinaryQuantization(binary=models.BinaryQuantizationConfig(always_ram=True))
    if kind == "product":
        product = models.ProductQuantizationConfig(compression=models.CompressionRatio.X16, always_ram=True)
        return models.ProductQuantization(product=product)
    scalar = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=0.99, always_ram=True)
    return models.ScalarQuantization(scalar=scalar)
