"""The ClientHello: what a client says before TLS begins, read strictly and once.

In: the client's first bytes. Out: the names and protocols in it, or None while it is not complete.
Must never: read a name where OpenSSL would read another or none; accept a length that does not add
up; keep more than what is asked of it.

mitmproxy's own reader makes some forty objects that know one another, for each connection, and
takes lengths that do not add up. This one takes less, never more: tests/engine/test_hello.py.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from mitmproxy.net import check
from mitmproxy.proxy.layers.tls import get_client_hello

_SERVER_NAME, _ALPN = 0, 16  # RFC 6066 3, RFC 7301 3.1
_HOST_NAME = 0
_NAME_LIMIT = 255
_HEAD = struct.Struct("!HH")  # type and length of an extension
_BEYOND = "a length that leads beyond the end"
_RANDOM_END = 2 + 32  # of the version and the random
_SESSION_LIMIT = 32
_NAME = re.compile(rb"(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?")


@dataclass(frozen=True, slots=True)
class Hello:
    """A ClientHello (RFC 8446 4.1.2).

    Attributes:
        sni: the one name in its server_name extension, as it was sent; None where there is none,
            or none that can be read.
        alpn_protocols: the protocols it offers.
        extensions: type and body of each, in order.
    """

    sni: str | None
    alpn_protocols: list[bytes]
    extensions: list[tuple[int, bytes]]


class _Reader:
    """Takes pieces off the front of bytes; ValueError where there are too few."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data = data
        self._at = at

    def number(self, size: int) -> int:
        return int.from_bytes(self._take(size))

    def sized(self, size: int) -> bytes:
        """A piece that its own length, of `size` octets, goes before."""
        return self._take(int.from_bytes(self._take(size)))

    def more(self) -> bool:
        return self._at < len(self._data)

    def _take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise ValueError(_BEYOND)
        piece = self._data[self._at : end]
        self._at = end
        return piece


def read_hello(data: bytes) -> Hello | None:
    """The ClientHello at the beginning of what a client sent.

    Args:
        data: TLS records.

    Returns:
        None while it is not complete.

    Raises:
        ValueError: it cannot be read.
    """
    message = get_client_hello(data)
    if message is None:
        return None
    reader = _Reader(message, 4 + _RANDOM_END)
    session, ciphers, compression = reader.sized(1), reader.sized(2), reader.sized(1)
    if len(session) > _SESSION_LIMIT or not ciphers or len(ciphers) % 2 or not compression:
        msg = "a ClientHello whose parts have impossible sizes"
        raise ValueError(msg)
    extensions = list[tuple[int, bytes]]()
    if reader.more():  # before TLS 1.3 there need be none
        extensions = _extensions(reader.sized(2))
        if reader.more():
            msg = "a ClientHello with something behind it"
            raise ValueError(msg)
    by_type = dict(extensions)
    if len(by_type) < len(extensions):
        # RFC 8446 4.2. Of two names one would be judged, and the other perhaps gone to.
        msg = "a ClientHello that says something twice"
        raise ValueError(msg)
    name, protocols = by_type.get(_SERVER_NAME), by_type.get(_ALPN)
    return Hello(
        _name(name) if name is not None else None,
        _protocols(protocols) if protocols is not None else [],
        extensions,
    )


def _extensions(block: bytes) -> list[tuple[int, bytes]]:
    """By hand: there are a dozen or more, in each hello."""
    found = []
    at, end = 0, len(block)
    while at < end:
        start = at + 4
        if start > end:
            raise ValueError(_BEYOND)
        kind, size = _HEAD.unpack_from(block, at)
        at = start + size
        if at > end:
            raise ValueError(_BEYOND)
        found.append((kind, block[start:at]))
    return found


def _name(body: bytes) -> str | None:
    """The name of a server_name extension, if it holds just one, and that is a host's."""
    outer = _Reader(body)
    names = _Reader(outer.sized(2))
    if outer.more() or not names.more():
        return None
    kind, name = names.number(1), names.sized(2)
    if names.more() or kind != _HOST_NAME:
        return None
    if len(name) > _NAME_LIMIT or not _NAME.fullmatch(name):
        return None
    if b"xn--" in name.lower() and not check.is_valid_host(name):
        return None
    return name.decode("ascii")


def _protocols(body: bytes) -> list[bytes]:
    outer = _Reader(body)
    inside = _Reader(outer.sized(2))
    found = []
    while inside.more():
        found.append(inside.sized(1))
    if outer.more():
        msg = "protocols with something behind them"
        raise ValueError(msg)
    return found
