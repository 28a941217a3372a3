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


def build_enrich(**fields: object) -> dict[str, object]:
    """The params of a job of enrichment; AniDB is not configured."""
    body = JobBody.model_validate({"kind": "enrich", **fields})
    reasons = {"anidb": "ANIDB_CLIENT is not set"}
    return build_params(body, import_root=None, why_not=reasons.get)


def test_a_job_of_enrichment_says_only_what_differs() -> None:
    """Names once each; an index job follows unless it is refused."""
    assert build_enrich() == {} == build_enrich(then_index=True, refresh=False, stale=None)
    assert build_enrich(ids=["a", "a"], providers=["kitsu", "kitsu"], stages=["staff"], stale=True) == {
        "ids": ["a"],
        "providers": ["kitsu"],
        "stages": ["staff"],
        "stale": True,
    }
    assert build_enrich(refresh=True, then_index=False) == {"refresh": True, "then_index": False}
    assert build_enrich(merge_only=True, ids=["a"]) == {"merge_only": True, "ids": ["a"]}


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"providers": ["kitsu", "anidb"]}, "providers.1", "ANIDB_CLIENT is not set"),
        ({"stale": True, "refresh": True}, "stale", "refresh"),
        ({"merge_only": True, "providers": ["kitsu"]}, "providers", "merge_only"),
        ({"then_enrich": True}, "then_enrich", "no meaning"),
        ({"urls": ["https://a.test/b"]}, "urls", "no meaning"),
    ],
)
def test_a_job_of_enrichment_that_cannot_be(fields: dict[str, object], field: str, words: str) -> None:
    """The field is named, and why."""
    with pytest.raises(InvalidInputError, match=words) as caught:
        build_enrich(**fields)
    assert caught.value.field == field


def test_without_a_provider_there_is_nobody_to_ask() -> None:
    """Said at once, not when a worker takes the job; merging needs nobody."""
    for fields in ({}, {"merge_only": True}):
        body = JobBody.model_validate({"kind": "enrich", **fields})
        if fields:
            assert build_params(body, import_root=None, why_not=lambda _: "off") == {"merge_only": True}
            continue
        with pytest.raises(InvalidInputError, match="no provider is configured"):
            build_params(body, import_root=None, why_not=lambda _: "off")


def test_an_import_may_be_followed_by_enrichment() -> None:
    """Only where it is asked for."""
    body = JobBody(kind="import", documents=[{"title": "x"}], then_enrich=True)
    assert build_params(body, import_root=None) == {"documents": [{"title": "x"}], "then_enrich": True}
    plain = JobBody(kind="import", documents=[{"title": "x"}])
    assert "then_enrich" not in build_params(plain, import_root=None)
