"""Where the bytes of pictures lie: by their SHA-256, on a disk or in an S3 bucket.

What they show is said in Postgres (`media_files`, `pictures`); here is nothing but bytes. Postgres is the truth: a
content that no row names is an orphan, whoever wrote it.
"""

from storage.media.building import build_media_store
from storage.media.store import MediaDamagedError, MediaStore, StagedMedia, StoredMedia, check_sha256

__all__ = ["MediaDamagedError", "MediaStore", "StagedMedia", "StoredMedia", "build_media_store", "check_sha256"]
