"""The tables. A title's slug is its key everywhere; nothing but `titles` holds its document."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)


class Stage(StrEnum):
    """The stages that a title passes in a job, in order. Import is counted on the job itself."""

    ENRICH = "enrich"
    DOWNLOAD = "download"
    EMBED = "embed"
    INDEX = "index"


class RowState(StrEnum):
    """State of one title in one stage of one job."""

    PENDING = "pending"
    LEASED = "leased"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    DEAD = "dead"


class JobState(StrEnum):
    """State of a job."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class GenerationState(StrEnum):
    """State of a collection of titles. A retired one may go live again, a dropped one is a row of the past."""

    BUILDING = "building"
    LIVE = "live"
    RETIRED = "retired"
    DROPPED = "dropped"


class DownloadState(StrEnum):
    """State of one URL. A failed one waits for its next attempt, a dead one for a person."""

    PENDING = "pending"
    LEASED = "leased"
    DONE = "done"
    FAILED = "failed"
    DEAD = "dead"


class PictureKind(StrEnum):
    """What a picture is to its title; a free one has none."""

    COVER = "cover"
    THUMBNAIL = "thumbnail"
    BANNER = "banner"
    CHARACTER = "character"
    FREE = "free"


def _created() -> Column[object]:
    return Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now())


def _marked() -> tuple[Column[object], Column[object]]:
    """The last change of who may see the row; null: never changed. Only the triggers of migration 0010 write them."""
    return Column("visibility_mark", BigInteger), Column("visibility_changed_at", DateTime(timezone=True))


titles = Table(
    "titles",
    metadata,
    Column("slug", Text, primary_key=True),
    Column("document", JSONB, nullable=False),
    Column("content_hash", Text, nullable=False),
    Column("adult", Boolean, nullable=False, server_default=text("false")),
    Column("excluded", Boolean, nullable=False, server_default=text("false")),
    Column("version", Integer, nullable=False, server_default=text("1")),
    # Which of its pictures are in which pictures collection; blank: none.
    Column("pictures_hash", Text, nullable=False, server_default=""),
    # The document as imports gave it, once enrichment has written another; null: `document` itself.
    Column("base", JSONB(none_as_null=True)),
    # When an import last changed the base; null while `base` is.
    Column("base_at", DateTime(timezone=True)),
    # {field: {value, by, at, note}}: what a person said. It goes before every source, imports too.
    Column("overrides", JSONB, nullable=False, server_default=text("'{}'")),
    *_marked(),
    _created(),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    # Who links to an id: the titles whose related_vector speaks of it.
    Index("ix_titles_related", text("(document -> 'related_anime') jsonb_path_ops"), postgresql_using="gin"),
    # Titles that must not be named as relatives of others.
    Index("ix_titles_hidden_names", text("lower(document ->> 'title')"), postgresql_where=text("adult OR excluded")),
    # What was stored since: asked every few seconds by each web process, which keeps the names of all titles.
    Index("ix_titles_updated_at", "updated_at"),
    # The few that were ever hidden or shown again: asked every two seconds by each web process.
    Index("ix_titles_visibility", "visibility_mark", postgresql_where=text("visibility_mark IS NOT NULL")),
)

