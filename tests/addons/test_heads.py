"""Heads as bytes: faults, what the gate is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from support.heads import HEADS, Pairs, pairs

from proxy_addons.addons.heads import facts_of_head, fault_of_head

SECRET = b"hunter2"


# --- faults -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (("Host: a", "Content-Length: 0"), None),
        (("Host: a", "Content-Length: 5", "X: \xe9"), None),
        (("Transfer-Encoding: chunked",), None),
        (("Transfer-Encoding: GZIP ,\t chunked",), None),
        (("Content-Length: 5", "content-length: 5"), "multiple content-length headers"),
        (("Content-Length: 5, 5",), "invalid content-length header"),
        (("Content-Length: +5",), "invalid content-length header"),
        (("Content-Length: 05",), "invalid content-length header"),
        (("Content-Length: ",), "invalid content-length header"),
        (("Content-Length: 1000000000000000000",), "invalid content-length header"),
        (("Content-Length: 5\n",), "a line break or NUL in a header field"),
        (("Content-Length: ²",), "invalid content-length header"),
        (("Transfer-Encoding: chunked", "Content-Length: 5"),
         "message with both transfer-encoding and content-length headers"),
        (("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
         "multiple transfer-encoding headers"),
        (("Transfer-Encoding: identity",), "unknown transfer-encoding header"),
        (("Transfer-Encoding: chunked, gzip",), "unknown transfer-encoding header"),
        (("Transfer-Encoding: chunked, chunked",), "unknown transfer-encoding header"),
        (("Transfer-Encoding: \x0bchunked",), "unknown transfer-encoding header"),
        (("Transfer-Encoding: chun\u212aed",), "unknown transfer-encoding header"),
        (("Transfer-Encoding: ",), "unknown transfer-encoding header"),
        (("Transfer-Encoding : chunked",), "invalid header name"),
        ((" X: 1",), "invalid header name"),
        ((": 1",), "invalid header name"),
        (("X(: 1",), "invalid header name"),
        (("X: a\r\n b",), "a line break or NUL in a header field"),
        (("X: a\0b",), "a line break or NUL in a header field"),
    ],
)  # fmt: skip
def test_fields_that_can_be_read_in_two_ways(lines: tuple[str, ...], fault: str | None) -> None:
    assert fault_of_head(b"GET", b"HTTP/1.1", pairs("Host: x", *lines)) == fault


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/2.0"])
def test_transfer_encoding_is_of_http_1_1_alone(version: bytes) -> None:
    fields = pairs("Transfer-Encoding: chunked")
    assert fault_of_head(b"GET", version, fields) == "unexpected HTTP transfer-encoding"


@pytest.mark.parametrize(
    ("method", "version", "fault"),
    [
        (b"GET", b"HTTP/1.0", None),
        (b"M-SEARCH", b"HTTP/1.1", None),
        (b"get", b"HTTP/2.0", None),
        (b"GET", b"HTTP/1.2", "a version of HTTP that is unknown"),
        (b"GET", b"HTTP/0.9", "a version of HTTP that is unknown"),
        (b"GET", b"http/1.1", "a version of HTTP that is unknown"),
        (b"", b"HTTP/1.1", "a method that is no word"),
        (b"G T", b"HTTP/1.1", "a method that is no word"),
        (b"G\xe9T", b"HTTP/1.1", "a method that is no word"),
        (b"PRI", b"HTTP/1.1", "HTTP/2 in the clear"),
    ],
)
def test_request_lines(method: bytes, version: bytes, fault: str | None) -> None:
    assert fault_of_head(method, version, pairs("Host: x")) == fault


def test_http_1_1_has_a_host() -> None:
    """Found by scripts/fuzz: inside a tunnel such a request was sent on as it was."""
    assert fault_of_head(b"GET", b"HTTP/1.1", pairs("HoHost: x")) == "no Host field"
    assert fault_of_head(b"GET", b"HTTP/1.1", pairs("hOST: x")) is None
    assert fault_of_head(b"GET", b"HTTP/1.0", ()) is None
    assert fault_of_head(b"GET", b"HTTP/2.0", ()) is None


@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/2.0"])
def test_a_host_is_ascii(version: bytes) -> None:
    """Found by scripts/fuzz: in UTF-8 it was another site's name than in Latin-1."""
    host = ((b"Host", b"blocked\xd2\x8best"),)
    assert fault_of_head(b"GET", version, host) == "a Host that is not ASCII"
    elsewhere = ((b"Host", b"allowed.test"), (b"Referer", b"http://\xc3\xa9/"))
    assert fault_of_head(b"GET", version, elsewhere) is None


@given(HEADS)
def test_a_fault_quotes_nothing(fields: Pairs) -> None:
    marked = [(name, value + SECRET) for name, value in fields]
    assert SECRET.decode() not in str(fault_of_head(b"GET", b"HTTP/1.1", marked))


# --- facts ------------------------------------------------------------------------------------


def test_what_the_gate_is_told() -> None:
    fields = pairs(
        "host: a.test", "Accept: text/html", "ACCEPT: */*", "Sec-Fetch-Dest: document",
        "Upgrade: WebSocket", "Content-Type: application/dns-message", "Via: 1.1 a", "via: 1.1 b",
        "Cookie: c=1",
    )  # fmt: skip
    facts = facts_of_head(fields, method="GET", scheme="https", path="/x", target_authority="b")
    assert (facts.authority, facts.authorities, facts.target_authority) == ("a.test", 1, "b")
    assert (facts.accept, facts.fetch_dest) == ("text/html, */*", "document")
    assert (facts.upgrade, facts.content_type) == ("websocket", "application/dns-message")
    assert facts.via == "1.1 a, 1.1 b"
    assert (facts.method, facts.scheme, facts.path) == ("GET", "https", "/x")


def test_every_host_counts_and_the_first_is_taken() -> None:
    facts = facts_of_head(
        pairs("Host: a.test", "hoSt: b.test"), method="GET", scheme="http", path="/"
    )
    assert (facts.authorities, facts.authority) == (2, "a.test")


@given(HEADS)
def test_any_bytes_can_be_told(fields: Pairs) -> None:
    facts = facts_of_head(fields, method="GET", scheme="http", path="/")
    assert facts.authorities == sum(name.lower() == b"host" for name, _ in fields)
