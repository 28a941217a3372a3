"""API keys as values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.keys import Role, build_token, hash_secret, matches, parse_token


def test_a_new_key_is_long_unique_and_read_back() -> None:
    """Every key has its own id and 256 bits of secret, and its text gives both back; the hash is not the secret."""
    tokens = [build_token() for _ in range(100)]
    assert len({key_id for key_id, _, _ in tokens}) == len({token for _, token, _ in tokens}) == 100
    for key_id, token, secret_hash in tokens:
        parsed = parse_token(token)
        assert parsed is not None
        assert parsed[0] == key_id and len(bytes.fromhex(parsed[1])) == 32
        assert secret_hash == hash_secret(parsed[1]) != parsed[1]
        assert matches(parsed[1], secret_hash)


def test_another_secret_and_no_hash_do_not_match() -> None:
    """A wrong secret, and any secret of a key that does not exist, are refused by the same comparison."""
    _, token, secret_hash = build_token()
    parsed = parse_token(token)
    assert parsed is not None
    wrong = parsed[1][:-1] + ("0" if parsed[1][-1] != "0" else "1")
    assert not matches(wrong, secret_hash)
    assert not matches(parsed[1], None)


@given(st.text(max_size=100))
def test_other_texts_are_no_keys(text: str) -> None:
    """Whatever is sent as a key, reading it never fails."""
    assert parse_token(text) is None


@pytest.mark.parametrize(
    "change", [str.upper, lambda t: t + "\n", lambda t: t + "0", lambda t: t[1:], lambda t: f" {t}"]
)
def test_a_key_has_one_spelling(change: object) -> None:
    """Capitals, spaces and more or fewer characters make it another text, not the same key."""
    assert callable(change)
    assert parse_token(change(build_token()[1])) is None


def test_each_role_holds_those_below_it() -> None:
    """admin over editor over reader, and each allows itself."""
    order = [Role.READER, Role.EDITOR, Role.ADMIN]
    for rank, role in enumerate(order):
        assert [role.allows(least) for least in order] == [rank >= other for other in range(3)]
