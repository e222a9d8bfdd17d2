"""The header of a load balancer: taken when it is exactly right, and nothing beyond it is read."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.balancer import CRC, SIGNATURE, header, tlv

from proxy_addons.engine.proxyprotocol import (
    HeaderError,
    crc32c,
    length_of,
    parse,
    read_header,
)


def read(whole: bytes) -> tuple[str, int] | None:
    assert length_of(whole[:16]) == len(whole) - 16
    return parse(whole[:16], whole[16:])


def test_the_checksum_is_castagnolis() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # RFC 3720 B.4 has more; this is the usual check
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720 B.4


addresses = st.one_of(
    st.integers(1, 2**32 - 1).map(IPv4Address), st.integers(2, 2**128 - 1).map(IPv6Address)
).filter(lambda address: not address.is_multicast)


@given(
    addresses,
    st.integers(1, 65535),
    st.lists(
        st.tuples(st.integers(0, 255).filter(lambda kind: kind != CRC), st.binary(max_size=40))
    ),
    st.booleans(),
)
def test_what_a_balancer_writes_is_read(
    address: IPv4Address | IPv6Address, port: int, fields: list[tuple[int, bytes]], checked: bool
) -> None:
    extras = b"".join(tlv(*field) for field in fields)[:2000]
    whole = header(str(address), port, extras=b"" if _cut(extras) else extras, checked=checked)
    plain = getattr(address, "ipv4_mapped", None) or address
    assert read(whole) == (str(plain), port)
    if checked:
        # Beyond the addresses a flipped bit may hide that there is a checksum at all.
        for place in range(16, 16 + (12 if address.version == 4 else 36)):
            broken = bytearray(whole)
            broken[place] ^= 0x10
            with pytest.raises(HeaderError):
                parse(bytes(broken[:16]), bytes(broken[16:]))


def _cut(extras: bytes) -> bool:
    """Whether the cutting to a length has cut a field."""
    at = 0
    while at < len(extras):
        at += 3 + int.from_bytes(extras[at + 1 : at + 3])
    return at != len(extras)


@given(st.binary(max_size=80), st.integers(0, 255), st.integers(0, 255))
def test_whatever_comes_is_an_address_or_an_error(rest: bytes, command: int, family: int) -> None:
    fixed = SIGNATURE + struct.pack("!BBH", command, family, len(rest))
    with suppress(HeaderError):
        length_of(fixed)
        found = parse(fixed, rest)
        assert (found is None) == (command == 0x20)
        if found is not None:
            assert family in {0x11, 0x21}
            assert ip_address(found[0])
            assert 0 < found[1] < 65536


def test_a_balancers_own_check_has_no_client() -> None:
    assert read(header(command=0x20)) is None
    assert parse(SIGNATURE + b"\x20\x00\x00\x00", b"") is None
    assert parse(SIGNATURE + b"\x20\x00\x00\x03", b"xyz") is None, "to be passed over"
    assert parse(SIGNATURE + b"\x20\x11\x00\x00", b"") is None


@pytest.mark.parametrize(
    ("whole", "words"),
    [
        (b"PROXY TCP4 192.0.2.7 192.0.2.1 50123 3128\r\n", "of version 1"),
        (b"GET http://allowed.test/ HTTP/1.1\r\n\r\n", "no PROXY protocol header"),
        (SIGNATURE[:-1] + b"\r" + bytes(20), "no PROXY protocol header"),
        (header(command=0x11), "version or command"),
        (header(command=0x22), "version or command"),
        (header(family=0x00), "something else than TCP"),  # UNSPEC
        (header(family=0x12), "something else than TCP"),  # UDP
        (header(family=0x31), "something else than TCP"),  # UNIX
        (header(family=0x21), "cut short"),
        (header(extras=b"\x04\x00"), "half a field"),
        (header(extras=b"\x04\x00\x05abcd"), "beyond its end"),
        (header(extras=tlv(CRC, bytes(4))), "checksum is wrong"),
        (header(extras=tlv(CRC, bytes(5))), "wrong length"),
        (header("0.0.0.0"), "no client can have"),
        (header("224.0.0.1"), "no client can have"),
        (header("::"), "no client can have"),
        (header(port=0), "no client can have"),
        (SIGNATURE + b"\x21\x11\xff\xff" + bytes(70_000), "more than 4096 bytes"),
    ],
)
async def test_what_is_not_exactly_right(whole: bytes, words: str) -> None:
    near, far = pair()
    far.send(whole)
    with pytest.raises(HeaderError, match=words):
        await read_header(near)
    near.close()
    far.close()


def pair() -> tuple[socket.socket, socket.socket]:
    near, far = socket.socketpair()
    near.setblocking(False)  # noqa: FBT003 - as the socket module has it
    far.setblocking(False)  # noqa: FBT003 - as the socket module has it
    return near, far


@pytest.mark.parametrize("size", [1, 3, 15, 16, 17, 500])
async def test_nothing_beyond_it_is_read_however_it_comes(size: int) -> None:
    whole, behind = header(extras=tlv(0x04, bytes(30)), checked=True), b"\x16\x03\x01 a hello"
    near, far = pair()
    reading = asyncio.ensure_future(read_header(near))
    for start in range(0, len(whole + behind), size):
        far.send((whole + behind)[start : start + size])
        await asyncio.sleep(0)
    assert await reading == ("192.0.2.7", 50123)
    assert near.recv(100) == behind
    near.close()
    far.close()


@pytest.mark.parametrize(("count", "problem"), [(0, EOFError), (5, HeaderError), (20, HeaderError)])
async def test_an_end_before_its_end(count: int, problem: type[Exception]) -> None:
    near, far = pair()
    far.send(header()[:count])
    far.close()
    with pytest.raises(problem):
        await read_header(near)
    near.close()


async def test_who_speaks_something_else_is_not_waited_for() -> None:
    """A browser that is sent to a listener for balancers sends its request and waits."""
    near, far = pair()
    far.send(b"GET /")
    with pytest.raises(HeaderError, match="no PROXY protocol header"):
        await read_header(near)
    near.close()
    far.close()
