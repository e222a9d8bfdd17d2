"""Ways out of their own: from another source address, or through another parent proxy.

In: `network.egress`; a connected socket to such a proxy. Out: the way out of each profile; a socket
that leads to the server asked for.
Must never: let what belongs to one way out be used by another; read a byte of what the server
sends; go on with a proxy that has not said that the tunnel stands.

The tunnel is made before anything above knows of the connection, for plain HTTP too, so that no
layer differs by who asks.
"""

from __future__ import annotations

import asyncio
import re
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from proxy_addons.addons.parent import basic_login
from proxy_addons.engine.outcomes import ConnectFailed, ConnectRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy_addons.settings.people import Egress

_HEAD: Final = 16 * 1024  # bytes of the proxy's answers
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [^\r\n]*)?\r\n")
_SWITCHING, _STANDS, _NOT_STANDS = 101, 200, 300
_BIND_ADDRESS_NO_PORT: Final = getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24)


@dataclass(frozen=True, slots=True)
class WayOut:
    """How servers are reached; two that are equal are one.

    Attributes:
        source: numeric address of this machine that connections are made from, or None.
        proxy: host and port of a proxy that is asked for tunnels, or None.
        login: `Proxy-Authorization` for it, or None.
    """

    source: str | None = None
    proxy: tuple[str, int] | None = None
    login: bytes | None = field(default=None, repr=False)


def ways_out(entries: tuple[Egress, ...]) -> Mapping[str, WayOut]:
    """The ways out by profile.

    Args:
        entries: `network.egress`.
    """
    return {
        each.profile: WayOut(
            each.source_address,
            (each.proxy.host, each.proxy.port) if each.proxy else None,
            basic_login(each.proxy_credentials) if each.proxy_credentials else None,
        )
        for each in entries
    }


def new_socket(family: int, kind: int, protocol: int, source: str | None) -> socket.socket:
    """A socket, not blocking, bound to a source address where there is one.

    Raises:
        OSError: the address is none of this machine.
    """
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)  # noqa: FBT003 - as the socket module has it
        if source is not None:
            # Else each connection would take a port of that address from all others.
            sock.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
            sock.bind((source, 0))
    except BaseException:
        sock.close()
        raise
    return sock


async def ask_for_tunnel(sock: socket.socket, host: str, port: int, login: bytes | None) -> None:
    """Ask a proxy for a tunnel (RFC 9110 9.3.6), and read its answer and nothing beyond it.

    Args:
        sock: connected to the proxy, not blocking. What the server says first stays in it.
        host: canonical name or address of the server.
        port: its port.
        login: `Proxy-Authorization`, or None.

    Raises:
        ConnectFailed: the tunnel does not stand.
        OSError: the connection broke.
    """
    bare = f"[{host}]" if ":" in host else host
    authority = f"{bare}:{port}".encode("ascii")
    head = b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n" % (authority, authority)
    if login is not None:
        head += b"Proxy-Authorization: %b\r\n" % login
    await asyncio.get_running_loop().sock_sendall(sock, head + b"\r\n")
    status = await _status(sock)
    if _STANDS <= status < _NOT_STANDS:
        return
    if status == 407:
        raise _failed("the proxy of this way out wants other credentials (407)")
    kind = "upstream-timeout" if status == 504 else "upstream-failed"
    raise _failed(f"the proxy of this way out answered {status} to CONNECT", kind)


def _failed(text: str, kind: str = "upstream-failed") -> ConnectFailed:
    return ConnectFailed(ConnectRefused(text, kind))


async def _status(sock: socket.socket) -> int:
    """The status of the proxy's final answer."""
    left = _HEAD
    while True:
        head = await _head(sock, left)
        left -= len(head)
        found = _STATUS.match(head)
        if found is None or int(found[1]) == _SWITCHING:
            raise _failed("the proxy of this way out does not answer as one")
        if int(found[1]) >= _STANDS:
            return int(found[1])


async def _head(sock: socket.socket, most: int) -> bytes:
    """One head, to the empty line that ends it. What follows stays in the socket."""
    got = b""
    while len(got) < most:
        try:
            seen = sock.recv(most - len(got), socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            await _readable(sock)
            continue
        if not seen:
            raise _failed("the proxy of this way out closed the connection")
        end = (got + seen).find(b"\r\n\r\n")
        # What has been seen without an end in it is taken, so that it is not seen again at once.
        got += sock.recv(len(seen) if end < 0 else end + 4 - len(got))
        if end >= 0:
            return got
    raise _failed("the proxy of this way out answered with too much")


async def _readable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def come() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(sock, come)
    try:
        await ready
    finally:
        loop.remove_reader(sock)
