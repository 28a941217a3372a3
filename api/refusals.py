"""What the web server refuses before the application sees it (an address that is too long, a header that is none), as a
problem document like every other refusal. gunicorn writes HTML, from one function and without a setting for it.
"""

from __future__ import annotations

import socket
import uuid

import gunicorn.util
import orjson

from api.http import REQUEST_ID_HEADER
from api.problems import PROBLEM_TYPE

_DETAIL_MAX_CHARS = 200


def install() -> None:
    """Let gunicorn's workers of this process, and those that it forks, refuse with problem documents."""
    gunicorn.util.write_error = write_problem


def write_problem(connection: socket.socket, status: int, reason: str, detail: str) -> None:
    """The answer to a request that could not be read, after which the connection ends. Has gunicorn's signature."""
    gunicorn.util.write_nonblock(connection, build_refusal(status, reason, detail))


def build_refusal(status: int, reason: str, detail: str) -> bytes:
    """The whole answer, head and body. `detail` may repeat what the caller sent, so it is cut and shown as ASCII."""
    request_id = uuid.uuid4().hex
    document = {
        "type": f"urn:avs:problem:{reason.lower().replace(' ', '-')}",
        "title": reason,
        "status": status,
        "detail": ascii(detail or reason)[1:-1][:_DETAIL_MAX_CHARS],
        "request_id": request_id,
    }
    body = orjson.dumps(document)
    head = [
        f"HTTP/1.1 {status} {reason}",
        "Connection: close",
        f"Content-Type: {PROBLEM_TYPE}",
        f"Content-Length: {len(body)}",
        "X-Content-Type-Options: nosniff",
        "Cache-Control: no-store",
        f"{REQUEST_ID_HEADER}: {request_id}",
    ]
    return "\r\n".join([*head, "", ""]).encode("ascii") + body
