"""The server in a thread of its own."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Self

import uvloop

from tests.picture_host.protocol import Meter, PictureProtocol
from tests.picture_host.replies import Reply
from tests.picture_host.routes import ROBOTS, Router


class PictureHost:
    """A context manager; `port` 0 takes a free one. `address` may be any of 127.0.0.0/8: to a fetcher, another host.

    counts        requests so far by path with query (a copy)
    connections   connections opened so far
    most_at_once  most requests that were being answered at the same time
    last_headers  headers of the latest request, names in lower case
    """

    def __init__(
        self,
        *,
        folder: Path | None = None,
        robots: bytes | Reply = ROBOTS,
        address: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._router = Router(folder=folder, robots=robots)
        self._meter = Meter()
        self._address = address
        self._port = port
        self._tls = tls
        self._loop = uvloop.new_event_loop()
        self._ready = threading.Event()
        self._stopping = asyncio.Event()
        self._failure: BaseException | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name="picture-host", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._port

    @property
    def address(self) -> str:
        """The address that it listens on."""
        return self._address

    def url(self, path: str, *, host: str | None = None) -> str:
        """The whole address of a path; `host` is another name of this machine."""
        return f"{'https' if self._tls else 'http'}://{host or self._address}:{self._port}{path}"

    @property
    def counts(self) -> Counter[str]:
        """Requests so far by path with query."""
        return self._router.counts.copy()

    def count(self, path: str) -> int:
        """Requests so far for one path."""
        return self._router.counts[path]

    @property
    def connections(self) -> int:
        """Connections opened so far."""
        return self._meter.connections

    @property
    def most_at_once(self) -> int:
        """Most requests that were being answered at the same time."""
        return self._meter.most_at_once

    @property
    def last_headers(self) -> dict[str, str]:
        """Headers of the latest request, names in lower case."""
        return dict(self._meter.last_headers)

    @property
    def file_names(self) -> list[str]:
        """Names of the files of the folder, for `/file/NAME`."""
        return self._router.file_names

    def script(self, path: str, *replies: Reply) -> None:
        """Answer a path (without query) with these, one after the other; the last one again and again."""
        self._router.scripts[path] = list(replies)

    def set_robots(self, robots: bytes | Reply) -> None:
        """Another robots.txt from now on."""
        self._router.robots = robots

    def reset(self) -> None:
        """Forget what was counted."""
        self._router.counts.clear()
        self._meter.connections = self._meter.most_at_once = 0

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except OSError as error:
            self._failure = error
        finally:
            self._ready.set()
            self._loop.close()

    async def _serve(self) -> None:
        server = await self._loop.create_server(
            lambda: PictureProtocol(self._router, self._meter, self._keep), self._address, self._port, ssl=self._tls
        )
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stopping.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
