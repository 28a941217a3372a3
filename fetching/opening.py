"""Opening a connection: resolve once, check every address, connect to the checked address and to nothing else."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from http.client import HTTPConnection, HTTPSConnection

import certifi

from fetching.addresses import Address, AddressGuard
from fetching.deadlines import BoundedSocket, BoundedSSLSocket, Deadline
from fetching.errors import FetchReason, FetchRefusedError, build_error
from fetching.urls import Target

Lookup = Callable[[str, int], Sequence[str]]
# A name with many addresses must not multiply the wait for a host that is down.
_MOST_TRIES = 4
# Lookups at once; those that hang are few, unless somebody makes them hang on purpose.
_MOST_LOOKUPS = 256
_NO_SUCH_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


def lookup_addresses(host: str, port: int) -> list[str]:
    """All addresses of a name, by the system's resolver, in its order."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def build_tls_context(*, cafile: str | None = None) -> ssl.SSLContext:
    """Certificates are always verified: against the system's authorities and certifi's, or `cafile` alone."""
    context = ssl.create_default_context(cafile=cafile)
    if cafile is None:
        context.load_verify_locations(certifi.where())
    context.sslsocket_class = BoundedSSLSocket
    return context


class Opener:
    """Makes connections. Thread-safe; each name is looked up in a thread of its own, which nobody waits for in vain."""

    def __init__(
        self,
        guard: AddressGuard,
        *,
        connect_timeout_s: float,
        read_timeout_s: float,
        tls_context: ssl.SSLContext | None = None,
        lookup: Lookup = lookup_addresses,
    ) -> None:
        self._guard = guard
        self._connect_timeout_s = connect_timeout_s
        self._read_timeout_s = read_timeout_s
        self._tls_context = tls_context or build_tls_context()
        self._lookup = lookup
        self._lookups = threading.BoundedSemaphore(_MOST_LOOKUPS)

    def open(self, target: Target, deadline: Deadline) -> HTTPConnection:
        """A connection to a checked address. Raises FetchRefusedError or FetchFailedError."""
        addresses = self._resolve(target, deadline)
        self._guard.check(target.host, addresses)
        return self._build(target, self._connect(target, addresses[:_MOST_TRIES], deadline), deadline)

    def _resolve(self, target: Target, deadline: Deadline) -> list[Address]:
        try:
            return [ipaddress.ip_address(target.host)]
        except ValueError:
            pass
        try:
            found = self._look_up(target).result(deadline.least_s(self._connect_timeout_s))
        except (FutureTimeoutError, TimeoutError) as error:
            raise build_error(FetchReason.DNS, f"{target.host} was not resolved in time") from error
        except (OSError, UnicodeError) as error:
            gone = getattr(error, "errno", None) in _NO_SUCH_NAME or isinstance(error, UnicodeError)
            reason = FetchReason.UNKNOWN_HOST if gone else FetchReason.DNS
            raise build_error(reason, f"{target.host}: {error}") from error
        if not found:
            raise FetchRefusedError(FetchReason.UNKNOWN_HOST, f"{target.host} has no address")
        # A scope (fe80::1%eth0) names an interface of this machine: such an address is link-local and refused anyway.
        return [ipaddress.ip_address(address.partition("%")[0]) for address in found]

    def _look_up(self, target: Target) -> Future[Sequence[str]]:
        """getaddrinfo takes no timeout, so it runs beside the one who waits, in a thread that holds up no exit."""
        if not self._lookups.acquire(blocking=False):
            raise build_error(FetchReason.DNS, "too many names are being looked up")
        pending: Future[Sequence[str]] = Future()

        def run() -> None:
            try:
                pending.set_result(self._lookup(target.host, target.port))
            except BaseException as error:
                pending.set_exception(error)
            finally:
                self._lookups.release()

        threading.Thread(target=run, name="fetch-lookup", daemon=True).start()
        return pending

    def _connect(self, target: Target, addresses: Sequence[Address], deadline: Deadline) -> BoundedSocket:
        failure: OSError | None = None
        for address in addresses:
            family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
            sock = BoundedSocket(family, socket.SOCK_STREAM)
            try:
                sock.bound(deadline, read_timeout_s=self._connect_timeout_s)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.connect((str(address), target.port))
            except OSError as error:
                sock.close()
                failure = error
            else:
                return sock
        raise build_error(FetchReason.CONNECT, f"no connection to {target.authority}: {failure}") from failure

    def _build(self, target: Target, sock: BoundedSocket, deadline: Deadline) -> HTTPConnection:
        if target.scheme == "http":
            connection = HTTPConnection(target.host, target.port)
            connection.sock = sock
        else:
            connection = HTTPSConnection(target.host, target.port, context=self._tls_context)
            connection.sock = self._secure(target, sock, deadline)
        # It must never connect by itself: that would be past the guard.
        connection.auto_open = 0
        return connection

    def _secure(self, target: Target, sock: BoundedSocket, deadline: Deadline) -> ssl.SSLSocket:
        try:
            # The handshake as a whole keeps to the timeout that the plain socket has now.
            sock.bound(deadline, read_timeout_s=self._connect_timeout_s)
            return self._tls_context.wrap_socket(sock, server_hostname=target.host)
        except ssl.SSLCertVerificationError as error:
            sock.close()
            raise build_error(FetchReason.TLS_CERTIFICATE, f"{target.host}: {error.verify_message}") from error
        except (OSError, ValueError) as error:
            sock.close()
            raise build_error(FetchReason.TLS, f"{target.authority}: {error}") from error
