"""job targets and layouts

A job names the collection that it writes to; a generation names its layout and whether its indexing is held back;
titles can be asked which of them link to an id.

Revision: 0002
Follows: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("collection", sa.Text(), nullable=True))
    op.add_column("generations", sa.Column("layout", sa.Text(), server_default="", nullable=False))
    op.add_column(
        "generations", sa.Column("indexing_held", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.create_index(
        "ix_titles_related",
        "titles",
        [sa.text("(document -> 'related_anime') jsonb_path_ops")],
        unique=False,
        postgresql_using="gin",
    )


def downgrade() -> None:
    op.drop_index("ix_titles_related", table_name="titles")
    op.drop_column("generations", "indexing_held")
    op.drop_column("generations", "layout")
    op.drop_column("jobs", "collection")
