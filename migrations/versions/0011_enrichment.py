"""enrichment

What providers answered and said, the work of asking them, links, id tables, and why a title says what it says.

Revision: 0011
Follows: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "id_mappings",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("entry", sa.Integer(), nullable=False),
        sa.Column("id_space", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("source", "entry", "id_space", "external_id", name=op.f("pk_id_mappings")),
    )
    op.create_index("ix_id_mappings_external_id", "id_mappings", ["id_space", "external_id"], unique=False)
    op.create_table(
        "merge_models",
        sa.Column("version", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("parameters", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("titles", sa.Integer(), nullable=False),
        sa.Column("learned_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_merge_models")),
    )
    op.create_table(
        "provider_answers",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("last_modified", sa.Text(), nullable=True),
        sa.Column("fetched_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("provider", "request", name=op.f("pk_provider_answers")),
    )
    op.create_index("ix_provider_answers_checked_at", "provider_answers", ["provider", "checked_at"], unique=False)
    op.create_table(
        "provider_counts",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("latency_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("provider", "hour", "outcome", name=op.f("pk_provider_counts")),
    )
    op.create_table(
        "provider_titles",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_titles")),
    )
    op.create_index("ix_provider_titles_external_id", "provider_titles", ["provider", "external_id"], unique=False)
    op.create_table(
        "claims",
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("faults", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("answers", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("parser_version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["slug"], ["titles.slug"], name=op.f("fk_claims_slug"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("slug", "provider", "stage", name=op.f("pk_claims")),
    )
    op.create_index("ix_claims_changed_at", "claims", ["slug", "changed_at"], unique=False)
    op.create_table(
        "enrich_parts",
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("priority", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("fresh_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("wanted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["slug"], ["titles.slug"], name=op.f("fk_enrich_parts_slug"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("slug", "provider", "stage", name=op.f("pk_enrich_parts")),
    )
    op.create_index(
        "ix_enrich_parts_due",
        "enrich_parts",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('failed', 'blocked')"),
    )
    op.create_index(
        "ix_enrich_parts_open",
        "enrich_parts",
        ["provider", "priority"],
        unique=False,
        postgresql_where=sa.text("state IN ('pending', 'leased')"),
    )
    op.create_table(
        "provenance",
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("fields", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("quality", sa.Float(), nullable=False),
        sa.Column("quality_parts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("model_version", sa.Integer(), nullable=False),
        sa.Column("inputs_hash", sa.Text(), nullable=False),
        sa.Column("merged_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["slug"], ["titles.slug"], name=op.f("fk_provenance_slug"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("slug", name=op.f("pk_provenance")),
    )
    op.create_index("ix_provenance_quality", "provenance", ["quality"], unique=False)
    op.create_table(
        "provider_links",
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("probability", sa.Float(), nullable=False),
        sa.Column(
            "candidates", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False
        ),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["slug"], ["titles.slug"], name=op.f("fk_provider_links_slug"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("slug", "provider", name=op.f("pk_provider_links")),
    )
    op.create_index(
        "ix_provider_links_doubtful",
        "provider_links",
        ["provider"],
        unique=False,
        postgresql_where=sa.text("state = 'doubtful'"),
    )
    op.create_index(
        "uq_provider_links_external_id",
        "provider_links",
        ["provider", "external_id"],
        unique=True,
        postgresql_where=sa.text("state = 'linked'"),
    )
    op.add_column(
        "titles", sa.Column("base", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True)
    )
    op.add_column("titles", sa.Column("base_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_titles_hidden_names",
        "titles",
        [sa.text("lower(document ->> 'title')")],
        unique=False,
        postgresql_where=sa.text("adult OR excluded"),
    )
    op.add_column(
        "titles",
        sa.Column("overrides", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    )


def downgrade() -> None:
    op.drop_column("titles", "overrides")
    op.drop_index("ix_titles_hidden_names", table_name="titles")
    op.drop_column("titles", "base_at")
    op.drop_column("titles", "base")
    op.drop_index(
        "uq_provider_links_external_id", table_name="provider_links", postgresql_where=sa.text("state = 'linked'")
    )
    op.drop_index(
        "ix_provider_links_doubtful", table_name="provider_links", postgresql_where=sa.text("state = 'doubtful'")
    )
    op.drop_table("provider_links")
    op.drop_index("ix_provenance_quality", table_name="provenance")
    op.drop_table("provenance")
    op.drop_index(
        "ix_enrich_parts_open", table_name="enrich_parts", postgresql_where=sa.text("state IN ('pending', 'leased')")
    )
    op.drop_index(
        "ix_enrich_parts_due", table_name="enrich_parts", postgresql_where=sa.text("state IN ('failed', 'blocked')")
    )
    op.drop_table("enrich_parts")
    op.drop_index("ix_claims_changed_at", table_name="claims")
    op.drop_table("claims")
    op.drop_index("ix_provider_titles_external_id", table_name="provider_titles")
    op.drop_table("provider_titles")
    op.drop_table("provider_counts")
    op.drop_index("ix_provider_answers_checked_at", table_name="provider_answers")
    op.drop_table("provider_answers")
    op.drop_table("merge_models")
    op.drop_index("ix_id_mappings_external_id", table_name="id_mappings")
    op.drop_table("id_mappings")
