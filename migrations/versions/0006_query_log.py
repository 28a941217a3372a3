"""query log

What is asked again and again, by day; and an index over the excluded titles, which web processes ask for.

Revision: 0006
Follows: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "query_log",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("request", postgresql.JSONB(), nullable=False),
        sa.Column("asked", sa.BigInteger(), nullable=False),
        sa.Column("last_asked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("day", "fingerprint", name=op.f("pk_query_log")),
    )
    op.create_index("ix_titles_excluded", "titles", ["updated_at"], unique=False, postgresql_where=sa.text("excluded"))


def downgrade() -> None:
    op.drop_index("ix_titles_excluded", table_name="titles", postgresql_where=sa.text("excluded"))
    op.drop_table("query_log")
