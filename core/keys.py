"""API keys as values: their roles, their text form, and the hash that stands for their secret.

A key reads `avs_<id>_<secret>`. The id finds the row, the secret proves it. The secret is 32 random bytes, so a plain
SHA-256 is enough: slow hashes protect what people choose, and guessing 256 random bits is hopeless at any speed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from enum import StrEnum

_TOKEN = re.compile(r"avs_([0-9a-f]{12})_([0-9a-f]{64})")
_ID_BYTES = 6
_SECRET_BYTES = 32
# Compared with where no key has the id, so that an unknown id costs what a wrong secret costs. No secret has this hash.
_NO_HASH = "0" * 64


class Role(StrEnum):
    """What a key may do; each role may do what those before it may."""

    READER = "reader"
    EDITOR = "editor"
    ADMIN = "admin"

    def allows(self, least: Role) -> bool:
        """True if this role is `least` or a higher one."""
        return _RANKS[self] >= _RANKS[least]


_RANKS = {role: rank for rank, role in enumerate(Role)}


def build_token() -> tuple[str, str, str]:
    """A new key: its id, its text, which is shown once, and the hash to keep."""
    key_id, secret = secrets.token_hex(_ID_BYTES), secrets.token_hex(_SECRET_BYTES)
    return key_id, f"avs_{key_id}_{secret}", hash_secret(secret)


def parse_token(token: str) -> tuple[str, str] | None:
    """Id and secret; None for what cannot be a key of ours."""
    match = _TOKEN.fullmatch(token)
    return (match[1], match[2]) if match else None


def hash_secret(secret: str) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(secret.encode()).hexdigest()


def matches(secret: str, secret_hash: str | None) -> bool:
    """True if the secret has this hash, in the same time whether it has or not, or whether there is a hash at all."""
    return hmac.compare_digest(hash_secret(secret), secret_hash or _NO_HASH)
