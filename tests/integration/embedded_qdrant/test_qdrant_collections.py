"""Collections, aliases and payload indexes, and that they outlive the server."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from qdrant_client import QdrantClient
from qdrant_client import models as m
from qdrant_client.http.exceptions import UnexpectedResponse

VECTORS = {"d": m.VectorParams(size=4, distance=m.Distance.COSINE)}


def _create_alias(collection: str, alias: str) -> m.CreateAliasOperation:
    return m.CreateAliasOperation(create_alias=m.CreateAlias(collection_name=collection, alias_name=alias))


def _delete_alias(alias: str) -> m.DeleteAliasOperation:
    return m.DeleteAliasOperation(delete_alias=m.DeleteAlias(alias_name=alias))


def test_the_client_finds_its_own_version(server) -> None:
    """The ordinary client connects without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        client = QdrantClient(url=server.url)
        assert client.info().version.startswith("1.")


def test_create_list_exists_delete(client: QdrantClient) -> None:
    """A collection is listed from its creation to its deletion; a second one of the name is a conflict."""
    assert client.create_collection("one", vectors_config=VECTORS)
    assert "one" in {c.name for c in client.get_collections().collections}
    assert client.collection_exists("one")
    with pytest.raises(UnexpectedResponse, match="already exists") as conflict:
        client.create_collection("one", vectors_config=VECTORS)
    assert conflict.value.status_code == 409
    assert client.delete_collection("one")
    assert not client.collection_exists("one")
    with pytest.raises(UnexpectedResponse, match="Not found: Collection") as missing:
        client.get_collection("one")
    assert missing.value.status_code == 404


def test_info_tells_the_configuration(client: QdrantClient) -> None:
    """`get_collection` answers what the collection was created and updated with."""
    client.create_collection(
        "info",
        vectors_config={
            "d": m.VectorParams(
                size=4,
                distance=m.Distance.DOT,
                on_disk=True,
                hnsw_config=m.HnswConfigDiff(m=48, ef_construct=200),
                quantization_config=m.BinaryQuantization(binary=m.BinaryQuantizationConfig(always_ram=True)),
            )
        },
        sparse_vectors_config={"s": m.SparseVectorParams(modifier=m.Modifier.IDF)},
        hnsw_config=m.HnswConfigDiff(m=16),
        optimizers_config=m.OptimizersConfigDiff(indexing_threshold=0),
        metadata={"recipe": "abc"},
    )
    client.update_collection(
        "info",
        optimizers_config=m.OptimizersConfigDiff(indexing_threshold=2000),
        vectors_config={"d": m.VectorParamsDiff(hnsw_config=m.HnswConfigDiff(m=32))},
    )
    info = client.get_collection("info")
    vectors = info.config.params.vectors
    assert isinstance(vectors, dict)
    assert vectors["d"].hnsw_config == m.HnswConfigDiff(m=32, ef_construct=200)
    assert isinstance(vectors["d"].quantization_config, m.BinaryQuantization)
    assert info.config.params.sparse_vectors["s"].modifier == m.Modifier.IDF
    assert info.config.optimizer_config.indexing_threshold == 2000
    assert info.config.metadata == {"recipe": "abc"}
    assert (info.points_count, info.status) == (0, m.CollectionStatus.GREEN)


def test_payload_indexes_are_listed_with_their_parameters(client: QdrantClient) -> None:
    """Indexes of every type can be made, are listed with type and parameters, and can be dropped."""
    client.create_collection("indexes", vectors_config=VECTORS)
    schemas = ["keyword", "integer", "float", "geo", "bool", "datetime", "uuid"]
    for schema in schemas:
        client.create_payload_index("indexes", f"f.{schema}", schema)
    text = m.TextIndexParams(
        type=m.TextIndexType.TEXT,
        tokenizer=m.TokenizerType.WORD,
        min_token_len=2,
        lowercase=True,
        stopwords=m.StopwordsSet(languages=[m.Language.ENGLISH], custom=["anime"]),
        stemmer=m.SnowballParams(type=m.Snowball.SNOWBALL, language=m.SnowballLanguage.ENGLISH),
    )
    client.create_payload_index("indexes", "text", text)
    client.create_payload_index("indexes", "year", m.IntegerIndexParams(type="integer", lookup=False, range=True))
    schema = client.get_collection("indexes").payload_schema
    assert {name: info.data_type.value for name, info in schema.items()} == {
        **{f"f.{name}": name for name in schemas},
        "text": "text",
        "year": "integer",
    }
    assert schema["text"].params == text
    client.delete_payload_index("indexes", "text")
    assert "text" not in client.get_collection("indexes").payload_schema


def test_alias_actions_are_all_or_none(client: QdrantClient) -> None:
    """Actions apply in order; one that fails undoes those before it; a deleted collection takes its aliases."""
    for name in ("blue", "green"):
        client.create_collection(name, vectors_config=VECTORS)
    client.update_collection_aliases([_create_alias("blue", "live"), _create_alias("blue", "old")])
    rename = m.RenameAliasOperation(rename_alias=m.RenameAlias(old_alias_name="old", new_alias_name="older"))
    client.update_collection_aliases([rename, _delete_alias("live"), _create_alias("green", "live")])
    assert {a.alias_name for a in client.get_collection_aliases("green").aliases} == {"live"}
    with pytest.raises(UnexpectedResponse, match="Not found: Collection"):
        client.update_collection_aliases([_delete_alias("live"), _create_alias("nowhere", "live")])
    with pytest.raises(UnexpectedResponse, match="already exists"):
        client.update_collection_aliases([_create_alias("green", "blue")])
    pairs = {(a.alias_name, a.collection_name) for a in client.get_aliases().aliases}
    assert {("live", "green"), ("older", "blue")} <= pairs
    client.upsert("live", [m.PointStruct(id=1, vector={"d": [1.0, 0, 0, 0]})])
    assert client.count("green").count == 1
    client.delete_collection("blue")
    assert "older" not in {a.alias_name for a in client.get_aliases().aliases}


def test_everything_outlives_a_clean_stop(start_server, tmp_path: Path) -> None:
    """After SIGTERM the server ends with status 0 and starts again with collections, aliases, indexes and points."""
    server = start_server(tmp_path)
    client = server.client()
    client.create_collection("kept", vectors_config=VECTORS)
    client.create_collection("gone", vectors_config=VECTORS)
    client.create_payload_index("kept", "n", "integer")
    client.upsert("kept", [m.PointStruct(id=i, vector={"d": [1.0, i, 0, 0]}, payload={"n": i}) for i in range(300)])
    client.update_collection_aliases([_create_alias("kept", "alias")])
    client.delete_collection("gone")
    client.close()
    assert server.stop() == 0
    again = start_server(tmp_path).client()
    assert [c.name for c in again.get_collections().collections] == ["kept"]
    assert again.count("alias").count == 300
    assert set(again.get_collection("alias").payload_schema) == {"n"}
    assert len(list((tmp_path / "collections").iterdir())) == 1


def test_one_server_a_directory(start_server, tmp_path: Path) -> None:
    """A second server on the same directory refuses to start."""
    start_server(tmp_path)
    with pytest.raises(ValueError, match="Expecting value"):
        start_server(tmp_path)
