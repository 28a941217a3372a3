"""What headers say about limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrichment.asking.hints import LimitHints, read_hints

DATE = "Mon, 05 Jan 2015 10:00:00 GMT"
AT_S = 1420452000


@pytest.mark.parametrize(
    ("headers", "hints"),
    [
        ({}, LimitHints(None, None, None)),
        ({"x-ratelimit-limit": "90", "x-ratelimit-remaining": "59"}, LimitHints(90, 59, None)),
        ({"x-ratelimit-limit": "0"}, LimitHints(None, None, None)),
        ({"ratelimit-limit": "100, 100;w=60", "ratelimit-reset": "12"}, LimitHints(100, None, 12)),
        ({"x-ratelimit-reset": str(AT_S + 90), "date": DATE}, LimitHints(None, None, 90)),
        ({"x-ratelimit-reset": str((AT_S + 90) * 1_000), "date": DATE}, LimitHints(None, None, 90)),
        ({"x-ratelimit-reset": str(AT_S - 90), "date": DATE}, LimitHints(None, None, 0)),
        # A point in time without the provider's own clock says nothing: ours may be wrong.
        ({"x-ratelimit-reset": str(AT_S)}, LimitHints(None, None, None)),
        ({"x-ratelimit-reset": str(AT_S), "date": "yesterday"}, LimitHints(None, None, None)),
        ({"x-ratelimit-reset": "99999999"}, LimitHints(None, None, 86_400)),
        ({"x-ratelimit-limit": "-1", "x-ratelimit-remaining": "many"}, LimitHints(None, None, None)),
    ],
)
def test_hints(headers: dict[str, str], hints: LimitHints) -> None:
    """Numbers are read in the forms that providers use, and nonsense says nothing."""
    assert read_hints(headers) == hints


@given(
    st.dictionaries(
        st.sampled_from(["x-ratelimit-limit", "x-ratelimit-reset", "ratelimit-remaining", "date"]), st.text()
    )
)
def test_any_header_is_read(headers: dict[str, str]) -> None:
    """No header of any form is more than nonsense."""
    hints = read_hints(headers)
    assert hints.reset_s is None or 0 <= hints.reset_s <= 86_400
