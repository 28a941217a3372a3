"""HTTP/1.1 as far as the providers need it: GET and POST with a length, kept connections, one request at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from tests.picture_host.replies import Reply, answer_conditions
from tests.provider_stands.records import Asked

_END = b"\r\n\r\n"


class StandProtocol(asyncio.Protocol):
    """One connection to one provider. `answer` is called on the loop as soon as a request is whole."""

    def __init__(
        self,
        provider: str,
        answer: Callable[[Asked], Reply],
        keep: Callable[[asyncio.Task[None]], None],
        connections: set[asyncio.Transport],
    ) -> None:
        self._provider = provider
        self._answer = answer
        self._keep = keep
        self._connections = connections
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._connections.add(transport)  # type: ignore[arg-type]
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._connections.discard(self._transport)
        self._transport = None
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._answer_waiting()

    def _answer_waiting(self) -> None:
        while not self._busy and self._transport is not None and (asked := self._take_request()) is not None:
            reply = answer_conditions(self._answer(asked), asked.headers)
            if reply.is_plain:
                self._send(reply)
            else:
                self._busy = True
                self._keep(asyncio.get_running_loop().create_task(self._send_slowly(reply)))

    def _take_request(self) -> Asked | None:
        head, end, rest = self._buffer.partition(_END)
        if not end:
            return None
        line, *fields = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        length = int(headers.get("content-length", "0"))
        if len(rest) < length:
            return None
        self._buffer = rest[length:]
        method, target, _ = line.split(" ", 2)
        return Asked(self._provider, method, target, headers, rest[:length], time.monotonic())

    def _send(self, reply: Reply) -> None:
        if self._transport is None:
            return
        if not reply.silent:
            self._transport.write(reply.build_head() + reply.build_body())
        if reply.then_close or reply.silent:
            self._transport.close()

    async def _send_slowly(self, reply: Reply) -> None:
        try:
            await asyncio.sleep(reply.wait_s)
            if reply.endless and self._transport is not None:
                await self._send_endlessly(reply)
            else:
                self._send(reply)
        finally:
            self._busy = False
        self._answer_waiting()

    async def _send_endlessly(self, reply: Reply) -> None:
        assert self._transport is not None
        self._transport.write(reply.build_head())
        while self._transport is not None:
            self._transport.write(reply.body)
            await asyncio.sleep(0)
            await self._writable.wait()
