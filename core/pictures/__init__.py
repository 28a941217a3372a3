"""Pictures as bytes and as pixels: what they are, whether they are safe to decode, their hashes and small copies.

Needs Pillow and numpy only. Nothing here trusts a name or a media type: the bytes alone say what a picture is.
"""

from core.pictures.budget import DecodeBudget
from core.pictures.decoding import decode_picture, estimate_memory, lend_picture
from core.pictures.errors import PictureRefusedError, RefusedWord
from core.pictures.facts import PictureFacts, describe_picture
from core.pictures.hashing import (
    average_colour,
    from_signed,
    hamming_distance,
    hash_content,
    perceptual_hash,
    to_signed,
)
from core.pictures.inspecting import QUERY_FORMATS, STORED_FORMATS, PictureInfo, inspect_picture
from core.pictures.thumbnails import make_thumbnail

__all__ = [
    "QUERY_FORMATS",
    "STORED_FORMATS",
    "DecodeBudget",
    "PictureFacts",
    "PictureInfo",
    "PictureRefusedError",
    "RefusedWord",
    "average_colour",
    "decode_picture",
    "describe_picture",
    "estimate_memory",
    "from_signed",
    "hamming_distance",
    "hash_content",
    "inspect_picture",
    "lend_picture",
    "make_thumbnail",
    "perceptual_hash",
    "to_signed",
]
