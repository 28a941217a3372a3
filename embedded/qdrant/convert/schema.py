"""Collections and payload indexes: their parameters to the engine's, and what `get_collection` answers.

A collection's configuration is kept as the JSON the client sent, checked; the engine's objects are made from it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qdrant_edge as edge

from embedded.qdrant.convert.body import Json, as_int, as_named, as_object, as_string, as_strings, choose, need
from embedded.qdrant.convert.vectors import VectorSpace
from embedded.qdrant.errors import BadRequestError, NotServedError

HNSW_DEFAULTS: Json = {"m": 16, "ef_construct": 100, "full_scan_threshold": 10_000, "max_indexing_threads": 0}
OPTIMIZER_DEFAULTS: Json = {
    "deleted_threshold": 0.2,
    "vacuum_min_vector_number": 1000,
    "default_segment_number": 0,
    "max_segment_size": None,
    "memmap_threshold": None,
    "indexing_threshold": 10_000,
    "flush_interval_sec": 5,
    "max_optimization_threads": None,
    "prevent_unoptimized": None,
}
HNSW_FIELDS = frozenset(HNSW_DEFAULTS) | {"on_disk", "memory", "payload_m", "inline_storage"}
VECTOR_FIELDS = frozenset(
    {"size", "distance", "hnsw_config", "quantization_config", "on_disk", "memory", "datatype", "multivector_config"}
)
CREATE_FIELDS = frozenset(
    {
        "vectors",
        "sparse_vectors",
        "hnsw_config",
        "quantization_config",
        "optimizers_config",
        "on_disk_payload",
        "wal_config",
        "shard_number",
        "replication_factor",
        "write_consistency_factor",
        "metadata",
    }
)
CREATE_UNSERVED = frozenset({"sharding_method", "strict_mode_config", "payload", "id_tracker", "init_from"})
UPDATE_FIELDS = frozenset(
    {"vectors", "sparse_vectors", "hnsw_config", "quantization_config", "optimizers_config", "params", "metadata"}
)
ONE_NODE = ("shard_number", "replication_factor", "write_consistency_factor")
DISTANCES = {
    "Cosine": edge.Distance.Cosine,
    "Euclid": edge.Distance.Euclid,
    "Dot": edge.Distance.Dot,
    "Manhattan": edge.Distance.Manhattan,
}
DATATYPES = {
    "float32": edge.VectorStorageDatatype.Float32,
    "float16": edge.VectorStorageDatatype.Float16,
    "uint8": edge.VectorStorageDatatype.Uint8,
}
MEMORY = {"cold": edge.Memory.Cold, "cached": edge.Memory.Cached, "pinned": edge.Memory.Pinned}
COMPRESSION = {name.lower(): getattr(edge.CompressionRatio, name) for name in ("X4", "X8", "X16", "X32", "X64")}
BINARY_ENCODING = {
    "one_bit": edge.BinaryQuantizationEncoding.OneBit,
    "two_bits": edge.BinaryQuantizationEncoding.TwoBits,
    "one_and_half_bits": edge.BinaryQuantizationEncoding.OneAndHalfBits,
}
BINARY_QUERY_ENCODING = {
    "default": edge.BinaryQuantizationQueryEncoding.Default,
    "binary": edge.BinaryQuantizationQueryEncoding.Binary,
    "scalar4bits": edge.BinaryQuantizationQueryEncoding.Scalar4Bits,
    "scalar8bits": edge.BinaryQuantizationQueryEncoding.Scalar8Bits,
}
TURBO_BITS = {
    "bits1": edge.TurboQuantBitSize.Bits1,
    "bits1_5": edge.TurboQuantBitSize.Bits1_5,
    "bits2": edge.TurboQuantBitSize.Bits2,
    "bits4": edge.TurboQuantBitSize.Bits4,
    "bits8": edge.TurboQuantBitSize.Bits8,
}


def _optional(value: Any, choices: dict[str, Any], *, what: str) -> Any:
    return None if value is None else choose(value, choices, what=what)


def read_create(value: Any) -> Json:
    """Check the body of a collection's creation and return the configuration to keep."""
    body = as_object(value, CREATE_FIELDS, what="collection", unserved=CREATE_UNSERVED)
    for name in ONE_NODE:
        if body.get(name) not in {None, 1}:
            raise NotServedError(f"`{name}` other than 1")
    config = {key: item for key, item in body.items() if item is not None and key not in ONE_NODE}
    if not config.get("vectors") and not config.get("sparse_vectors"):
        raise BadRequestError("collection: expected `vectors` or `sparse_vectors`")
    edge_config(config)
    return config


