"""The portal as a process: sockets, signals, a graceful end.

In: settings, and listening sockets of our own or inherited ones.
Out: a served portal until SIGTERM or SIGINT; until SIGHUP, after which another takes over.
Must never: touch browsing; it shares no memory, no lock and no listener with the workers.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from typing import TYPE_CHECKING

from aiohttp import web, web_response

from proxy_addons.portal.app import make_app
from proxy_addons.portal.pac import host_and_port
from proxy_addons.rights.certificate import CertificateError, Shown, context_of
from proxy_addons.rights.parent import when_ended

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy_addons.settings.model import Endpoint, Settings

logger = logging.getLogger("watchhouse.portal")

# aiohttp's own answer to a malformed request knows no hook of ours; at least it names no version.
web_response.SERVER_SOFTWARE = ""  # type: ignore[attr-defined]

_QUEUE = 256  # connections that wait to be accepted
_IDLE = 15.0  # seconds that a connection may stay open between requests
_LOOK = 5.0  # seconds between looks at the certificate's files
_GRACE = 3.0  # seconds for requests in progress when it stops
_HANDOVER = 0.5  # seconds for requests on connections that were taken when a successor is to start


class PortalError(Exception):
    """The portal cannot start. The message says what to change."""


def bind(endpoint: Endpoint) -> socket.socket:
    """A listening socket on one of `listen.portal`.

    Raises:
        PortalError: the address cannot be had.
    """
    at = host_and_port(endpoint.host, endpoint.port)
    try:
        found = socket.getaddrinfo(
            endpoint.host or None,
            endpoint.port,
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE,
        )
        family, _, _, _, address = found[0]
        made = socket.socket(family, socket.SOCK_STREAM)
    except OSError as problem:
        msg = f"listen.portal {at}: {problem}"
        raise PortalError(msg) from problem
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # [::] and 0.0.0.0 can then both be listed.
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
        made.listen(_QUEUE)
    except OSError as problem:
        made.close()
        msg = f"listen.portal {at}: {problem.strerror}: is another portal running there?"
        raise PortalError(msg) from problem
    return made


def inherit(descriptor: int) -> socket.socket:
    """An inherited listening socket.

    Args:
        descriptor: its number, as the supervisor passed it.

    Raises:
        PortalError: it is not a listening TCP socket.
    """
    try:
        found = socket.socket(fileno=descriptor)
    except OSError as problem:
        msg = f"--fd {descriptor}: {problem.strerror}: pass a listening TCP socket"
        raise PortalError(msg) from problem
    listening = (
        found.family in {socket.AF_INET, socket.AF_INET6}
        and found.type == socket.SOCK_STREAM
        and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    )
    if not listening:
        found.detach()
        msg = f"--fd {descriptor}: not a listening TCP socket"
        raise PortalError(msg)
    return found


async def _watch(shown: Shown) -> None:
    """Show a new certificate when its files have been replaced."""
    while True:
        await asyncio.sleep(_LOOK)
        try:
            await asyncio.to_thread(shown.refresh)
        except CertificateError as problem:
            # Browsers are shown the last good one.
            logger.error("the last good certificate is still shown: %s", problem)


async def _serve(
    settings: Settings,
    sockets: Sequence[socket.socket],
    secure: Sequence[socket.socket],
    parent: int | None,
) -> None:
    shown = Shown(*settings.listening_files) if secure else None
    watching = None
    # aiohttp would log what it could not parse, byte for byte.
    silent = logging.Logger("watchhouse.portal.http")  # noqa: LOG001 - stands outside the tree
    silent.addHandler(logging.NullHandler())
    runner = web.AppRunner(
        await asyncio.to_thread(make_app, settings),  # reads files, opens the store
        handle_signals=False,
        access_log=None,
        logger=silent,
        keepalive_timeout=_IDLE,
        shutdown_timeout=_GRACE,
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    followed = asyncio.Event()

    def make_way() -> None:
        followed.set()
        stop.set()

    loop.add_signal_handler(signal.SIGHUP, make_way)
    await runner.setup()
    try:
        for listener in sockets:
            listener.setblocking(False)  # noqa: FBT003 - the socket module's own signature
            await web.SockSite(runner, listener, backlog=_QUEUE).start()
        if shown is not None:
            # The server keeps its context for good: this one shows what the other has in force.
            context = context_of(shown.pair)
            context.sni_callback = shown.choose
            for listener in secure:
                listener.setblocking(False)  # noqa: FBT003 - the socket module's own signature
                await web.SockSite(runner, listener, backlog=_QUEUE, ssl_context=context).start()
            watching = loop.create_task(_watch(shown))
        if parent is not None:
            when_ended(parent, lambda: loop.call_soon_threadsafe(stop.set))
        await stop.wait()
    finally:
        if watching is not None:
            watching.cancel()
        if followed.is_set():
            # What connects from now on waits for the successor. Who is connected, and has not asked
            # yet, is answered: a browser that gets no PAC file goes round the gateway.
            for site in list(runner.sites):
                await site.stop()
            await asyncio.sleep(_HANDOVER)
        await runner.cleanup()


def run(
    settings: Settings,
    sockets: Sequence[socket.socket],
    secure: Sequence[socket.socket] = (),
    *,
    parent: int | None = None,
) -> None:
    """Serve the portal until SIGTERM or SIGINT; requests in progress get three seconds to end.

    At SIGHUP it ends for a successor on the same sockets, which are open elsewhere too: nobody is
    turned away meanwhile.

    Args:
        settings: of this gateway.
        sockets: listening sockets; closed at the end.
        secure: those where browsers speak TLS.
        parent: process id to end with, 0 for the parent's, or None.

    Raises:
        PacError: `pac.proxies` names something that is no proxy.
        CertificateError: there is nothing sound to show to those who speak TLS.
    """
    asyncio.run(_serve(settings, sockets, secure, parent))
