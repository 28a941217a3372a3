"""What a request says of its sender."""

from __future__ import annotations

import pytest

from api.guard.tokens import get_address, is_meant_for_loopback, read_token


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({}, None),
        ({"HTTP_AUTHORIZATION": "Bearer abc"}, "abc"),
        ({"HTTP_AUTHORIZATION": "bearer  abc "}, "abc"),
        ({"HTTP_AUTHORIZATION": "Bearer "}, ""),
        ({"HTTP_AUTHORIZATION": "Basic dTpw"}, None),
        ({"HTTP_AUTHORIZATION": "Basic dTpw", "HTTP_X_API_KEY": "abc"}, "abc"),
        ({"HTTP_AUTHORIZATION": "Bearer one", "HTTP_X_API_KEY": "two"}, "one"),
        ({"HTTP_X_API_KEY": ""}, ""),
        ({"QUERY_STRING": "api_key=abc&key=abc"}, None),
    ],
)
def test_where_a_key_is_looked_for(headers: dict[str, str], token: str | None) -> None:
    """In two headers and never in the address; an empty one is a wrong key, not no key."""
    assert read_token(headers) == token


@pytest.mark.parametrize(
    ("given", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("not an address", "not an address"),
        ("", ""),
    ],
)
def test_who_is_counted(given: str, counted: str) -> None:
    """An IPv4 address, or the network of an IPv6 address, whose owner has 2^64 of them."""
    assert get_address({"REMOTE_ADDR": given}) == counted


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("localhost:8002", True),
        ("LOCALHOST", True),
        ("127.0.0.1:8002", True),
        ("[::1]:8002", True),
        ("avs.localhost", True),
        ("rebound.example.org:8002", False),
        ("localhost.example.org", False),
        ("10.0.0.1", False),
        ("[2001:db8::1]:8002", False),
    ],
)
def test_a_page_that_was_led_here_under_another_name(host: str, is_ours: bool) -> None:
    """Only the names of this machine count; HTTP/1.0 sends none."""
    assert is_meant_for_loopback({"HTTP_HOST": host}) is is_ours
    assert is_meant_for_loopback({})