def read_update(value: Any, config: Json) -> Json:
    """Check the body of a collection's update and return the configuration that results."""
    body = as_object(value, UPDATE_FIELDS, what="collection update", unserved={"strict_mode_config"})
    changed = dict(config)
    for name in ("hnsw_config", "optimizers_config", "metadata"):
        if body.get(name) is not None:
            changed[name] = {**config.get(name, {}), **as_named(body[name], what=name)}
    if body.get("quantization_config") is not None:
        changed["quantization_config"] = _quantization_diff(body["quantization_config"])
    params = as_object(body.get("params") or {}, set(ONE_NODE) | {"on_disk_payload"}, what="params")
    if params.get("on_disk_payload") is not None:
        changed["on_disk_payload"] = params["on_disk_payload"]
    for name, diff in as_named(body.get("vectors"), what="vectors").items():
        changed["vectors"] = _with_vector_diff(changed.get("vectors", {}), name, diff)
    for name, diff in as_named(body.get("sparse_vectors"), what="sparse_vectors").items():
        if name not in changed.get("sparse_vectors", {}):
            raise BadRequestError(f"Not existing vector name error: `{name}`")
        changed["sparse_vectors"] = {
            **changed["sparse_vectors"],
            name: {**changed["sparse_vectors"][name], **as_named(diff, what=name)},
        }
    edge_config(changed)
    return changed


def _quantization_diff(value: Any) -> Any:
    return None if value == "Disabled" else value


def _with_vector_diff(vectors: Json, name: str, diff: Any) -> Json:
    allowed = {"hnsw_config", "quantization_config", "on_disk"}
    body = as_object(diff, allowed, what=f"vector `{name}`", unserved={"memory"})
    params = vectors_by_name(vectors).get(name)
    if params is None:
        raise BadRequestError(f"Not existing vector name error: `{name}`")
    merged = {**params, **{key: item for key, item in body.items() if item is not None}}
    if body.get("hnsw_config") is not None:
        merged["hnsw_config"] = {
            **(params.get("hnsw_config") or {}),
            **as_named(body["hnsw_config"], what="hnsw_config"),
        }
    if "quantization_config" in body:
        merged["quantization_config"] = _quantization_diff(body["quantization_config"])
    return merged if name == "" else {**vectors, name: merged}


def vectors_by_name(vectors: Any) -> dict[str, Json]:
    """Return the dense vectors' parameters by name; a single unnamed vector is called ""."""
    body = as_named(vectors, what="vectors")
    return {"": body} if "size" in body and not isinstance(body["size"], dict) else body


def vector_space(config: Json) -> VectorSpace:
    """Return the names and dimensions that points and queries are checked against."""
    dense = vectors_by_name(config.get("vectors"))
    return VectorSpace(
        dense={name: p["size"] for name, p in dense.items() if not p.get("multivector_config")},
        multi={name: p["size"] for name, p in dense.items() if p.get("multivector_config")},
        sparse=frozenset(config.get("sparse_vectors") or ()),
    )


def edge_config(config: Json, *, index_everything: bool = False) -> edge.EdgeConfig:
    """Return the engine's configuration; with `index_everything`, its optimizer leaves no vector unindexed."""
    optimizers = as_object(config.get("optimizers_config") or {}, OPTIMIZER_DEFAULTS.keys(), what="optimizers_config")
    return edge.EdgeConfig(
        vectors={name: _vector(p, config) for name, p in vectors_by_name(config.get("vectors")).items()},
        sparse_vectors={
            name: _sparse(p) for name, p in as_named(config.get("sparse_vectors"), what="sparse_vectors").items()
        },
        on_disk_payload=config.get("on_disk_payload", True),
        hnsw_config=_hnsw(config.get("hnsw_config") or {}, {}),
        quantization_config=_quantization(config.get("quantization_config")),
        optimizers=edge.EdgeOptimizersConfig(
            deleted_threshold=optimizers.get("deleted_threshold"),
            vacuum_min_vector_number=optimizers.get("vacuum_min_vector_number"),
            default_segment_number=optimizers.get("default_segment_number"),
            max_segment_size=optimizers.get("max_segment_size"),
            indexing_threshold=1 if index_everything else optimizers.get("indexing_threshold"),
        ),
        # The engine's own threads cost a search twice the CPU time for no shorter wait (measured).
        max_search_threads=1,
    )


