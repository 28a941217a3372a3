"""Long answers line by line (application/x-ndjson): results as they come, then one summary."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import httpx
from pydantic import ValidationError

from client.problems import TransportError, UnexpectedAnswerError, build_late_error
from client.transport import as_transport_errors
from client.values.search import SearchResult, StreamLine, StreamSummary


class SearchStream:
    """An iterator of results that holds a connection until it is read to its end, closed or dropped.

        with client.stream_search("robots", limit=10_000) as stream:
            for result in stream:
                print(result.id)
        print(stream.summary.total_found)

    Ends by raising ApiError when the service fails on the way, and TransportError when the connection breaks or the
    answer ends without its summary: results that are missing are never passed over in silence. One thread reads it.
    """

    def __init__(self, response: httpx.Response, *, name: str) -> None:
        self._response = response
        self._name = name
        self._lines = _split(response)
        self._summary: StreamSummary | None = None
        # Whoever drops the stream half-read must not keep a connection of the pool.
        self._close = weakref.finalize(self, response.close)

    @property
    def summary(self) -> StreamSummary:
        """What the answer says beside its results. Raises ValueError until the stream is read to its end."""
        if self._summary is None:
            raise ValueError("the summary is the stream's last line: read all results first")
        return self._summary

    def close(self) -> None:
        """Give the connection up; the service stops its work. Harmless when it is closed already."""
        self._close()

    def __iter__(self) -> Iterator[SearchResult]:
        return self

    def __next__(self) -> SearchResult:
        if self._summary is not None or not self._close.alive:
            raise StopIteration
        try:
            result = self._read()
        except BaseException:
            self.close()
            raise
        if result is None:
            self.close()
            raise StopIteration
        return result

    def _read(self) -> SearchResult | None:
        """The next result; None after the summary."""
        with as_transport_errors(self._name):
            for line in map(self._parse, self._lines):
                if line.result is not None:
                    return line.result
                if line.problem is not None:
                    raise build_late_error(line.problem)
                if line.summary is not None:
                    self._summary = line.summary
                    return None
        raise TransportError(f"{self._name}: the stream ended without its summary, so results may be missing")

    def _parse(self, data: bytes) -> StreamLine:
        try:
            return StreamLine.model_validate_json(data)
        except ValidationError:
            raise UnexpectedAnswerError(f"{self._name}: a line of the stream is not understood") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _split(response: httpx.Response) -> Iterator[bytes]:
    """Lines that end with a newline; a last one without it is cut short and therefore left out.

    httpx's own lines end at U+2028 and the like too, which JSON texts may hold as they are.
    """
    rest = b""
    for piece in response.iter_bytes():
        *lines, rest = (rest + piece).split(b"\n")
        yield from filter(None, lines)
