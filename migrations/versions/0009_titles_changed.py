"""titles changed

An index over when titles were stored: web processes ask every few seconds which names have changed.

Revision: 0009
Follows: 0008
"""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_titles_updated_at", "titles", ["updated_at"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_titles_updated_at", table_name="titles")
