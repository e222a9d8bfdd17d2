"""The PROXY protocol, version 2: a load balancer says whose connection it hands on.

In: the first bytes of a connection from a balancer that the settings name. Out: the client's
address, or a `HeaderError`.
Must never: take a header that is not exactly right; read a byte beyond it; be asked about a
connection from elsewhere (there such bytes are a bad request).

Source: "The PROXY protocol", versions 1 and 2 (HAProxy, 2020/03/05), section 2.2. Version 1, a line
of text, is refused: it has no length, so that reading it without what follows is guesswork, and
every balancer that speaks it speaks version 2.
"""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import socket

_SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_FIXED: Final = 16  # bytes before addresses and TLVs
# TLVs are a handful; that of a client certificate's names is the longest in use.
_MOST: Final = 4096
_LOCAL, _PROXY = 0x20, 0x21  # version and command
_TCP4, _TCP6 = 0x11, 0x21  # family and protocol
_ADDRESSES: Final = {_TCP4: 12, _TCP6: 36}  # bytes
_CRC32C: Final = 0x03  # PP2_TYPE_CRC32C


class HeaderError(ValueError):
    """There is no sound header: the connection is closed. The text has none of its bytes."""


async def read_header(sock: socket.socket) -> tuple[str, int] | None:
    """Read the header of a connection, and nothing beyond it.

    Args:
        sock: not blocking, nothing read from it yet.

    Returns:
        The client's address and port; None where the balancer speaks for itself (LOCAL: a check
        of whether we are there).

    Raises:
        HeaderError: what came is no sound header.
        EOFError: the connection ended with not one byte sent, as the simplest checks do.
        OSError: it broke.
    """
    fixed = await _exactly(sock, _FIXED)
    # Of a client that is no balancer: told at once by the first bytes, not by their absence.
    length = length_of(fixed)
    return parse(fixed, await _exactly(sock, length, begun=True))


def length_of(fixed: bytes) -> int:
    """How many bytes follow the first sixteen.

    Raises:
        HeaderError: these are not the beginning of a header.
    """
    if fixed[: len(_SIGNATURE)] != _SIGNATURE:
        if fixed.startswith(b"PROXY "):
            raise HeaderError("a header of version 1: let the balancer send version 2")
        raise HeaderError("no PROXY protocol header")
    if fixed[12] not in {_LOCAL, _PROXY}:
        raise HeaderError("a PROXY protocol header of a version or command that is not known")
    length = int.from_bytes(fixed[14:16])
    if length > _MOST:
        msg = f"a PROXY protocol header of more than {_MOST} bytes"
        raise HeaderError(msg)
    return length


def parse(fixed: bytes, rest: bytes) -> tuple[str, int] | None:
    """The client that a header names.

    Args:
        fixed: its first sixteen bytes, passed by `length_of`.
        rest: what follows, of that length.

    Returns:
        Numeric address (an IPv4 one inside IPv6 is given as IPv4) and port; None for LOCAL.

    Raises:
        HeaderError: it is not sound.
    """
    local = fixed[12] == _LOCAL
    size = _ADDRESSES.get(fixed[13])
    if not local and size is None:
        # UNSPEC, UDP, UNIX: a client without an address that it could be known by.
        raise HeaderError("a PROXY protocol header for something else than TCP over IPv4 or IPv6")
    if size is not None and len(rest) < size:
        if not local or rest:
            raise HeaderError("a PROXY protocol header whose addresses are cut short")
        size = 0
    _check_extras(fixed, rest, size or 0, whole=size is not None)
    if local:
        return None
    if fixed[13] == _TCP4:
        return _client(IPv4Address(rest[:4]), rest[8:10])
    address = IPv6Address(rest[:16])
    return _client(address.ipv4_mapped or address, rest[32:34])


def _client(address: IPv4Address | IPv6Address, port: bytes) -> tuple[str, int]:
    number = int.from_bytes(port)
    if address.is_unspecified or address.is_multicast or not number:
        raise HeaderError("a PROXY protocol header with an address that no client can have")
    return str(address), number


def _check_extras(fixed: bytes, rest: bytes, start: int, *, whole: bool) -> None:
    """See that type-length-value fields fill what is left, and that a checksum fits."""
    if not whole:
        return  # LOCAL of a family that is not known: to be passed over (2.2)
    at = start
    while at < len(rest):
        if len(rest) - at < 3:
            raise HeaderError("a PROXY protocol header with half a field at its end")
        kind, length = rest[at], int.from_bytes(rest[at + 1 : at + 3])
        at += 3
        if len(rest) - at < length:
            raise HeaderError("a PROXY protocol header with a field beyond its end")
        if kind == _CRC32C:
            if length != 4:
                raise HeaderError("a PROXY protocol header with a checksum of a wrong length")
            said = int.from_bytes(rest[at : at + 4])
            if crc32c(fixed + rest[:at] + bytes(4) + rest[at + 4 :]) != said:
                raise HeaderError("a PROXY protocol header whose checksum is wrong")
        at += length


def _table() -> tuple[int, ...]:
    made = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        made.append(value)
    return tuple(made)


_TABLE: Final = _table()


def crc32c(data: bytes) -> int:
    """The Castagnoli checksum (RFC 9260 appendix A), of which Python's library has none."""
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ _TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


async def _exactly(sock: socket.socket, count: int, *, begun: bool = False) -> bytes:
    loop = asyncio.get_running_loop()
    got = b""
    while len(got) < count:
        data = await loop.sock_recv(sock, count - len(got))
        if not data:
            if got or begun:
                raise HeaderError("a connection that ended within its PROXY protocol header")
            raise EOFError
        got += data
        if not begun and not _SIGNATURE.startswith(got[: len(_SIGNATURE)]):
            length_of(got + bytes(count - len(got)))  # says what it is instead
    return got
