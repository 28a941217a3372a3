"""Which addresses may be connected to."""

from __future__ import annotations

import ipaddress
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fetching.addresses import AddressGuard, is_public, unwrap
from fetching.errors import FetchReason, FetchRefusedError

# https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry, and what clouds add.
SPECIAL = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
    "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "255.255.255.255/32",
    "::/128", "::1/128", "::/96", "64:ff9b:1::/48", "100::/64", "2001::/32", "2001:2::/48", "2001:10::/28",
    "2001:20::/28", "2001:db8::/32", "3fff::/20", "5f00::/16", "fc00::/7", "fd00:ec2::254/128", "fe80::/10",
    "fec0::/10", "ff00::/8",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "1.1.1.1", "172.15.255.255", "172.32.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
          "223.255.255.255", "2606:4700:4700::1111", "2a00:1450:4001::1", "2001:4860:4860::8888"]  # fmt: skip
V4 = st.ip_addresses(v=4)


def wrap(address: ipaddress.IPv4Address) -> list[ipaddress.IPv6Address]:
    """Every IPv6 address that stands for an IPv4 one."""
    number = int(address)
    return [
        ipaddress.IPv6Address(0xFFFF << 32 | number),
        ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) | number),
        ipaddress.IPv6Address(0x2002 << 112 | number << 80 | 1),
    ]


@pytest.mark.parametrize("network", SPECIAL)
def test_special_networks(network: str) -> None:
    """No address of a special network is public: neither its ends nor any between."""
    block = ipaddress.ip_network(network)
    chance = random.Random(network)
    picked = [chance.randrange(block.num_addresses) for _ in range(50)] + [0, block.num_addresses - 1]
    assert not [block[index] for index in picked if is_public(block[index])]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    """Ordinary addresses are public, up to the edges of the private networks."""
    assert is_public(ipaddress.ip_address(address))


@given(V4)
@example(ipaddress.IPv4Address("169.254.169.254"))
@example(ipaddress.IPv4Address("8.8.8.8"))
def test_wrapped_address_is_judged_by_the_inner_one(address: ipaddress.IPv4Address) -> None:
    """Mapped, NAT64 and 6to4 addresses are public exactly if the IPv4 address inside is."""
    for wrapped in wrap(address):
        assert unwrap(wrapped) == address
        assert is_public(wrapped) == is_public(address)


@given(V4)
def test_stricter_than_the_standard_library(address: ipaddress.IPv4Address) -> None:
    """Nothing is public that the standard library knows as private, reserved, multicast or loopback."""
    known = address.is_private or address.is_reserved or address.is_multicast or address.is_loopback
    assert not (is_public(address) and (known or address.is_link_local or address.is_unspecified))


@given(st.ip_addresses(v=6))
def test_only_global_unicast_of_ipv6(address: ipaddress.IPv6Address) -> None:
    """An IPv6 address that stands for no IPv4 one is public only within 2000::/3."""
    if is_public(address) and unwrap(address) == address:
        assert address in ipaddress.IPv6Network("2000::/3")


def test_allowed_networks() -> None:
    """An allowed network may be reached, wrapped or not, and its neighbours still may not."""
    guard = AddressGuard(["10.1.0.0/16", "fd00:7::/64"])
    inside = ipaddress.IPv4Address("10.1.2.3")
    assert all(guard.allows(address) for address in [inside, *wrap(inside), ipaddress.ip_address("fd00:7::1")])
    assert not guard.allows(ipaddress.ip_address("10.2.0.1"))
    assert not guard.allows(ipaddress.ip_address("fd00:8::1"))
    assert guard.allows(ipaddress.ip_address("8.8.8.8"))


def test_mixed_addresses_are_refused() -> None:
    """A name with one public and one private address is refused, and the message does not tell the private one."""
    addresses = [ipaddress.ip_address("8.8.8.8"), ipaddress.ip_address("10.0.0.7")]
    with pytest.raises(FetchRefusedError) as caught:
        AddressGuard().check("mixed.example", addresses)
    assert caught.value.reason is FetchReason.FORBIDDEN_ADDRESS
    assert "10.0.0.7" not in str(caught.value)
