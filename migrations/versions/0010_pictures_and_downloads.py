"""pictures and downloads

What is fetched from where, what the media store holds, the pictures of titles and free ones, and their collections.

Revision: 0010
Follows: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "media_files",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("phash", sa.BigInteger(), nullable=False),
        sa.Column("colour", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_media_files")),
    )
    op.create_index("ix_media_files_phash", "media_files", ["phash"], unique=False)
    op.create_table(
        "downloads",
        sa.Column("url_hash", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("silent_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("last_modified", sa.Text(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("media_type", sa.Text(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("latency_ms", sa.Integer(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["sha256"], ["media_files.sha256"], name=op.f("fk_downloads_sha256")),
        sa.PrimaryKeyConstraint("url_hash", name=op.f("pk_downloads")),
    )
    op.create_index(
        "ix_downloads_open",
        "downloads",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('pending', 'leased', 'failed')"),
    )
    op.create_index("ix_downloads_sha256", "downloads", ["sha256"], unique=False)
    op.create_table(
        "picture_generations",
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("alias", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("image_fingerprint", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("live_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["image_fingerprint"], ["model_versions.fingerprint"], name=op.f("fk_picture_generations_image_fingerprint")
        ),
        sa.PrimaryKeyConstraint("collection", name=op.f("pk_picture_generations")),
    )
    op.create_index(op.f("ix_picture_generations_alias"), "picture_generations", ["alias"], unique=False)
    op.create_table(
        "picture_rows",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("picture_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_picture_rows_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "picture_id", name=op.f("pk_picture_rows")),
    )
    op.create_index(
        "ix_picture_rows_open",
        "picture_rows",
        ["job_id"],
        unique=False,
        postgresql_where=sa.text("state IN ('pending', 'leased', 'failed')"),
    )
    op.create_table(
        "pictures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=True),
        sa.Column("character", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("tags", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("adult", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("gone", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("content_hash", sa.Text(), server_default="", nullable=False),
        sa.Column("visibility_mark", sa.BigInteger(), nullable=True),
        sa.Column("visibility_changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["sha256"], ["media_files.sha256"], name=op.f("fk_pictures_sha256")),
        sa.ForeignKeyConstraint(["slug"], ["titles.slug"], name=op.f("fk_pictures_slug"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pictures")),
    )
    op.create_index("ix_pictures_sha256", "pictures", ["sha256"], unique=False)
    op.create_index("ix_pictures_slug", "pictures", ["slug"], unique=False)
    op.create_index("ix_pictures_url", "pictures", [sa.literal_column("md5(url)")], unique=False)
    op.create_table(
        "job_downloads",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("url_hash", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_downloads_job_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["url_hash"], ["downloads.url_hash"], name=op.f("fk_job_downloads_url_hash"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "url_hash", name=op.f("pk_job_downloads")),
    )
    op.create_index(
        "ix_job_downloads_open",
        "job_downloads",
        ["job_id"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index("ix_job_downloads_url_hash", "job_downloads", ["url_hash"], unique=False)
    op.create_table(
        "picture_ledger",
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("picture_id", sa.Uuid(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection"],
            ["picture_generations.collection"],
            name=op.f("fk_picture_ledger_collection"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("collection", "picture_id", name=op.f("pk_picture_ledger")),
    )
    op.add_column("embedding_ledger", sa.Column("pictures_hash", sa.Text(), server_default="", nullable=False))
    op.add_column("snapshot_ledger", sa.Column("pictures_hash", sa.Text(), server_default="", nullable=False))
    op.add_column("generations", sa.Column("image_fingerprint", sa.Text(), nullable=True))
    op.create_foreign_key(
        op.f("fk_generations_image_fingerprint"),
        "generations",
        "model_versions",
        ["image_fingerprint"],
        ["fingerprint"],
    )
    op.add_column("titles", sa.Column("pictures_hash", sa.Text(), server_default="", nullable=False))
    _mark_visibility()


def _mark_visibility() -> None:
    """Each change of who may see a title or a free picture gets a number of its own, whoever writes it and how."""
    op.add_column("titles", sa.Column("visibility_mark", sa.BigInteger(), nullable=True))
    op.add_column("titles", sa.Column("visibility_changed_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("CREATE SEQUENCE visibility_marks")
    # What its point does not say yet: hidden before there were marks.
    op.execute("""
        UPDATE titles t SET visibility_mark = nextval('visibility_marks'), visibility_changed_at = clock_timestamp()
        WHERE t.excluded OR (t.adult AND EXISTS (
            SELECT 1 FROM embedding_ledger l WHERE l.slug = t.slug AND l.document_hash <> t.content_hash))
    """)
    for table in ("titles", "pictures"):
        op.create_index(
            f"ix_{table}_visibility",
            table,
            ["visibility_mark"],
            unique=False,
            postgresql_where=sa.text("visibility_mark IS NOT NULL"),
        )
    op.drop_index("ix_titles_excluded", table_name="titles", postgresql_where=sa.text("excluded"))
    op.execute("""
        CREATE FUNCTION mark_visibility() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.visibility_mark := nextval('visibility_marks');
            NEW.visibility_changed_at := clock_timestamp();
            RETURN NEW;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER mark_visibility BEFORE UPDATE OF adult, excluded ON titles FOR EACH ROW
        WHEN ((OLD.adult, OLD.excluded) IS DISTINCT FROM (NEW.adult, NEW.excluded))
        EXECUTE FUNCTION mark_visibility()
    """)
    op.execute("""
        CREATE TRIGGER mark_visibility BEFORE UPDATE OF adult, gone, slug ON pictures FOR EACH ROW
        WHEN (NEW.kind = 'free' AND (OLD.adult, OLD.gone, OLD.slug) IS DISTINCT FROM (NEW.adult, NEW.gone, NEW.slug))
        EXECUTE FUNCTION mark_visibility()
    """)


def downgrade() -> None:
    op.execute("DROP TRIGGER mark_visibility ON titles")
    op.execute("DROP TRIGGER mark_visibility ON pictures")
    op.execute("DROP FUNCTION mark_visibility()")
    op.execute("DROP SEQUENCE visibility_marks")
    op.create_index("ix_titles_excluded", "titles", ["updated_at"], postgresql_where=sa.text("excluded"))
    for table in ("titles", "pictures"):
        op.drop_index(
            f"ix_{table}_visibility", table_name=table, postgresql_where=sa.text("visibility_mark IS NOT NULL")
        )
    op.drop_column("titles", "visibility_changed_at")
    op.drop_column("titles", "visibility_mark")
    op.drop_column("titles", "pictures_hash")
    op.drop_constraint(op.f("fk_generations_image_fingerprint"), "generations", type_="foreignkey")
    op.drop_column("generations", "image_fingerprint")
    op.drop_column("snapshot_ledger", "pictures_hash")
    op.drop_column("embedding_ledger", "pictures_hash")
    op.drop_table("picture_ledger")
    op.drop_index("ix_job_downloads_url_hash", table_name="job_downloads")
    op.drop_index("ix_job_downloads_open", table_name="job_downloads", postgresql_where=sa.text("state = 'pending'"))
    op.drop_table("job_downloads")
    op.drop_index("ix_pictures_url", table_name="pictures")
    op.drop_index("ix_pictures_slug", table_name="pictures")
    op.drop_index("ix_pictures_sha256", table_name="pictures")
    op.drop_table("pictures")
    op.drop_index(
        "ix_picture_rows_open",
        table_name="picture_rows",
        postgresql_where=sa.text("state IN ('pending', 'leased', 'failed')"),
    )
    op.drop_table("picture_rows")
    op.drop_index(op.f("ix_picture_generations_alias"), table_name="picture_generations")
    op.drop_table("picture_generations")
    op.drop_index("ix_downloads_sha256", table_name="downloads")
    op.drop_index(
        "ix_downloads_open",
        table_name="downloads",
        postgresql_where=sa.text("state IN ('pending', 'leased', 'failed')"),
    )
    op.drop_table("downloads")
    op.drop_index("ix_media_files_phash", table_name="media_files")
    op.drop_table("media_files")
