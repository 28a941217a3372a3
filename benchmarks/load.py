"""The load generator: n clients, each on one kept-alive connection, each sending its next request on the last answer.

    python -m benchmarks.load --port 8002 --path /api/v1/search --bodies bodies.jsonl --clients 64 --seconds 6

It shares two cores with the server that it measures, so it does the least that HTTP/1.1 allows: ready-made requests, no
parsing beyond status and length. A process of its own; the result is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, cycle
from pathlib import Path
from typing import Any, cast

import numpy as np
import uvloop

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length:"
_PATIENCE_S = 30.0
_EXAMPLES = 3


@dataclass(slots=True)
class Tally:
    """What has happened so far. Times are `perf_counter` seconds; `latencies_s` holds measured requests only."""

    measure_from: float
    measure_until: float
    latencies_s: list[float] = field(default_factory=list)
    answers: int = 0
    errors: int = 0
    faults: list[str] = field(default_factory=list)
    first_body: bytes | None = None
    exhausted_at: float | None = None

    def add(self, status: bytes, *, sent_at: float, now: float, body_of: bytes) -> None:
        """Count one answer; only those that came within the measured window have a latency."""
        self.answers += 1
        if status != b"200":
            self.add_error(f"status {status.decode('latin-1')}: {body_of[:200].decode(errors='replace')}")
        elif self.measure_from <= now <= self.measure_until:
            self.latencies_s.append(now - sent_at)

    def add_error(self, fault: str) -> None:
        """Count one failure and keep its words while there are few."""
        self.errors += 1
        if len(self.faults) < _EXAMPLES:
            self.faults.append(fault)


class Client(asyncio.Protocol):
    """One connection in a closed loop."""

    def __init__(self, requests: Iterator[bytes], tally: Tally) -> None:
        self._requests = requests
        self._tally = tally
        self._sent_at = 0.0
        self._head = b""
        self._missing = 0
        self._status = b""
        self._body = bytearray()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        """Take a part of an answer; on its end send the next request."""
        if self._missing:
            self._take_body(data)
            return
        self._head += data
        end = self._head.find(_HEAD_END)
        if end < 0:
            return
        head, body, self._head = self._head[:end], self._head[end + 4 :], b""
        self._status = head[9:12]
        length = parse_length(head)
        if length is None:
            self._tally.add_error("an answer without Content-Length")
            self._finish()
            return
        self._missing = length
        self._body.clear()
        self._take_body(body)

    def connection_lost(self, exc: Exception | None) -> None:
        """The server closed it: an error unless this client was finished."""
        if not self.done.done():
            self._tally.add_error(f"connection lost: {exc}")
            self.done.set_result(None)

    def _take_body(self, data: bytes) -> None:
        self._missing -= len(data)
        if self._tally.first_body is None or self._status != b"200":
            self._body += data
        if self._missing > 0:
            return
        now = time.perf_counter()
        if self._tally.first_body is None and self._status == b"200":
            self._tally.first_body = bytes(self._body)
        self._tally.add(self._status, sent_at=self._sent_at, now=now, body_of=bytes(self._body[:200]))
        if now < self._tally.measure_until:
            self._send()
        else:
            self._finish()

    def _send(self) -> None:
        request = next(self._requests, None)
        if request is None:
            if self._tally.exhausted_at is None:
                self._tally.exhausted_at = time.perf_counter()
            self._finish()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def _finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)
        self._transport.close()


def parse_length(head: bytes) -> int | None:
    """The value of Content-Length in the head of an answer; None when there is none."""
    lowered = head.lower()
    start = lowered.find(_LENGTH)
    if start < 0:
        return None
    start += len(_LENGTH)
    end = lowered.find(b"\r\n", start)
    return int(lowered[start : end if end >= 0 else None])


def build_request(*, path: str, port: int, body: bytes | None) -> bytes:
    """The bytes of a whole request: POST of a JSON body, GET without one."""
    head = f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    if body is None:
        return f"{head}\r\n".encode()
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def read_requests(options: argparse.Namespace) -> list[tuple[str, bytes | None]]:
    """Path and body of each request that the command line names."""
    if options.requests is not None:
        lines = [json.loads(line) for line in options.requests.read_bytes().splitlines()]
        return [(line["path"], json.dumps(line["body"]).encode() if line["body"] else None) for line in lines]
    if options.bodies is None:
        return [(options.path, None)]
    return [(options.path, body) for body in options.bodies.read_bytes().splitlines()]


async def run_load(
    requests: Iterator[bytes], *, port: int, clients: int, warm_up_s: float, seconds: float
) -> dict[str, Any]:
    """Load the server on a port of loopback; latencies in milliseconds, CPU seconds of this process."""
    loop = asyncio.get_running_loop()
    began, cpu_began = time.perf_counter(), time.process_time()
    tally = Tally(began + warm_up_s, began + warm_up_s + seconds)

    async def keep_going() -> None:
        while time.perf_counter() < tally.measure_until and tally.exhausted_at is None:
            _, client = await loop.create_connection(lambda: Client(requests, tally), "127.0.0.1", port)
            await client.done
            # A server that refuses everything must not be hammered.
            await asyncio.sleep(0.01)

    async with asyncio.timeout(warm_up_s + seconds + _PATIENCE_S):
        await asyncio.gather(*(keep_going() for _ in range(clients)))
    return {**summarise(tally, clients=clients), "cpu_s": round(time.process_time() - cpu_began, 3)}


def summarise(tally: Tally, *, clients: int) -> dict[str, Any]:
    """The figures of one run. Where the texts ran out, the window ends there."""
    until = min(tally.measure_until, tally.exhausted_at or tally.measure_until)
    seconds = max(until - tally.measure_from, 1e-9)
    latencies_ms = np.asarray(tally.latencies_s or [0.0]) * 1_000
    p50, p95, p99 = np.percentile(latencies_ms, [50, 95, 99])
    return {
        "clients": clients,
        "seconds": round(seconds, 2),
        "requests": len(tally.latencies_s),
        "per_s": round(len(tally.latencies_s) / seconds, 1),
        "p50_ms": round(float(p50), 2),
        "p95_ms": round(float(p95), 2),
        "p99_ms": round(float(p99), 2),
        "errors": tally.errors,
        "faults": tally.faults,
        "answers": tally.answers,
        "exhausted": tally.exhausted_at is not None,
        "first_body": (tally.first_body or b"").decode(errors="replace"),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Run one load and write its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", required=True)
    # A pipe whose reader is late was seen to lose what exceeds its buffer, so a program that reads this names a file.
    parser.add_argument("--out", type=Path, default=Path("/dev/stdout"), help="file for the result")
    parser.add_argument("--bodies", type=Path, help="a JSON body a line; without it the request is a GET")
    parser.add_argument("--requests", type=Path, help='a request a line: {"path": ..., "body": ... or null}')
    parser.add_argument("--repeat", action="store_true", help="begin again at the end of the bodies")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--warm-up", type=float, default=1.0)
    options = parser.parse_args(argv)
    requests = [build_request(path=path, port=options.port, body=body) for path, body in read_requests(options)]
    endless = options.repeat or (options.bodies is None and options.requests is None)
    result = uvloop.run(
        run_load(
            cycle(requests) if endless else chain(requests),
            port=options.port,
            clients=options.clients,
            warm_up_s=options.warm_up,
            seconds=options.seconds,
        )
    )
    options.out.write_text(json.dumps(result) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
