"""Which OpenCLIP model a name means, and what stands in the recipe for its weights. Imports no model library.

Four forms: ARCHITECTURE/TAG for weights that open_clip knows by name, ARCHITECTURE/PATH for a checkpoint of one's own,
a folder with open_clip_config.json and weights, and hf-hub:OWNER/NAME.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.errors import ModelUnavailableError
from inference.model_files import hash_file, hash_folder
from inference.pictures.base import SETTING
from inference.pictures.visual_baseline import NAME as BASELINE

HUB: Final = "hf-hub:"
_CONFIG: Final = "open_clip_config.json"


@dataclass(frozen=True, slots=True)
class ClipSource:
    """`model` and `weights` as open_clip's factory takes them; `encoder` and `revision` as they go into the recipe."""

    model: str
    weights: str | None
    encoder: str
    revision: str


def find_clip(name: str) -> ClipSource:
    """Loads nothing. Raises ModelUnavailableError for a name of none of the forms, and for files that are not there."""
    if name.startswith(HUB):
        # The commit is known when the files are there.
        return ClipSource(name, None, name.removeprefix(HUB), "hub")
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / _CONFIG).is_file():
            raise refuse(name, f"the folder holds no {_CONFIG}")
        return ClipSource(f"local-dir:{folder}", None, folder.resolve().name, f"content:{hash_folder(folder)}")
    architecture, _, weights = name.partition("/")
    if not architecture or not weights:
        raise refuse(name, "it is neither a folder nor ARCHITECTURE/WEIGHTS")
    path = Path(weights).expanduser()
    if path.is_file():
        return ClipSource(architecture, str(path), f"{architecture}/{path.name}", f"content:{hash_file(path)}")
    if "/" in weights or path.suffix in {".pt", ".pth", ".bin", ".safetensors", ".npz"}:
        raise refuse(name, f"there is no file {weights}")
    return ClipSource(architecture, weights, name, f"tag:{weights}")


def hash_preprocessing(config: object) -> str:
    """8 hex digits over a model's preprocessing, part of its revision: other pixels give other vectors."""
    return hashlib.blake2b(repr(config).encode(), digest_size=4).hexdigest()


def refuse(name: str, reason: str) -> ModelUnavailableError:
    """The error of a model that cannot be had, with the ways out."""
    remedy = (
        f"Set {SETTING} to ARCHITECTURE/TAG of open_clip, ARCHITECTURE/FILE, a folder with {_CONFIG}, "
        f"{BASELINE} (no weights, finds copies only) or none"
    )
    return ModelUnavailableError(SETTING, name, reason=reason, remedy=remedy)
