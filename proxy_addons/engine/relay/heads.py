"""Heads of HTTP/1 messages, read by llhttp in its strict mode.

In: the bytes of one whole head, up to and with its empty line.
Out: what it says, or None where the generic lane has to look at it.
Must never: be lenient with a request; take part of a head; accept two ways of saying how long a
body is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httptools
from mitmproxy.net.http import http1
from mitmproxy.net.http.validate import validate_headers

from proxy_addons.addons.heads import OF_PROXIES
from proxy_addons.addons.words import unquoted

if TYPE_CHECKING:
    from mitmproxy.http import Request

type Field = tuple[bytes, bytes]


class HeadError(Exception):
    """A head that cannot be passed on. Its text is ours, and quotes nothing of it."""


CHUNKED, UNTIL_CLOSE = -1, -2
"""Lengths of bodies that no number says."""

# What makes a request one for the generic lane: it asks for another protocol, or for a word before
# its body is sent.
_GENERIC = frozenset({b"upgrade", b"expect", b"http2-settings"})
_NO_BODY = frozenset({204, 304})  # RFC 9112 6.3
_UNSAFE = re.compile(rb"[\x00\r\n]")  # RFC 9110 5.5
_OF_THIS_HOP = frozenset({b"connection", b"keep-alive", b"proxy-connection"}) | OF_PROXIES
_LINE_END = re.compile(rb"\r?\n")


class _Listener:
    """Takes down what the parser reads. The names of its methods are httptools'."""

    __slots__ = ("complete", "fields", "reason", "target")

    def __init__(self) -> None:
        self.fields: list[Field] = []
        self.target = b""
        self.reason = b""
        self.complete = False

    def on_url(self, url: bytes) -> None:
        self.target = url

    def on_status(self, reason: bytes) -> None:
        self.reason = reason

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value))

    def on_headers_complete(self) -> None:
        self.complete = True


@dataclass(slots=True)
class RequestHead:
    """The head of an ordinary request.

    Attributes:
        method: as sent.
        target: as sent; visible ASCII.
        fields: names and values in their order.
        named: the first value of each field by its name in lower case.
        hosts: how many `Host` fields there are.
        length: bytes of its body, or CHUNKED.
        close: whether the client wants the connection closed afterwards.
    """

    method: str
    target: str
    fields: list[Field]
    named: dict[bytes, bytes]
    hosts: int
    length: int
    close: bool


@dataclass(slots=True)
class AnswerHead:
    """The head of an answer.

    Attributes:
        status: 100 to 999.
        reason: its phrase.
        fields: names and values in their order, of this hop's none.
        content_type: as it is said in the head, or None.
        length: bytes of its body, CHUNKED or UNTIL_CLOSE.
        close: whether the server closes the connection afterwards.
    """

    status: int
    reason: bytes
    fields: list[Field]
    content_type: str | None
    length: int
    close: bool


def read_request(head: bytes) -> RequestHead | None:
    """Read the head of a request; None for one that is not ordinary, or not sound.

    Args:
        head: from its first octet to its empty line; of any client.
    """
    listener = _Listener()
    parser = httptools.HttpRequestParser(listener)
    try:
        parser.feed_data(head)
    except httptools.HttpParserUpgrade:
        # CONNECT, or an upgrade, which is told apart below.
        pass
    except httptools.HttpParserError:
        # Not sound, or unknown to llhttp: the generic lane refuses it, or knows better.
        return None
    method = parser.get_method()
    # llhttp takes more than one space between them.
    if not listener.complete or not head.startswith(
        b"%b %b HTTP/1.1\r\n" % (method, listener.target)
    ):
        return None
    named: dict[bytes, bytes] = {}
    hosts = 0
    for name, value in listener.fields:
        key = name.lower()
        if key == b"host":
            hosts += 1
        named.setdefault(key, value)
    if not _GENERIC.isdisjoint(named) or not listener.target.isascii():
        return None
    length = 0
    coding = named.get(b"transfer-encoding")
    if coding is not None:
        if coding.lower() != b"chunked":
            return None
        length = CHUNKED
    elif (stated := named.get(b"content-length")) is not None:
        length = int(stated)  # llhttp has seen that it is digits, and there once
    return RequestHead(
        method=method.decode("ascii"),
        target=listener.target.decode("ascii"),
        fields=listener.fields,
        named=named,
        hosts=hosts,
        length=length,
        close=b"close" in named.get(b"connection", b"").lower(),
    )


