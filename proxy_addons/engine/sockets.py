"""Listening sockets: one for each worker and address, made by the supervisor.

In: addresses. Out: bound, listening sockets that are inherited by the workers.
Must never: share a port with another gateway by accident.

Each worker has a socket of its own on the same port (SO_REUSEPORT), so that the kernel spreads the
connections evenly. The supervisor keeps them open: connections that arrive while a worker is being
restarted wait in its queue and are served by its successor.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy_addons.settings.model import Endpoint

_BACKLOG = 1024  # connections that may wait; the kernel's own limit is 4096 on current systems


class ListenError(Exception):
    """An address cannot be listened on. Nothing is started."""


def listen(endpoint: Endpoint, count: int) -> list[socket.socket]:
    """`count` sockets that listen on one address; port 0 lets the kernel choose one port for all.

    Raises:
        ListenError: naming the address, the cause and the fix.
    """
    family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    made: list[socket.socket] = []
    try:
        # Without SO_REUSEPORT the kernel refuses a port that anybody listens on: a second gateway
        # on the same port would otherwise quietly take half the connections.
        with _bound(family, endpoint.host, endpoint.port, shared=False) as probe:
            port = probe.getsockname()[1]
        for _ in range(count):
            made.append(_bound(family, endpoint.host, port, shared=True))
            made[-1].listen(_BACKLOG)
    except OSError as problem:
        for sock in made:
            sock.close()
        host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
        msg = (
            f"cannot listen on {host}:{endpoint.port}: {problem.strerror}. Is another gateway "
            "running there? Stop it, or give this one other addresses and another data folder "
            "(--listen-proxy, --listen-portal, --data)."
        )
        raise ListenError(msg) from problem
    return made


def _bound(family: socket.AddressFamily, host: str, port: int, *, shared: bool) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock
