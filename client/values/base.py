"""What all values stand on."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """Something that the service said. It cannot be changed.

    A newer service may say more: fields that this library does not know are kept, in `extra`, and are never an error.
    For the same reason names of states and kinds are texts and no closed lists.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    @property
    def extra(self) -> dict[str, Any]:
        """The fields that this library does not know."""
        return dict(self.model_extra or {})
