"""Bodies that pass: their ends, their counts, and that it does not matter how they are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.engine.relay.bodies import Body, BodyError, Chunked, Fixed, UntilClose, body_of
from proxy_addons.engine.relay.heads import CHUNKED, UNTIL_CLOSE


def chunked(pieces: list[bytes]) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in pieces) + b"0\r\n\r\n"


def content(framed: bytes) -> bytes:
    """What a strict reader gets out of chunks."""
    got = b""
    while True:
        size, _, framed = framed.partition(b"\r\n")
        if int(size, 16) == 0:
            assert framed == b"\r\n"
            return got
        got += framed[: int(size, 16)]
        assert framed[int(size, 16) :][:2] == b"\r\n"
        framed = framed[int(size, 16) + 2 :]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in pairwise(edges)]


def feed_all(body: Body, pieces: list[bytes]) -> None:
    for piece in pieces:
        body.feed(piece)


CUTS = st.lists(st.integers(0, 10_000), max_size=8)


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=6), CUTS)
def test_chunks_however_they_are_cut(pieces: list[bytes], places: list[int]):
    body = Chunked(exact=False)
    out = b"".join(body.feed(piece)[0] for piece in cut(chunked(pieces), places))
    assert body.done
    assert content(out) == b"".join(pieces)
    assert body.count == len(b"".join(pieces))


@given(
    st.lists(st.sampled_from([b"x", b"\r\n\r\n", b"0\r\n\r\n", b"\r", b"\n", b"ab"]), max_size=6),
    st.sampled_from([b"", b"G", b"GET / HTTP/1.1\r\n\r\n", b"\r\n\r\n", b"\x00\x01", b"0\r\n\r\n"]),
    CUTS,
)
def test_the_end_of_chunks_is_found_exactly(pieces: list[bytes], behind: bytes, places: list[int]):
    body = Chunked(exact=True)
    out = rest = b""
    for piece in cut(chunked(pieces) + behind, places):
        if body.done:
            rest += piece
            continue
        passed, more = body.feed(piece)
        assert more is not None
        out, rest = out + passed, rest + more
    assert body.done
    assert content(out) == b"".join(pieces)
    assert rest == behind


@given(st.binary(max_size=200), st.binary(max_size=50), CUTS)
def test_a_length_however_it_is_cut(data: bytes, behind: bytes, places: list[int]):
    body = Fixed(len(data))
    passed = rest = b""
    for piece in cut(data + behind, places):
        if body.done:
            rest += piece
            continue
        some, more = body.feed(piece)
        assert more is not None
        passed, rest = passed + some, rest + more
    assert (passed, rest, body.count, body.done) == (data, behind, len(data), True)


def test_extensions_and_trailers_stay_here():
    body = Chunked(exact=False)
    passed, rest = body.feed(b'5;name="v"\r\nhello\r\n0;x\r\nSet-Cookie: a=b\r\n\r\n')
    assert (passed, rest) == (b"5\r\nhello\r\n0\r\n\r\n", b"")


@pytest.mark.parametrize("behind", [b"GET / HTTP/1.1\r\n", b"\x00\x01", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_what_comes_behind_chunks_is_not_read(behind: bytes):
    body = Chunked(exact=False)
    passed, rest = body.feed(b"1\r\na\r\n0\r\n\r\n" + behind)
    assert (passed, rest, body.done) == (b"1\r\na\r\n0\r\n\r\n", None, True)


BAD = [
    b"5\nhello\r\n0\r\n\r\n", b"-5\r\nhello\r\n", b"+5\r\nhello\r\n", b"0x5\r\nhello\r\n",
    b" 5\r\nhello\r\n", b"5 \r\nhello\r\n", b"5\r\nhelloX\r\n", b"5\r\nhello\n0\r\n\r\n", b"\r\n",
    b"FFFFFFFFFFFFFFFFF\r\n", b"g\r\n", b"5;\nx\r\nhello\r\n", b"5\r\nhello\r\n0\r\nX : y\r\n\r\n",
]  # fmt: skip


@pytest.mark.parametrize("data", BAD)
@pytest.mark.parametrize("bytewise", [False, True])
def test_chunks_that_two_readers_could_read_differently(data: bytes, *, bytewise: bool):
    body = Chunked(exact=False)
    pieces = [data[i : i + 1] for i in range(len(data))] if bytewise else [data]
    with pytest.raises(BodyError):
        feed_all(body, pieces)
    assert not body.done


def test_a_chunks_head_without_end():
    with pytest.raises(BodyError, match="without end"):
        feed_all(Chunked(exact=False), [b"5;", *([b"e" * 1000] * 100)])


def test_until_the_end():
    body = UntilClose()
    assert body.feed(b"abc") == (b"abc", b"")
    assert (body.count, body.done) == (3, False)


@pytest.mark.parametrize(
    ("length", "kind"), [(0, Fixed), (7, Fixed), (CHUNKED, Chunked), (UNTIL_CLOSE, UntilClose)]
)
def test_which(length: int, kind: type[Body]):
    made = body_of(length)
    assert isinstance(made, kind)
    assert made.done == (length == 0)