def _vector(value: Any, config: Json) -> edge.EdgeVectorParams:
    body = as_object(value, VECTOR_FIELDS, what="vector parameters")
    own_hnsw = body.get("hnsw_config")
    multi = body.get("multivector_config")
    if multi is not None:
        comparators = {"max_sim": edge.MultiVectorComparator.MaxSim}
        multi = edge.MultiVectorConfig(
            choose(
                as_object(multi, {"comparator"}, what="multivector_config").get("comparator"),
                comparators,
                what="comparator",
            )
        )
    return edge.EdgeVectorParams(
        size=as_int(body.get("size"), what="vector size", least=1),
        distance=choose(body.get("distance"), DISTANCES, what="distance"),
        on_disk=body.get("on_disk"),
        multivector_config=multi,
        datatype=_optional(body.get("datatype"), DATATYPES, what="datatype"),
        quantization_config=_quantization(body.get("quantization_config")),
        hnsw_config=None if own_hnsw is None else _hnsw(own_hnsw, config.get("hnsw_config") or {}),
        memory=_optional(body.get("memory"), MEMORY, what="memory"),
    )


def _hnsw(value: Any, base: Json) -> edge.HnswIndexConfig:
    body = {**HNSW_DEFAULTS, **base, **as_object(value, HNSW_FIELDS, what="hnsw_config")}
    body = {key: HNSW_DEFAULTS.get(key) if item is None else item for key, item in body.items()}
    return edge.HnswIndexConfig(**{**body, "memory": _optional(body.get("memory"), MEMORY, what="memory")})


def _sparse(value: Any) -> edge.EdgeSparseVectorParams:
    body = as_object(value, {"index", "modifier"}, what="sparse vector parameters")
    index_fields = {"full_scan_threshold", "on_disk", "memory", "datatype"}
    index = as_object(body.get("index") or {}, index_fields, what="sparse index")
    return edge.EdgeSparseVectorParams(
        full_scan_threshold=index.get("full_scan_threshold"),
        on_disk=index.get("on_disk"),
        modifier=choose(body.get("modifier") or "none", {"none": None, "idf": edge.Modifier.Idf}, what="modifier"),
        datatype=_optional(index.get("datatype"), DATATYPES, what="datatype"),
        memory=_optional(index.get("memory"), MEMORY, what="memory"),
    )


def _quantization(value: Any) -> Any:
    if value is None:
        return None
    kinds = [key for key, item in as_object(value, QUANTIZATIONS.keys(), what="quantization_config").items() if item]
    if len(kinds) != 1:
        raise BadRequestError(f"quantization_config: expected exactly one of {', '.join(QUANTIZATIONS)}")
    return QUANTIZATIONS[kinds[0]](as_named(value[kinds[0]], what="quantization_config"))


def _quantizer(build: Any, choices: dict[str, dict[str, Any]]) -> Callable[[Json], Any]:
    """A converter of one kind of quantization: `choices` are its fields that are words."""
    words = {**choices, "memory": MEMORY}

    def read(body: Json) -> Any:
        as_object(body, words.keys() | {"always_ram", "quantile"}, what="quantization_config")
        return build(**{key: _optional(v, words[key], what=key) if key in words else v for key, v in body.items()})

    return read


QUANTIZATIONS = {
    "scalar": _quantizer(edge.ScalarQuantizationConfig, {"type": {"int8": edge.ScalarType.Int8}}),
    "product": _quantizer(edge.ProductQuantizationConfig, {"compression": COMPRESSION}),
    "binary": _quantizer(
        edge.BinaryQuantizationConfig, {"encoding": BINARY_ENCODING, "query_encoding": BINARY_QUERY_ENCODING}
    ),
    "turbo": _quantizer(edge.TurboQuantQuantizationConfig, {"bits": TURBO_BITS}),
}

# Payload indexes

