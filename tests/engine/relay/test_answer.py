"""A server's answer as it passes: whole before it is sent, the same however it is cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.engine.relay.answer import Answer, AnswerError

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
HINTED = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + PLAIN
CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
OLD = b"HTTP/1.0 200 OK\nContent-Type: text/plain\n\nhello"


def answer(method: str = "GET", *, close: bool = False) -> Answer:
    return Answer(method, 65536, 200, close=close)


@given(st.sampled_from([PLAIN, HINTED, CHUNKS, OLD]), st.lists(st.integers(0, 120), max_size=6))
def test_however_it_is_cut(data: bytes, places: list[int]):
    whole, parts = answer(), answer()
    edges = sorted({0, len(data), *(place % len(data) for place in places)})
    out = b"".join(parts.feed(data[a:b]) for a, b in pairwise(edges))
    assert out.partition(b"\r\n\r\n")[0] == whole.feed(data).partition(b"\r\n\r\n")[0]
    assert parts.count == whole.count == 5
    assert (parts.done, parts.last, parts.close) == (whole.done, whole.last, whole.close)


def test_hints_do_not_pass():
    assert answer().feed(HINTED) == PLAIN


def test_nothing_before_the_head_is_whole():
    made = answer()
    for byte in range(len(PLAIN) - 6):
        assert made.feed(PLAIN[byte : byte + 1]) == b""
        assert made.head is None


def test_an_answer_to_head_has_no_body():
    made = answer("HEAD")
    assert made.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n").endswith(b"\r\n\r\n")
    assert (made.done, made.count, made.last) == (True, 0, False)


@pytest.mark.parametrize("first", [b"HTTP/1.1 204 No\r\n\r\n", PLAIN, CHUNKS])
def test_a_server_that_says_more_is_not_asked_again(first: bytes):
    made = answer()
    out = made.feed(first + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
    assert b"forged" not in out
    assert (made.done, made.last) == (True, True)


def test_the_client_is_told_that_it_was_the_last():
    assert b"\r\nConnection: close\r\n" in answer(close=True).feed(PLAIN)
    made = answer()
    assert b"\r\nConnection: close\r\n" in made.feed(OLD)
    assert made.close, "only the connection's end can end the body"
    made.end()
    assert made.done


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nraw", "nobody asked"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70000, "more than 64 kB"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70000 + b"\r\n\r\n", "more than 64 kB"),
        (b"220 smtp hunter2\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "protocol error"),
    ],
)
def test_what_does_not_pass(data: bytes, said: str):
    with pytest.raises(AnswerError, match=said) as caught:
        answer().feed(data)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "said"), [(PLAIN[:20], "head"), (PLAIN[:-1], "answer"), (CHUNKS[:-3], "answer")]
)
def test_a_server_that_leaves_early(data: bytes, said: str):
    made = answer()
    made.feed(data)
    with pytest.raises(AnswerError, match=said):
        made.end()