def read_answer(head: bytes, method: str) -> AnswerHead:
    """Read the head of an answer.

    Args:
        head: from its first octet to its empty line; of any server.
        method: of the request that it answers.

    Raises:
        HeadError: it is not HTTP, or does not say clearly how long its body is. The request in
            hand gets the page for that.
    """
    listener = _Listener()
    parser = httptools.HttpResponseParser(listener)
    try:
        parser.feed_data(head)
    except httptools.HttpParserUpgrade:
        pass  # 101: the caller refuses it, as nobody asked for it
    except httptools.HttpParserError:
        # An old server's ways: read as the generic lane reads it.
        return _read_sloppily(head, method)
    status = parser.get_status_code()
    if not listener.complete:
        return _read_sloppily(head, method)
    answer = AnswerHead(status, listener.reason, [], None, UNTIL_CLOSE, close=False)
    answer.close = parser.get_http_version() != "1.1"
    if not _take_fields(answer, listener.fields):
        return _read_sloppily(head, method)
    if method == "HEAD" or status in _NO_BODY or status < 200:
        answer.length = 0
    answer.close = answer.close or answer.length == UNTIL_CLOSE
    return answer


def _take_fields(answer: AnswerHead, fields: list[Field]) -> bool:
    """Sort an answer's fields into what we go by and what the client gets.

    Returns:
        False where they need a second look.
    """
    chunked = False
    for field in fields:
        match field[0].lower():
            case b"connection":
                said = field[1].lower()
                answer.close = b"close" in said or (answer.close and b"keep-alive" not in said)
                continue
            case (
                b"keep-alive"
                | b"proxy-connection"
                | b"proxy-authenticate"
                | b"proxy-authentication-info"
            ):
                continue
            case b"content-length":
                answer.length = int(field[1])
            case b"transfer-encoding":
                chunked = field[1].lower() == b"chunked"
                if not chunked:
                    return False
            case b"content-type":
                if answer.content_type is None:
                    answer.content_type = field[1].decode("utf-8", "surrogateescape")
        answer.fields.append(field)
    if chunked:
        answer.length = CHUNKED
    return True


def _read_sloppily(head: bytes, method: str) -> AnswerHead:
    """Read an answer's head by mitmproxy's parser, which knows what old servers send."""
    lines = _LINE_END.split(head.rstrip(b"\r\n"))
    try:
        response = http1.read_response_head(lines)
        size = http1.expected_http_body_size(_asked(method), response)
    except (ValueError, IndexError) as problem:  # IndexError: mitmproxy's, of an empty line
        # Its text quotes the server, who may have sent a cookie.
        raise HeadError("an answer that is not HTTP") from problem
    # RFC 9112 5.2: a proxy puts folded lines on one.
    response.headers.fields = tuple(
        (name, value.replace(b"\r\n ", b" ")) for name, value in response.headers.fields
    )
    try:
        validate_headers(response)
    except ValueError as problem:
        raise HeadError(unquoted(str(problem))) from problem
    if _UNSAFE.search(b"\xff".join(value for _, value in response.headers.fields)):
        raise HeadError("a line break or NUL in a header field")
    fields = [field for field in response.headers.fields if field[0].lower() not in _OF_THIS_HOP]
    length = CHUNKED if size is None else UNTIL_CLOSE if size < 0 else size
    close = http1.connection_close(response.http_version, response.headers)  # type: ignore[no-untyped-call] # of mitmproxy
    return AnswerHead(
        response.status_code,
        response.data.reason,
        fields,
        response.headers.get("content-type"),
        length,
        close or length == UNTIL_CLOSE,
    )


def _asked(method: str) -> Request:
    """A request that mitmproxy's function can be asked with: it looks at the method only."""
    return http1.read_request_head([f"{method} / HTTP/1.1".encode()])
