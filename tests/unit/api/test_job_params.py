"""What a job of pictures may be asked to do over HTTP."""

from __future__ import annotations

import pytest

from api.job_params import build_params
from api.schemas.jobs import JobBody
from core.errors import InvalidInputError


def test_a_job_of_pictures_takes_titles_or_nothing() -> None:
    """All pictures, or those of some titles, each named once."""
    assert build_params(JobBody(kind="pictures"), import_root=None) == {}
    assert build_params(JobBody(kind="pictures", ids=["a", "mal:1", "a"]), import_root=None) == {"ids": ["a", "mal:1"]}


@pytest.mark.parametrize("field", ["documents", "urls", "path", "refresh", "then_index"])
def test_what_belongs_to_other_kinds_is_refused(field: str) -> None:
    """The problem names the field."""
    value = {"documents": [{"title": "x"}], "urls": ["https://a.test/b"], "path": "x"}.get(field, True)
    with pytest.raises(InvalidInputError) as caught:
        build_params(JobBody(kind="pictures", **{field: value}), import_root=None)
    assert caught.value.field == field
