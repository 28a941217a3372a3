"""The media store that the settings name."""

from __future__ import annotations

from core.settings import Settings
from storage.media.disk import DiskMediaStore
from storage.media.store import MediaStore


def build_media_store(settings: Settings) -> MediaStore:
    """The store of these settings; connects to nothing. Raises ConfigurationError if boto3 is needed and missing."""
    if settings.media_s3_bucket is None:
        return DiskMediaStore(settings.get_media_path())
    # boto3 takes a quarter of a second to import, and most installations do not have it.
    from storage.media.s3 import S3MediaStore, connect

    return S3MediaStore(connect(settings), bucket=settings.media_s3_bucket, prefix=settings.media_s3_prefix)
