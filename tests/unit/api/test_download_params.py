"""What a job of downloads may be asked for over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from api.job_params import build_params
from api.schemas.jobs import JobBody
from core.errors import InvalidInputError

URL = "https://example.org/a.jpg"


def build(**given: Any) -> dict[str, Any]:
    """The params of a job of this body."""
    return build_params(JobBody.model_validate({"kind": "download", **given}), import_root=None)


def test_what_is_asked_for_is_kept() -> None:
    """Titles, or URLs with what is known of them; flags that are off leave nothing behind."""
    assert build() == {} == build(refresh=False, then_index=None)
    assert build(ids=["b", "a", "b"], then_index=True) == {"ids": ["b", "a"], "then_index": True}
    entry = {"url": URL, "id": "a", "tags": ["x"], "metadata": {"n": [1]}, "title": "mal:1", "adult": True}
    assert build(urls=[URL, entry], refresh=True) == {"urls": [{"url": URL}, entry], "refresh": True}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"ids": ["a"], "urls": [URL]}, "urls"),
        ({"urls": ["file:///etc/passwd"]}, "urls.0"),
        ({"urls": [URL, {"url": URL, "size": 3}]}, "urls.1.size"),
        ({"urls": [{"url": URL, "metadata": {"a": "\x00"}}]}, "urls.0.metadata.a"),
        ({"urls": [{"url": URL, "tags": "x"}]}, "urls.0.tags"),
        ({"documents": [{"title": "x"}]}, "documents"),
        ({"path": "x"}, "path"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_place(given: dict[str, Any], field: str) -> None:
    """Contradictions, wrong addresses and unknown entries name the field, and no job is stored."""
    with pytest.raises(InvalidInputError) as refused:
        build(**given)
    assert refused.value.field == field


@pytest.mark.parametrize("kind", ["index", "import"])
@pytest.mark.parametrize("given", [{"urls": [URL]}, {"refresh": True}, {"then_index": False}])
def test_other_kinds_know_nothing_of_it(kind: str, given: dict[str, Any]) -> None:
    """A field of downloads has no meaning for other jobs."""
    with pytest.raises(InvalidInputError, match="no meaning"):
        build_params(JobBody.model_validate({"kind": kind, **given}), import_root=None)
