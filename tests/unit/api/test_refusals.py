"""Requests that gunicorn cannot read are refused like all others."""

from __future__ import annotations

import socket

import gunicorn.util
import orjson

from api.refusals import build_refusal, install, write_problem


def test_a_refusal_is_a_problem_document() -> None:
    """Head and body fit together, and the id in both is the same."""
    head, _, body = build_refusal(414, "URI Too Long", "Request Line is too large").partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    problem = orjson.loads(body)
    assert lines[0] == "HTTP/1.1 414 URI Too Long"
    assert headers["Content-Type"] == "application/problem+json"
    assert int(headers["Content-Length"]) == len(body)
    assert headers["X-Request-ID"] == problem["request_id"]
    assert (problem["status"], problem["type"]) == (414, "urn:avs:problem:uri-too-long")


def test_what_the_caller_sent_cannot_end_the_head_or_the_text() -> None:
    """Line ends, quotes and other alphabets are shown escaped, and long texts are cut."""
    answer = build_refusal(400, "Bad Request", "Invalid HTTP Header: 'a\r\nSet-Cookie: b=\"\xff\ud800" + "x" * 9_000)
    assert answer.count(b"\r\n\r\n") == 1
    assert b"\r\nSet-Cookie" not in answer
    assert len(answer) < 1_000
    assert orjson.loads(answer.partition(b"\r\n\r\n")[2])["status"] == 400


def test_gunicorn_writes_them() -> None:
    """After `install` the function that its workers call is ours, and it writes to the connection."""
    before = gunicorn.util.write_error
    try:
        install()
        assert gunicorn.util.write_error is write_problem
        ours, theirs = socket.socketpair()
        with ours, theirs:
            gunicorn.util.write_error(ours, 400, "Bad Request", "")
            assert b"urn:avs:problem:bad-request" in theirs.recv(4_096)
    finally:
        gunicorn.util.write_error = before
