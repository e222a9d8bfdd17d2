"""Heads in the relay lane: what is ordinary, what is not, what an answer says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.engine.relay.heads import (
    CHUNKED,
    UNTIL_CLOSE,
    HeadError,
    read_answer,
    read_request,
)

ORDINARY = [
    (b"GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/a?b", 0),
    (b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", "GET", "http://a.test/", 0),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n", "POST", "/", 12),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n", "POST", "/", CHUNKED),
    (b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n", "CONNECT", "a.test:443", 0),
    (b"PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n", "PROPFIND", "/", 0),
]


@pytest.mark.parametrize(("head", "method", "target", "length"), ORDINARY)
def test_ordinary(head: bytes, method: str, target: str, length: int):
    read = read_request(head)
    assert read is not None
    assert (read.method, read.target, read.length) == (method, target, length)


FOR_THE_GENERIC_LANE = {
    "an upgrade": b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "an upgrade nobody connects": b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n",
    "a word before the body": b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
    b"Content-Length: 1\r\n\r\n",
    "HTTP/1.0": b"GET / HTTP/1.0\r\nHost: a\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "an invented method": b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a method in small letters": b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a space before the colon": b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    "a folded field": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
    "a bare LF": b"GET / HTTP/1.1\nHost: a\r\n\r\n",
    "a bare CR": b"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
    "NUL": b"GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n",
    "length and chunks": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n",
    "chunks and length": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
    b"Content-Length: 3\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
    "a list of lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\n",
    "a signed length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\n",
    "a length in hexadecimal": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\n",
    "a length beyond all": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9"
    + b"9" * 30
    + b"\r\n\r\n",
    "another coding": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    "a coding that looks like chunked": b"POST / HTTP/1.1\r\nHost: a\r\n"
    b"Transfer-Encoding: xchunked\r\n\r\n",
    "chunked twice": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
    b"Transfer-Encoding: identity\r\n\r\n",
    "a target beyond ASCII": b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n",
    "a target with a tab": b"GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    "another protocol": b"RTSP / RTSP/1.0\r\n\r\n",
    "nothing": b"\r\n\r\n",
}


@pytest.mark.parametrize("head", FOR_THE_GENERIC_LANE.values(), ids=FOR_THE_GENERIC_LANE.keys())
def test_not_ordinary(head: bytes):
    assert read_request(head) is None


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail(noise: bytes):
    for head in (noise, b"GET / HTTP/1.1\r\n" + noise + b"\r\n\r\n"):
        read = read_request(head)
        assert read is None or read.target == "/" or head is noise


ANSWERS = [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "GET", 200, 3, False),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n", "GET", 200, 3, True),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n", "GET", 200, 3, True),
    (
        b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n",
        "GET",
        200,
        3,
        False,
    ),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", 200, CHUNKED, False),
    (b"HTTP/1.1 200 OK\r\n\r\n", "GET", 200, UNTIL_CLOSE, True),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "HEAD", 200, 0, False),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HEAD", 200, 0, False),
    (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", "GET", 304, 0, False),
    (b"HTTP/1.1 204 No Content\r\n\r\n", "GET", 204, 0, False),
    (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "GET", 200, 0, False),
    # Old servers' ways.
    (b"HTTP/1.1 200 OK\nContent-Length: 3\n\n", "GET", 200, 3, False),
    (b"HTTP/1.0 200 OK\nContent-Type: text/html\n\n", "GET", 200, UNTIL_CLOSE, True),
    (b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 3\r\n\r\n", "GET", 200, 3, False),
]


@pytest.mark.parametrize(("head", "method", "status", "length", "close"), ANSWERS)
def test_answers(head: bytes, method: str, status: int, length: int, *, close: bool):
    read = read_answer(head, method)
    assert (read.status, read.length, read.close) == (status, length, close)
    assert all(name.lower() not in {b"connection", b"keep-alive"} for name, _ in read.fields)
    assert all(b"\n" not in value and b"\r" not in value for _, value in read.fields)


def test_what_an_answer_is_of():
    head = (
        b"HTTP/1.1 200 Fine\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 0\r\n\r\n"
    )
    read = read_answer(head, "GET")
    assert (read.content_type, read.reason) == ("text/html; charset=utf-8", b"Fine")


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"SSH-2.0-OpenSSH hunter2\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "both"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: hunter2\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nhunter2 : 3\r\n\r\n", "invalid header name"),
        (b"HTTP/1.1 200 OK\r\nX: a\rhunter2\r\n\r\n", "a line break"),
        (b"HTTP/1.1 200 OK\r\nX: a\0hunter2\r\n\r\n", "a line break or NUL"),
    ],
)
def test_answers_that_do_not_pass(head: bytes, said: str):
    with pytest.raises(HeadError, match=said) as caught:
        read_answer(head, "GET")
    assert "hunter2" not in str(caught.value), "a server's words may hold a cookie"
