"""How a vector came about, so that vectors of different making are never compared or reused by mistake."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property


@dataclass(frozen=True)
class EmbeddingRecipe:
    """Encoder, revision, dimension and template version.

    `dimension` is 0 for sparse encoders. `precision` is left out on purpose: bf16 and fp32 vectors of one model
    are compared with each other (cosine > 0.999), so moving a worker to a GPU must not rebuild the index.
    """

    encoder: str
    revision: str
    dimension: int
    template_version: int

    @cached_property
    def fingerprint(self) -> str:
        """12 hex digits, part of every cache key, collection name and ledger row."""
        canonical = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class RecipeSet:
    """The recipes behind one collection: dense text, lexical sparse, metadata sparse and, where there are, pictures."""

    text: EmbeddingRecipe
    lexical: EmbeddingRecipe
    metadata: EmbeddingRecipe
    image: EmbeddingRecipe | None = None

    @cached_property
    def fingerprint(self) -> str:
        """12 hex digits over all members: changes when any vector would be made differently."""
        members = [self.text, self.lexical, self.metadata, *([self.image] if self.image else [])]
        joined = ":".join(member.fingerprint for member in members)
        return hashlib.sha256(joined.encode()).hexdigest()[:12]

    @cached_property
    def text_fingerprint(self) -> str:
        """The same without pictures: what the vectors of a query text depend on."""
        return RecipeSet(self.text, self.lexical, self.metadata).fingerprint