INDEX_TYPES = {
    "keyword": edge.PayloadSchemaType.Keyword,
    "integer": edge.PayloadSchemaType.Integer,
    "float": edge.PayloadSchemaType.Float,
    "geo": edge.PayloadSchemaType.Geo,
    "text": edge.PayloadSchemaType.Text,
    "bool": edge.PayloadSchemaType.Bool,
    "datetime": edge.PayloadSchemaType.Datetime,
    "uuid": edge.PayloadSchemaType.Uuid,
}
INDEX_PARAMS: dict[str, Any] = {
    "keyword": edge.KeywordIndexParams,
    "integer": edge.IntegerIndexParams,
    "float": edge.FloatIndexParams,
    "geo": edge.GeoIndexParams,
    "text": edge.TextIndexParams,
    "bool": edge.BoolIndexParams,
    "datetime": edge.DatetimeIndexParams,
    "uuid": edge.UuidIndexParams,
}
TOKENIZERS = {
    name.lower(): getattr(edge.TokenizerType, name) for name in ("Prefix", "Whitespace", "Word", "Multilingual")
}


def read_index_schema(value: Any) -> Any:
    """Read `field_schema`: a type, or a type with parameters."""
    if value is None:
        raise NotServedError("a payload index without `field_schema`")
    if isinstance(value, str):
        return choose(value, INDEX_TYPES, what="field_schema")
    if not isinstance(value, dict):
        raise BadRequestError("field_schema: expected a type or an object")
    build = choose(value.get("type"), INDEX_PARAMS, what="field_schema.type")
    params = {key: item for key, item in value.items() if key != "type" and item is not None}
    return build(**{key: INDEX_WORDS[key](item) if key in INDEX_WORDS else item for key, item in params.items()})


def _stopwords(value: Any) -> Any:
    if isinstance(value, str):
        return edge.StopwordsSet({_language(value)}, set())
    body = as_object(value, {"languages", "custom"}, what="stopwords")
    languages = {_language(word) for word in body.get("languages") or ()}
    return edge.StopwordsSet(languages, set(as_strings(body.get("custom") or [], what="stopwords.custom")))


def _language(word: Any, languages: Any = edge.Language) -> Any:
    language = getattr(languages, as_string(word, what="language").capitalize(), None)
    if language is None:
        raise BadRequestError(f"language: {word!r} is not known")
    return language


def _stemmer(value: Any) -> Any:
    body = as_object(value, {"type", "language"}, what="stemmer")
    if body.get("type") == "none":
        return edge.DisabledStemmer()
    return edge.SnowballParams(_language(need(body, "language", what="stemmer"), edge.SnowballLanguage))


def _scoring(value: Any) -> Any:
    return value if isinstance(value, bool) else True


INDEX_WORDS: dict[str, Callable[[Any], Any]] = {
    "memory": lambda v: choose(v, MEMORY, what="memory"),
    "tokenizer": lambda v: choose(v, TOKENIZERS, what="tokenizer"),
    "stopwords": _stopwords,
    "stemmer": _stemmer,
    "scoring": _scoring,
}

# What get_collection answers


def write_config(config: Json) -> Json:
    """Return a collection's configuration as `get_collection` shows it, defaults filled in."""
    return {
        "params": {
            "vectors": config.get("vectors") or {},
            "sparse_vectors": config.get("sparse_vectors"),
            "shard_number": 1,
            "replication_factor": 1,
            "write_consistency_factor": 1,
            "on_disk_payload": config.get("on_disk_payload", True),
        },
        "hnsw_config": {**HNSW_DEFAULTS, **(config.get("hnsw_config") or {})},
        "optimizer_config": optimizers_of(config),
        "wal_config": {"wal_capacity_mb": 32, "wal_segments_ahead": 0},
        "quantization_config": config.get("quantization_config"),
        "metadata": config.get("metadata"),
    }


def optimizers_of(config: Json) -> Json:
    """Return the optimizer settings in force."""
    return {**OPTIMIZER_DEFAULTS, **(config.get("optimizers_config") or {})}


def write_payload_schema(engine_schema: dict[str, Any], asked: Json) -> Json:
    """Return `payload_schema`: the engine's types and counts, with the parameters the client `asked` for."""
    types = {str(member): name for name, member in INDEX_TYPES.items()}
    return {
        name: {
            "data_type": types[str(info.data_type)],
            "params": asked[name] if isinstance(asked.get(name), dict) else None,
            "points": info.points,
        }
        for name, info in engine_schema.items()
    }
