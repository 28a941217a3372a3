"""Contents as objects of a bucket: `<prefix>media/<sha256>`, variants as `<prefix>variants/<sha256>/<name>`.

Any server that speaks S3 will do. An object is there as a whole or not at all, so nothing is ever half-written.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from core.errors import ConfigurationError, DependencyUnavailableError, NotFoundError
from core.settings import Settings
from storage.media.store import StagedMedia, StoredMedia, check_content, check_sha256, check_variant

try:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError as error:
    raise ConfigurationError(
        "MEDIA_S3_BUCKET needs boto3, which is not installed: pip install 'anime-vector-service[s3]'"
    ) from error

_CONNECT_S, _READ_S, _ATTEMPTS = 3, 15, 3
# As many as the threads of a downloader.
_CONNECTIONS = 64
_ABSENT = frozenset(("404", "NoSuchKey", "NotFound"))


def connect(settings: Settings) -> Any:
    """A client of the S3 server that the settings name; it connects with its first request."""
    access, secret = settings.media_s3_access_key, settings.media_s3_secret_key
    return boto3.client(
        "s3",
        endpoint_url=settings.media_s3_endpoint_url,
        region_name=settings.media_s3_region,
        aws_access_key_id=access and access.get_secret_value(),
        aws_secret_access_key=secret and secret.get_secret_value(),
        config=Config(
            connect_timeout=_CONNECT_S,
            read_timeout=_READ_S,
            max_pool_connections=_CONNECTIONS,
            retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"},
            # Many servers other than AWS do not know the checksums that boto3 sends by itself; we send an MD5.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


class S3MediaStore:
    """Objects in a bucket that exists. Safe between threads."""

    def __init__(self, client: Any, *, bucket: str, prefix: str = "") -> None:
        self._client = client
        self._bucket = bucket
        folder = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._media, self._variants = f"{folder}media/", f"{folder}variants/"

    def put(self, sha256: str, data: bytes) -> None:
        """Store a content; see MediaStore. Written again if it is there: it is young again then."""
        check_content(sha256, data)
        self._put(f"{self._media}{sha256}", data)

    def stage(self, sha256: str, data: bytes) -> StagedMedia:
        """Put it: an object is there for good when the server has answered."""
        self.put(sha256, data)
        return StagedMedia(sha256, len(data))

    def settle(self, staged: Sequence[StagedMedia]) -> None:
        """They are there already."""

    def get(self, sha256: str) -> bytes:
        """The content. Raises NotFoundError."""
        data = self._get(f"{self._media}{check_sha256(sha256)}")
        if data is None:
            raise NotFoundError("media file", sha256)
        return data

    def exists(self, sha256: str) -> bool:
        """True if the content is there."""
        return self.find(sha256) is not None

    def find(self, sha256: str) -> StoredMedia | None:
        """What is stored under this SHA-256, without its bytes."""
        with _as_unavailable():
            try:
                head = self._client.head_object(Bucket=self._bucket, Key=f"{self._media}{check_sha256(sha256)}")
            except ClientError as error:
                if _is_absent(error):
                    return None
                raise
        return StoredMedia(sha256, head["ContentLength"], head["LastModified"])

    def delete(self, sha256: str) -> None:
        """Delete the content and its variants, these first."""
        for key, _, _ in self._list(f"{self._variants}{check_sha256(sha256)}/"):
            self._delete(key)
        self._delete(f"{self._media}{sha256}")

    def list(self) -> Iterator[StoredMedia]:
        """All contents, in the order of their SHA-256."""
        for key, size, modified in self._list(self._media):
            yield StoredMedia(key.removeprefix(self._media), size, modified)

    def put_variant(self, sha256: str, name: str, data: bytes) -> None:
        """Store something made from a content."""
        self._put(f"{self._variants}{check_sha256(sha256)}/{check_variant(name)}", data)

    def get_variant(self, sha256: str, name: str) -> bytes | None:
        """The variant, None if it was not made yet."""
        return self._get(f"{self._variants}{check_sha256(sha256)}/{check_variant(name)}")

    def list_variants(self) -> Iterator[str]:
        """SHA-256 of each content that has variants, each once."""
        last = None
        for key, _, _ in self._list(self._variants):
            sha256 = key.removeprefix(self._variants).partition("/")[0]
            if sha256 != last:
                yield sha256
            last = sha256

    def clean(self, *, before: datetime, dry_run: bool = False) -> int:
        """Nothing is ever half-written here."""
        return 0

    def _put(self, key: str, data: bytes) -> None:
        # The server compares it: what is damaged on its way is refused, and sent again.
        digest = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
        with _as_unavailable():
            self._client.put_object(Bucket=self._bucket, Key=key, Body=data, ContentMD5=digest)

    def _get(self, key: str) -> bytes | None:
        with _as_unavailable():
            try:
                body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"]
            except ClientError as error:
                if _is_absent(error):
                    return None
                raise
            with body:
                data: bytes = body.read()
                return data

    def _delete(self, key: str) -> None:
        with _as_unavailable():
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def _list(self, prefix: str) -> Iterator[tuple[str, int, datetime]]:
        """(key, bytes, modified) in the order of the keys, a thousand in memory at a time."""
        pages = iter(self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix))
        while True:
            with _as_unavailable():
                page = next(pages, None)
            if page is None:
                return
            for found in page.get("Contents", ()):
                yield found["Key"], found["Size"], found["LastModified"]


@contextmanager
def _as_unavailable() -> Iterator[None]:
    """Whatever the server answers that is not asked for: a bucket that is missing or closed can be mended meanwhile."""
    try:
        yield
    except ClientError as error:
        raise DependencyUnavailableError("media", _get_code(error)) from error
    except BotoCoreError as error:
        raise DependencyUnavailableError("media", type(error).__name__) from error


def _is_absent(error: ClientError) -> bool:
    return _get_code(error) in _ABSENT


def _get_code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))
