"""The two towers of a model on a device: uint8 pictures and token ids in, unit rows out.

Pictures are sent as bytes and normalised where the model is: a quarter of the transfer, and no floating point on the
threads that decode. On a GPU the transfer has its own stream and page-locked memory, and nothing waits until the rows
are asked for.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.base import DenseRows
from inference.hardware import Precision
from inference.pictures.base import PendingRows, Prepared

DTYPES: Final[dict[Precision, torch.dtype]] = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Mean and standard deviation of red, green and blue in 0 to 1, as the model was trained."""

    mean: Sequence[float]
    std: Sequence[float]


class Towers:
    """A CLIP-like model with `encode_image` and `encode_text`, in one precision on one device."""

    def __init__(
        self, model: Any, *, device: str, precision: Precision, normalisation: Normalisation, owns_model: bool
    ) -> None:
        # `to` works in place, and the model may yet be built from in another precision.
        module = model if owns_model else copy.deepcopy(model)
        self._model = module.to(device=device, dtype=DTYPES[precision]).eval()
        self._device = device
        self._dtype = DTYPES[precision]
        # Of bytes, so that dividing by 255 costs no pass of its own.
        self._mean = _spread(normalisation.mean, device)
        self._std = _spread(normalisation.std, device)
        self._sending = torch.cuda.Stream(device) if device.startswith("cuda") else None  # type: ignore[no-untyped-call]

    def submit(self, batch: Sequence[Prepared]) -> PendingRows:
        """Start one batch of uint8 pictures (height, width, 3). On a GPU this returns before anything is computed."""
        if self._sending is None:
            rows = self._finish(self._run(torch.from_numpy(np.stack(batch)).to(self._device)))
            return lambda: rows
        return self._submit_cuda(batch, self._sending)

    @torch.inference_mode()
    def encode_tokens(self, tokens: Tensor) -> DenseRows:
        """Unit rows of token ids (n, context)."""
        return self._finish(self._model.encode_text(tokens.to(self._device), normalize=True))

    def _submit_cuda(self, batch: Sequence[Prepared], sending: torch.cuda.Stream) -> PendingRows:
        locked = torch.empty((len(batch), *batch[0].shape), dtype=torch.uint8, pin_memory=True)
        np.stack(batch, out=locked.numpy())
        computing = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(sending):
            pictures = locked.to(self._device, non_blocking=True)
        computing.wait_stream(sending)
        # The memory belongs to the other stream: it must not be given away while this one reads it.
        pictures.record_stream(computing)
        rows = self._run(pictures)
        target = torch.empty(rows.shape, dtype=torch.float32, pin_memory=True)
        target.copy_(rows, non_blocking=True)
        done = torch.cuda.Event()  # type: ignore[no-untyped-call]
        done.record(computing)

        def wait() -> DenseRows:
            done.synchronize()
            return target.numpy().copy()

        return wait

    @torch.inference_mode()
    def _run(self, pictures: Tensor) -> Tensor:
        pixels = pictures.permute(0, 3, 1, 2).float().sub_(self._mean).div_(self._std).to(self._dtype)
        rows: Tensor = torch.nn.functional.normalize(self._model.encode_image(pixels).float(), dim=-1)
        return rows

    @staticmethod
    def _finish(rows: Tensor) -> DenseRows:
        found: NDArray[np.float32] = rows.float().cpu().numpy()
        return found


def _spread(values: Sequence[float], device: str) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device=device).view(1, 3, 1, 1) * 255.0
