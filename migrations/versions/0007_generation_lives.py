"""the lives of generations, and snapshots

A generation may be filled by one job alone, retired, withdrawn and dropped; a snapshot keeps the ledger of its points.

Revision: 0007
Follows: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ADDED = ("job_id", "withdrawn", "message", "retired_at", "dropped_at")


def upgrade() -> None:
    op.add_column("generations", sa.Column("job_id", sa.Uuid(), nullable=True))
    op.add_column("generations", sa.Column("withdrawn", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("generations", sa.Column("message", sa.Text(), nullable=True))
    op.add_column("generations", sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("generations", sa.Column("dropped_at", sa.DateTime(timezone=True), nullable=True))
    op.create_foreign_key(op.f("fk_generations_job_id"), "generations", "jobs", ["job_id"], ["id"])
    op.execute("UPDATE generations SET retired_at = now() WHERE state = 'retired'")
    op.create_table(
        "snapshots",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("titles", sa.Integer(), nullable=True),
        sa.Column("points", sa.Integer(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("checksum", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["collection"], ["generations.collection"], name=op.f("fk_snapshots_collection")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_snapshots_job_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_snapshots")),
    )
    op.create_index(op.f("ix_snapshots_collection"), "snapshots", ["collection"], unique=False)
    op.create_index("ix_snapshots_name", "snapshots", ["name"], unique=True)
    op.create_table(
        "snapshot_ledger",
        sa.Column("snapshot_id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("document_hash", sa.Text(), nullable=False),
        sa.Column("passages", postgresql.JSONB(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["snapshot_id"], ["snapshots.id"], name=op.f("fk_snapshot_ledger_snapshot_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["slug"], ["titles.slug"], name=op.f("fk_snapshot_ledger_slug"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("snapshot_id", "slug", name=op.f("pk_snapshot_ledger")),
    )


def downgrade() -> None:
    op.drop_table("snapshot_ledger")
    op.drop_table("snapshots")
    # A dropped generation has no collection any more, and the state did not exist.
    op.execute("DELETE FROM generations WHERE state = 'dropped'")
    op.drop_constraint(op.f("fk_generations_job_id"), "generations", type_="foreignkey")
    for name in _ADDED:
        op.drop_column("generations", name)
