"""A gold set that a new generation must answer as well as the live one: REINDEX_GOLD_PATH, a line each of

    {"query": "a notebook that kills", "expected": ["death-note", "mal:1535"]}

A query is answered when one of its titles is among the first ten of title_vector and words, fused by rank. The vectors
come from the query worker, once for both generations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from qdrant_client import models

from core.errors import ServiceError
from core.identity import point_id
from core.vectors import LEXICAL_VECTOR
from messaging.query_call import EncodedQueries
from storage.database.generations import Generation
from storage.database.titles import TitleRepository
from storage.vectors.store import VectorStore

_TOP, _CANDIDATES, _RRF_K = 10, 100, 10
_BATCH = 16
_TIMEOUT_S = 30.0
_DENSE = "title_vector"
_Text = Annotated[str, Field(min_length=1, max_length=4_000)]


class GateError(ServiceError):
    """The new generation could not be measured."""

    code = "gate"


class GoldQuery(BaseModel):
    """A query and the titles, any of which answers it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    query: _Text
    expected: list[_Text] = Field(min_length=1)


class Encoder(Protocol):
    """The query worker."""

    def encode(self, texts: Sequence[str], timeout_s: float) -> EncodedQueries:
        """Raises DependencyUnavailableError or DeadlineExceededError."""

    def close(self) -> None:
        """Close the connections."""


@dataclass(frozen=True, slots=True)
class GoldFigures:
    """How many of the queries either generation answers."""

    queries: int
    before: int
    after: int


class GoldCheck:
    """Asks both generations the queries of a file."""

    def __init__(
        self, path: Path, *, titles: TitleRepository, store: VectorStore, build_encoder: Callable[[], Encoder]
    ) -> None:
        self._path = path
        self._titles = titles
        self._store = store
        self._build_encoder = build_encoder

    def measure(self, old: Generation, new: Generation) -> GoldFigures:
        """Raises GateError if it cannot be measured, DependencyUnavailableError while the query worker is away."""
        queries = load_gold(self._path)
        slugs = self._titles.resolve_slugs([name for query in queries for name in query.expected])
        wanted = [{point_id(slugs[name]) for name in query.expected if name in slugs} for query in queries]
        # A client belongs to one thread, and workers have many.
        with closing(self._build_encoder()) as encoder:
            encoded = encoder.encode([query.query for query in queries], _TIMEOUT_S)
        if encoded.recipes != new.recipes.text_fingerprint:
            raise GateError(f"the query worker makes vectors by recipe {encoded.recipes}: the gold set cannot be asked")
        requests = [_build_request(encoded, place) for place in range(len(queries))]
        before, after = (self._count_answered(one.collection, requests, wanted) for one in (old, new))
        return GoldFigures(len(queries), before, after)

    def _count_answered(
        self, collection: str, requests: Sequence[models.QueryRequest], wanted: Sequence[set[str]]
    ) -> int:
        found: list[list[models.ScoredPoint]] = []
        for start in range(0, len(requests), _BATCH):
            found += self._store.query_batch(collection, requests[start : start + _BATCH])
        return sum(any(str(hit.id) in expected for hit in hits) for hits, expected in zip(found, wanted, strict=True))


def load_gold(path: Path) -> list[GoldQuery]:
    """The queries of a file. Raises GateError that names the line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise GateError(f"REINDEX_GOLD_PATH {path} cannot be read: {error}") from error
    queries = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                queries.append(GoldQuery.model_validate_json(line))
            except ValidationError as error:
                raise GateError(f"REINDEX_GOLD_PATH {path}, line {number}: {error.errors()[0]['msg']}") from error
    if not queries:
        raise GateError(f"REINDEX_GOLD_PATH {path} holds no query")
    return queries


def _build_request(encoded: EncodedQueries, place: int) -> models.QueryRequest:
    dense: Any = encoded.dense[place].tolist()
    prefetch = [models.Prefetch(query=dense, using=_DENSE, limit=_CANDIDATES)]
    if encoded.lexical is not None:
        indices, values = encoded.lexical[place]
        words = models.SparseVector(indices=indices.tolist(), values=values.tolist())
        prefetch.append(models.Prefetch(query=words, using=LEXICAL_VECTOR, limit=_CANDIDATES))
    fusion = models.RrfQuery(rrf=models.Rrf(k=_RRF_K))
    return models.QueryRequest(prefetch=prefetch, query=fusion, limit=_TOP, with_payload=False)