title_ids = Table(
    "title_ids",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("external_id", Text, primary_key=True),
    Column("slug", Text, ForeignKey("titles.slug", ondelete="CASCADE"), nullable=False, index=True),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("params", JSONB, nullable=False, server_default=text("'{}'")),
    # What import has read, by outcome; the other stages are counted from their rows.
    Column("import_counts", JSONB, nullable=False, server_default=text("'{}'")),
    # The job's rows are all there: only then may it be called complete.
    Column("enqueued", Boolean, nullable=False, server_default=text("false")),
    # Where the job's titles are written to, from the moment that its rows exist.
    Column("collection", Text),
    Column("message", Text),
    _created(),
    Column("started_at", DateTime(timezone=True)),
    Column("heartbeat_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
    Index("ix_jobs_created_at", "created_at"),
)

stage_rows = Table(
    "stage_rows",
    metadata,
    Column("job_id", Uuid, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("stage", Text, primary_key=True),
    Column("slug", Text, ForeignKey("titles.slug", ondelete="CASCADE"), primary_key=True),
    Column("state", Text, nullable=False, server_default=RowState.PENDING.value),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("leased_until", DateTime(timezone=True)),
    Column("lease_owner", Text),
    Column("last_error", Text),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index(
        "ix_stage_rows_open",
        "job_id",
        "stage",
        postgresql_where=text("state IN ('pending', 'leased', 'failed')"),
    ),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=True),
    Column("job_id", Uuid, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("stage", Text, nullable=False),
    Column("slug", Text, ForeignKey("titles.slug", ondelete="CASCADE")),
    Column("reason", Text, nullable=False),
    Column("detail", JSONB, nullable=False, server_default=text("'{}'")),
    Column("attempts", Integer, nullable=False, server_default=text("1")),
    _created(),
    Column("resolved_at", DateTime(timezone=True)),
)

model_versions = Table(
    "model_versions",
    metadata,
    Column("fingerprint", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("encoder", Text, nullable=False),
    Column("revision", Text, nullable=False),
    Column("dimension", Integer, nullable=False),
    Column("template_version", Integer, nullable=False),
    _created(),
)

generations = Table(
    "generations",
    metadata,
    Column("collection", Text, primary_key=True),
    Column("alias", Text, nullable=False, index=True),
    Column("state", Text, nullable=False),
    Column("recipes_fingerprint", Text, nullable=False),
    Column("text_fingerprint", Text, ForeignKey("model_versions.fingerprint"), nullable=False),
    Column("lexical_fingerprint", Text, ForeignKey("model_versions.fingerprint"), nullable=False),
    Column("metadata_fingerprint", Text, ForeignKey("model_versions.fingerprint"), nullable=False),
    # Null: made without a picture encoder.
    Column("image_fingerprint", Text, ForeignKey("model_versions.fingerprint")),
    # Hash over the names, sizes and kinds of the collection's vectors; blank: made before layouts were recorded.
    Column("layout", Text, nullable=False, server_default=""),
    # Qdrant was told to build no graphs while jobs write.
    Column("indexing_held", Boolean, nullable=False, server_default=text("false")),
    # The job that alone fills it (a reindex, a restore); blank: any job of these recipes does.
    Column("job_id", Uuid, ForeignKey("jobs.id")),
    # Somebody took it out of service: its recipes do not come back by themselves when a worker starts.
    Column("withdrawn", Boolean, nullable=False, server_default=text("false")),
    Column("message", Text),
    _created(),
    Column("live_at", DateTime(timezone=True)),
    Column("retired_at", DateTime(timezone=True)),
    # Qdrant has let go of the collection; a dropped generation without it is still to be cleaned up.
    Column("dropped_at", DateTime(timezone=True)),
)

embedding_ledger = Table(
    "embedding_ledger",
    metadata,
    Column("collection", Text, ForeignKey("generations.collection", ondelete="CASCADE"), primary_key=True),
    Column("slug", Text, ForeignKey("titles.slug", ondelete="CASCADE"), primary_key=True),
    # The titles.content_hash that the point's payload was made from.
    Column("document_hash", Text, nullable=False),
    # {vector name: hash over its passage and recipe}. One row a title instead of one a vector: a twelfth of the rows.
    Column("passages", JSONB, nullable=False),
    # The titles.pictures_hash that its picture vectors were made from.
    Column("pictures_hash", Text, nullable=False, server_default=""),
    Column("written_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

# What is asked again and again, a row a day and search: nothing about who asked.
query_log = Table(
    "query_log",
    metadata,
    Column("day", Date, primary_key=True),
    # Hash over the request as stored.
    Column("fingerprint", Text, primary_key=True),
    Column("request", JSONB, nullable=False),
    Column("asked", BigInteger, nullable=False),
    Column("last_asked_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("collection", Text, ForeignKey("generations.collection"), nullable=False, index=True),
    Column("job_id", Uuid, ForeignKey("jobs.id")),
    # Qdrant's name of the file; blank until it is written.
    Column("name", Text),
    Column("reason", Text),
    Column("titles", Integer),
    Column("points", Integer),
    Column("size_bytes", BigInteger),
    Column("checksum", Text),
    _created(),
    Column("finished_at", DateTime(timezone=True)),
    Index("ix_snapshots_name", "name", unique=True),
)

# What the ledger said of the points in a snapshot: with it a restored collection knows what it holds.
snapshot_ledger = Table(
    "snapshot_ledger",
    metadata,
    Column("snapshot_id", Uuid, ForeignKey("snapshots.id", ondelete="CASCADE"), primary_key=True),
    Column("slug", Text, ForeignKey("titles.slug", ondelete="CASCADE"), primary_key=True),
    Column("document_hash", Text, nullable=False),
    Column("passages", JSONB, nullable=False),
    Column("pictures_hash", Text, nullable=False, server_default=""),
    Column("written_at", DateTime(timezone=True), nullable=False),
)

# What the media store holds, a row a content.
media_files = Table(
    "media_files",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("bytes", Integer, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    # Perceptual hash, 64 bits as a signed number.
    Column("phash", BigInteger, nullable=False),
    # '#rrggbb', for a place that waits for its picture.
    Column("colour", Text, nullable=False),
    _created(),
    Index("ix_media_files_phash", "phash"),
)

# One row a URL, whoever wants it: fetched once.
downloads = Table(
    "downloads",
    metadata,
    # 32 hex digits over the URL.
    Column("url_hash", Text, primary_key=True),
    Column("url", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=DownloadState.PENDING.value),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    # Since when it is put off because its host is left alone; null once the host has answered.
    Column("silent_since", DateTime(timezone=True)),
    # Not before.
    Column("due_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("leased_until", DateTime(timezone=True)),
    Column("lease_owner", Text),
    Column("etag", Text),
    Column("last_modified", Text),
    Column("status", Integer),
    # A word of a closed list (fetching.FetchReason, core.pictures); null when all went well.
    Column("reason", Text),
    Column("detail", Text),
    Column("media_type", Text),
    Column("bytes", BigInteger),
    Column("latency_ms", Integer),
    # Kept when a later attempt fails: the picture is still there.
    Column("sha256", Text, ForeignKey("media_files.sha256")),
    Column("fetched_at", DateTime(timezone=True)),
    _created(),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("ix_downloads_open", "due_at", postgresql_where=text("state IN ('pending', 'leased', 'failed')")),
    Index("ix_downloads_sha256", "sha256"),
)

# What one job wants fetched, and what became of it there.
job_downloads = Table(
    "job_downloads",
    metadata,
    Column("job_id", Uuid, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("url_hash", Text, ForeignKey("downloads.url_hash", ondelete="CASCADE"), primary_key=True),
    # pending, done or dead.
    Column("state", Text, nullable=False, server_default=DownloadState.PENDING.value),
    # fetched, unchanged, known (it was there already), or the reason of a failure.
    Column("outcome", Text),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("ix_job_downloads_url_hash", "url_hash"),
    Index("ix_job_downloads_open", "job_id", postgresql_where=text("state = 'pending'")),
)

pictures = Table(
    "pictures",
    metadata,
    # UUIDv5 (core.identity.picture_id): also the id of its point.
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    # Null: free.
    Column("slug", Text, ForeignKey("titles.slug", ondelete="CASCADE")),
    Column("character", Text),
    Column("url", Text),
    # Null until its content is in the media store.
    Column("sha256", Text, ForeignKey("media_files.sha256")),
    # A free picture's own id, or its title's words for it.
    Column("name", Text),
    Column("tags", JSONB, nullable=False, server_default=text("'[]'")),
    Column("metadata", JSONB, nullable=False, server_default=text("'{}'")),
    Column("adult", Boolean, nullable=False, server_default=text("false")),
    # Nothing names it any more: its point is to be deleted.
    Column("gone", Boolean, nullable=False, server_default=text("false")),
    # Over all that its point says: compared with picture_ledger.
    Column("content_hash", Text, nullable=False, server_default=""),
    # Of free pictures only: those of titles are hidden with their titles.
    *_marked(),
    _created(),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("ix_pictures_slug", "slug"),
    Index("ix_pictures_sha256", "sha256"),
    Index("ix_pictures_url", text("md5(url)")),
    Index("ix_pictures_visibility", "visibility_mark", postgresql_where=text("visibility_mark IS NOT NULL")),
)

# Collections of pictures, one for each picture encoder.
picture_generations = Table(
    "picture_generations",
    metadata,
    Column("collection", Text, primary_key=True),
    Column("alias", Text, nullable=False, index=True),
    Column("state", Text, nullable=False),
    Column("image_fingerprint", Text, ForeignKey("model_versions.fingerprint"), nullable=False),
    _created(),
    Column("live_at", DateTime(timezone=True)),
    Column("retired_at", DateTime(timezone=True)),
)

picture_ledger = Table(
    "picture_ledger",
    metadata,
    Column("collection", Text, ForeignKey("picture_generations.collection", ondelete="CASCADE"), primary_key=True),
    # No foreign key: a point outlives its row until it is deleted.
    Column("picture_id", Uuid, primary_key=True),
    # The pictures.content_hash that the point's payload was made from, and the content that its vector shows.
    Column("content_hash", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("written_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

# One picture to be embedded in one job; leased as titles are.
picture_rows = Table(
    "picture_rows",
    metadata,
    Column("job_id", Uuid, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("picture_id", Uuid, primary_key=True),
    Column("state", Text, nullable=False, server_default=RowState.PENDING.value),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("leased_until", DateTime(timezone=True)),
    Column("lease_owner", Text),
    Column("last_error", Text),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("ix_picture_rows_open", "job_id", postgresql_where=text("state IN ('pending', 'leased', 'failed')")),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("secret_hash", Text, nullable=False),
    # Requests a month; null: no quota.
    Column("monthly_quota", BigInteger),
    # As core.rates reads it; null: the default of the settings.
    Column("rate_limit", Text),
    _created(),
    Column("expires_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
    Column("last_used_at", DateTime(timezone=True)),
)

api_key_usage = Table(
    "api_key_usage",
    metadata,
    Column("key_id", Text, ForeignKey("api_keys.id", ondelete="CASCADE"), primary_key=True),
    # The first day of the month, by UTC.
    Column("month", Date, primary_key=True),
    Column("requests", BigInteger, nullable=False),
)
