"""The end of a server of a test's own, with all connections that it has accepted.

In: a server. Out: nothing of it is left. Must never: wait.
"""

from __future__ import annotations

import asyncio


def end(server: asyncio.Server) -> None:
    """End a server and its connections.

    One of which the TLS had only begun, or that was accepted just now, has no script yet that would
    close it: left alone, its socket is collected in the middle of another test.
    """
    server.close()
    if abort := getattr(server, "abort_clients", None):
        abort()
        return
    # Before Python 3.13 the server itself does not know them.
    loop = asyncio.get_running_loop()
    for transport in list(loop._transports.values()):  # type: ignore[attr-defined]
        if getattr(transport, "_server", None) is server:
            transport.abort()
