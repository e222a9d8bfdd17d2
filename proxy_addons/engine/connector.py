"""Connecting to servers: resolve, let the gate check each address, connect to a checked one.

In: host and port that the gate has judged, and the way out of whose request it is. Out: a connected
TCP socket, or `ConnectFailed`.
Must never: connect to an address that was not checked; resolve again between check and connection
(a name could be rebound to an inside address in between); take another way out than the one asked
for, whatever is wrong with it.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING, Any

import aiohappyeyeballs

from proxy_addons.content.wire import is_address
from proxy_addons.engine.egress import ask_for_tunnel, new_socket
from proxy_addons.engine.outcomes import SPENT, ConnectFailed, ConnectRefused
from proxy_addons.engine.resolver import ResolutionFailed, Resolver

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from proxy_addons.engine.egress import WayOut

_HAPPY_EYEBALLS_DELAY = 0.25  # seconds, RFC 8305 section 8


class Connector:
    """Opens checked TCP connections.

    Args:
        resolver: names to addresses.
        refusal: the gate's check: `refusal(address, port)` says why not, or None.
        timeout: seconds for the whole of resolving and connecting.
        parent: host and port of the parent proxy, which the operator named and which is therefore
            not subject to the check; None without one.
        resolved: is told what each name resolved to (gate/resolved.py).
    """

    def __init__(
        self,
        resolver: Resolver,
        refusal: Callable[[str, int], str | None],
        timeout: float,
        parent: tuple[str, int] | None,
        resolved: Callable[[str, tuple[str, ...]], None] | None = None,
    ) -> None:
        self._resolver = resolver
        self._refusal = refusal
        self._timeout = timeout
        self._parent = parent
        self._resolved = resolved

    async def connect(self, host: str, port: int, way_out: WayOut | None = None) -> socket.socket:
        """A connected socket to a checked address of `host`.

        Args:
            host: canonical name or address.
            port: of it.
            way_out: of its own, where whoever asks has one.

        Raises:
            ConnectFailed: with the reason, and its kind for the page.
        """
        try:
            if way_out is not None:
                async with asyncio.timeout(self._timeout):
                    return await self._by(way_out, host, port)
            addresses = self._resolver.known(host)
            if addresses is not None and len(addresses) == 1:
                # Nothing to wait for, and nothing to choose: the usual way, and the cheapest.
                self._allowed(host, port, addresses)
                return await _connect(_address_info(addresses[0], port), within=self._timeout)
            async with asyncio.timeout(self._timeout):
                addresses = await self._resolver.addresses(host)
                allowed = self._allowed(host, port, addresses)
                return await _connect_to_any(allowed, port)
        except TimeoutError as late:
            msg = f"no connection to {host} port {port} within {self._timeout:g} s"
            raise ConnectFailed(ConnectRefused(msg, "upstream-timeout")) from late
        except ResolutionFailed as problem:
            raise ConnectFailed(ConnectRefused(str(problem), "upstream-name")) from problem
        except OSError as problem:
            msg = f"{host} port {port}: {problem.strerror or type(problem).__name__}"
            kind = "overloaded" if problem.errno in SPENT else "upstream-failed"
            raise ConnectFailed(ConnectRefused(msg, kind)) from problem

    async def _by(self, way_out: WayOut, host: str, port: int) -> socket.socket:
        """Connect by a way out of its own.

        Raises:
            ConnectFailed, ResolutionFailed, OSError: this way out does not lead there now.
        """
        if way_out.proxy is None:
            allowed = self._allowed(host, port, await self._resolver.addresses(host))
            return await _connect_to_any(allowed, port, way_out.source)
        if is_address(host):
            self._allowed(host, port, (host,))
        # Names are resolved by the proxy. The operator named it: its address is not checked.
        proxy, proxy_port = way_out.proxy
        addresses = await self._resolver.addresses(proxy)
        sock = await _connect_to_any(addresses, proxy_port, way_out.source)
        try:
            await ask_for_tunnel(sock, host, port, way_out.login)
        except BaseException:
            # Whoever asked is told, and answers with a page; the socket must not stay behind.
            sock.close()
            raise
        return sock

    def _allowed(self, host: str, port: int, addresses: tuple[str, ...]) -> list[str]:
        if (host, port) == self._parent:
            return list(addresses)
        if self._resolved is not None:
            self._resolved(host, addresses)
        allowed = []
        why: str | None = None
        for address in addresses:
            refused = self._refusal(address, port)
            if refused is None:
                allowed.append(address)
            else:
                why = refused
        if why is not None:
            # One refused address refuses the name: a name that answers with an inside address
            # beside an outside one is how rebinding looks.
            raise ConnectFailed(ConnectRefused(why, "destination-denied"))
        return allowed


async def _connect_to_any(
    addresses: Sequence[str], port: int, source: str | None = None
) -> socket.socket:
    """Connect to the first address that answers.

    Args:
        addresses: numeric.
        port: at all of them.
        source: numeric address of this machine to connect from; None leaves it to the system.

    Raises:
        ConnectFailed: none of the addresses is of the kind (IPv4, IPv6) of the source address.
        OSError: none can be reached.
    """
    if source is not None:
        addresses = [each for each in addresses if (":" in each) == (":" in source)]
        if not addresses:
            msg = "the server has no address of the kind of this way out's source address"
            raise ConnectFailed(ConnectRefused(msg, "upstream-failed"))
    return await aiohappyeyeballs.start_connection(
        [_address_info(address, port) for address in addresses],
        happy_eyeballs_delay=_HAPPY_EYEBALLS_DELAY,
        socket_factory=lambda info: new_socket(info[0], info[1], info[2], source),
    )


async def _connect(
    info: tuple[int, int, int, str, tuple[Any, ...]], *, within: float
) -> socket.socket:
    """Connect to one address, without a task or a scope of its own for the time limit.

    Raises:
        TimeoutError: after `within` seconds.
        OSError: it cannot be reached.
    """
    loop = asyncio.get_running_loop()
    family, kind, protocol, _, address = info
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)  # noqa: FBT003 - as the socket module has it
        try:
            sock.connect(address)
        except (BlockingIOError, InterruptedError):
            done = loop.create_future()
            timer = loop.call_later(within, _settle, done, TimeoutError())
            loop.add_writer(sock, _settle, done, None)
            try:
                await done
            finally:
                loop.remove_writer(sock)
                timer.cancel()
            if problem := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(problem, os.strerror(problem)) from None
    except BaseException:
        # Whoever asked is told, and answers with a page; the socket must not stay behind.
        sock.close()
        raise
    return sock


def _settle(done: asyncio.Future[None], problem: Exception | None) -> None:
    if done.done():
        return
    if problem is None:
        done.set_result(None)
    else:
        done.set_exception(problem)


def _address_info(
    address: str, port: int
) -> tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int]]:
    if ":" in address:
        return (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port, 0, 0))
    return (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port))
