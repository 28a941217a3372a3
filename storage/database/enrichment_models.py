"""The tables of enrichment. What a provider says of a title is a claim; what we believe stands in `titles`."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from storage.database.models import metadata


class PartState(StrEnum):
    """State of one part: one stage of one title at one provider.

    A pending one waits for a worker. A failed one waits for its `due_at`, a blocked one for longer. `absent`: the
    provider does not know the title, or has nothing for this stage; asked again when it has grown old.
    """

    PENDING = "pending"
    LEASED = "leased"
    DONE = "done"
    ABSENT = "absent"
    FAILED = "failed"
    BLOCKED = "blocked"
    DEAD = "dead"


class LinkState(StrEnum):
    """What is known of a title at a provider. Doubtful ones wait for a person; `none`: it was not found there."""

    LINKED = "linked"
    DOUBTFUL = "doubtful"
    NONE = "none"
    REFUSED = "refused"


def _slug(*, primary_key: bool = True) -> Column[object]:
    return Column("slug", Text, ForeignKey("titles.slug", ondelete="CASCADE"), primary_key=primary_key)


# The work: one row a title, provider and stage, whoever wants it; fetched once for all jobs.
enrich_parts = Table(
    "enrich_parts",
    metadata,
    _slug(),
    Column("provider", Text, primary_key=True),
    Column("stage", Text, primary_key=True),
    Column("state", Text, nullable=False, server_default=PartState.PENDING.value),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    # Asked in this order; the smallest first.
    Column("priority", Integer, nullable=False, server_default=text("0")),
    # Answers that are older are no good for it; null: any is.
    Column("fresh_from", DateTime(timezone=True)),
    # Failed and blocked ones: not before.
    Column("due_at", DateTime(timezone=True)),
    Column("leased_until", DateTime(timezone=True)),
    Column("lease_owner", Text),
    # A word of a closed list, and what stood there; null when all went well.
    Column("reason", Text),
    Column("detail", Text),
    Column("wanted_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    # The last attempt that ended, however it did.
    Column("settled_at", DateTime(timezone=True)),
    # The last one that brought something, or the word that there is nothing.
    Column("fetched_at", DateTime(timezone=True)),
    Index("ix_enrich_parts_open", "provider", "priority", postgresql_where=text("state IN ('pending', 'leased')")),
    Index("ix_enrich_parts_due", "due_at", postgresql_where=text("state IN ('failed', 'blocked')")),
)

# What one provider says in one stage of one title. Kept when a later attempt fails.
claims = Table(
    "claims",
    metadata,
    _slug(),
    Column("provider", Text, primary_key=True),
    Column("stage", Text, primary_key=True),
    # {field: value as in the document}.
    Column("facts", JSONB, nullable=False),
    # [{field, problem, kind}]: values that were not taken.
    Column("faults", JSONB, nullable=False, server_default=text("'[]'")),
    # Keys of the answers in provider_answers that it was read from.
    Column("answers", JSONB, nullable=False, server_default=text("'[]'")),
    Column("parser_version", Integer, nullable=False, server_default=text("1")),
    # Over the facts.
    Column("hash", Text, nullable=False),
    # When the provider said so last, and when it last said something else.
    Column("fetched_at", DateTime(timezone=True), nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    # Which titles have to be merged is asked every few minutes, and must not read the facts of all.
    Index("ix_claims_changed_at", "slug", "changed_at"),
)

# The newest answer to each request, as it came: parsing can be done again without asking.
provider_answers = Table(
    "provider_answers",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("request", Text, primary_key=True),
    Column("status", Integer, nullable=False),
    Column("media_type", Text),
    # Zstandard.
    Column("body", LargeBinary, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    # Over the unpacked body.
    Column("sha256", Text, nullable=False),
    Column("etag", Text),
    Column("last_modified", Text),
    # When this body came first, and when the provider last said that it is still right.
    Column("fetched_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("checked_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("ix_provider_answers_checked_at", "provider", "checked_at"),
)

# Requests by provider, hour and outcome ('ok', 'not-modified', 'absent' or a reason): for health, kept for some days.
provider_counts = Table(
    "provider_counts",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("hour", DateTime(timezone=True), primary_key=True),
    Column("outcome", Text, primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("latency_ms", BigInteger, nullable=False),
)

# Where a title is at a provider that its catalogue names no id of.
provider_links = Table(
    "provider_links",
    metadata,
    _slug(),
    Column("provider", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("external_id", Text),
    # mapping, titles or person.
    Column("method", Text, nullable=False),
    Column("probability", Float, nullable=False),
    # [{external_id, titles, type, year, episodes, probability, why}], the best first.
    Column("candidates", JSONB, nullable=False, server_default=text("'[]'")),
    Column("decided_by", Text),
    Column("decided_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("ix_provider_links_doubtful", "provider", postgresql_where=text("state = 'doubtful'")),
    # An id is linked to one title.
    Index(
        "uq_provider_links_external_id",
        "provider",
        "external_id",
        unique=True,
        postgresql_where=text("state = 'linked'"),
    ),
)

# Tables of ids, as published: rows of one group are the same title.
id_mappings = Table(
    "id_mappings",
    metadata,
    Column("source", Text, primary_key=True),
    Column("entry", Integer, primary_key=True),
    # As in external_ids: mal, anilist, …
    Column("id_space", Text, primary_key=True),
    Column("external_id", Text, primary_key=True),
    Index("ix_id_mappings_external_id", "id_space", "external_id"),
)

# Titles in all languages at a provider that has no search (AniDB's daily dump).
provider_titles = Table(
    "provider_titles",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=True),
    Column("provider", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("title", Text, nullable=False),
    Index("ix_provider_titles_external_id", "provider", "external_id"),
)

# What merging has learned of its sources; the newest version is used.
merge_models = Table(
    "merge_models",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=True),
    # enrichment.merging's own form.
    Column("parameters", JSONB, nullable=False),
    Column("titles", Integer, nullable=False),
    Column("learned_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

# Why a title's document says what it says.
provenance = Table(
    "provenance",
    metadata,
    _slug(),
    # {field: {sources, confidence, at, method, conflict, others}}.
    Column("fields", JSONB, nullable=False),
    # 0 to 100, and its parts.
    Column("quality", Float, nullable=False),
    Column("quality_parts", JSONB, nullable=False),
    Column("model_version", Integer, nullable=False),
    # Over all that went in: equal, so nothing to merge.
    Column("inputs_hash", Text, nullable=False),
    Column("merged_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("ix_provenance_quality", "quality"),
)
