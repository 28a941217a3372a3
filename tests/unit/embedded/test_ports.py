"""Ports are drawn where they are allowed to be."""

from __future__ import annotations

import socket

import pytest

from embedded.ports import LOOPBACK, choose_port


def test_a_range_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """With AVS_PORTS no other port is chosen, a preferred one from outside neither."""
    monkeypatch.setenv("AVS_PORTS", "24000-24099")
    assert {choose_port() for _ in range(20)} <= set(range(24_000, 24_100))
    assert choose_port(preferred=8_002) in range(24_000, 24_100)


def test_a_port_in_use_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port on which somebody listens is passed over; with none left it is an error."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen()
        port = listener.getsockname()[1]
        monkeypatch.setenv("AVS_PORTS", f"{port}-{port}")
        with pytest.raises(OSError, match="no free port"):
            choose_port(preferred=port)


@pytest.mark.parametrize("given", ["8002", "30000-20000", "1-2", "a-b", "20000-99999"])
def test_a_wrong_range_is_refused(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the variable."""
    monkeypatch.setenv("AVS_PORTS", given)
    with pytest.raises(OSError, match="AVS_PORTS"):
        choose_port()
