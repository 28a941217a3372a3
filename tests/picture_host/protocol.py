"""HTTP/1.1 as far as a test needs it: GET, kept connections, pipelining; in memory, thousands of requests a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from tests.picture_host.replies import Reply, answer_conditions
from tests.picture_host.routes import Router

_END = b"\r\n\r\n"


class Meter:
    """What the server saw: connections opened, and requests that were being answered at once."""

    def __init__(self) -> None:
        self.connections = 0
        self.at_once = 0
        self.most_at_once = 0
        self.last_headers: Mapping[str, str] = {}


class PictureProtocol(asyncio.Protocol):
    """One connection."""

    def __init__(self, router: Router, meter: Meter, keep: Callable[[asyncio.Task[None]], None]) -> None:
        self._router = router
        self._meter = meter
        self._keep = keep
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._writable.set()
        self._meter.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:
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
        while not self._busy and self._transport is not None and _END in self._buffer:
            head, _, self._buffer = self._buffer.partition(_END)
            line, *fields = head.decode("latin-1").split("\r\n")
            asked = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
            self._meter.last_headers = asked
            reply = answer_conditions(self._router.answer(line.split(" ")[1]), asked)
            self._begin()
            if reply.is_plain:
                self._send(reply)
                self._finish(reply)
            else:
                self._busy = True
                self._keep(asyncio.get_running_loop().create_task(self._send_slowly(reply)))

    def _begin(self) -> None:
        self._meter.at_once += 1
        self._meter.most_at_once = max(self._meter.most_at_once, self._meter.at_once)

    def _finish(self, reply: Reply) -> None:
        self._meter.at_once -= 1
        if self._transport is not None and (reply.then_close or reply.silent or reply.endless):
            self._transport.close()

    def _send(self, reply: Reply) -> None:
        if self._transport is None or reply.silent:
            return
        self._transport.write(reply.build_head() + reply.build_body())

    async def _send_slowly(self, reply: Reply) -> None:
        try:
            await asyncio.sleep(reply.wait_s)
            if reply.drip_s or reply.endless:
                await self._send_in_pieces(reply)
            else:
                self._send(reply)
        finally:
            self._busy = False
            self._finish(reply)
        self._answer_waiting()

    async def _send_in_pieces(self, reply: Reply) -> None:
        pieces = [reply.body] if reply.endless else [bytes([byte]) for byte in reply.body]
        if self._transport is not None:
            self._transport.write(reply.build_head())
        while True:
            for piece in pieces:
                await asyncio.sleep(reply.drip_s)
                await self._writable.wait()
                if self._transport is None:
                    return
                self._transport.write(piece)
            if not reply.endless:
                return
