"""Which addresses of the network we connect to: public ones, and networks that the operator allows by name.

The rule is asked with the very address that the socket then connects to, so a name that changes its address between
the check and the connection (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from fetching.errors import FetchReason, FetchRefusedError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# https://www.iana.org/assignments/iana-ipv4-special-registry and the IPv6 one, written out: what `ipaddress` takes for
# public differs between Python releases, and multicast is public to it.
_REFUSED_V4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT; also the metadata service of Alibaba Cloud
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's host, from inside its machines
        "169.254.0.0/16",  # link-local; the metadata service of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata service
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_REFUSED_V6 = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, with Teredo (2001::/32), benchmarks and ORCHID
        "2001:db8::/32",
        "3fff::/20",
    )
)
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_6TO4 = ipaddress.IPv6Network("2002::/16")


def unwrap(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for (mapped, NAT64, 6to4); any other address as it is."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _MAPPED or address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    if address in _6TO4:
        return ipaddress.IPv4Address(int(address) >> 80 & 0xFFFF_FFFF)
    return address


def is_public(address: Address) -> bool:
    """True for an address that anybody on the internet may be at."""
    address = unwrap(address)
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not any(address in network for network in _REFUSED_V4)
    return address in _GLOBAL_V6 and address.is_global and not any(address in network for network in _REFUSED_V6)


class AddressGuard:
    """Says which addresses may be connected to."""

    def __init__(self, allowed_networks: Iterable[str] = (), *, setting: str = "DOWNLOAD_ALLOWED_NETWORKS") -> None:
        """`setting`: where the operator names his exceptions, for the message of a refusal."""
        self._setting = setting
        self._allowed: Sequence[Network] = tuple(ipaddress.ip_network(network) for network in allowed_networks)

    def allows(self, address: Address) -> bool:
        """True for public addresses and those of an allowed network."""
        inner = unwrap(address)
        return any(inner in network or address in network for network in self._allowed) or is_public(address)

    def check(self, host: str, addresses: Iterable[Address]) -> None:
        """Raise FetchRefusedError if any of a host's addresses is forbidden: one that mixes both is not to be trusted.

        The message does not say which address it was: names of an intranet are not resolved for strangers.
        """
        if not all(self.allows(address) for address in addresses):
            message = f"{host} is not at a public address ({self._setting} makes exceptions)"
            raise FetchRefusedError(FetchReason.FORBIDDEN_ADDRESS, message)
