"""The end of a server of a test's own, with all connections that it has accepted.

In: a server. Out: nothing of it is left. Must never: wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


def end(server: asyncio.Server) -> None:
    """End a server and its connections.

    One of which the TLS had only begun, or that was accepted just now, has no script yet that would
    close it: left alone, its socket is collected in the middle of another test.
    """
    server.close()
    if abort := getattr(server, "abort_clients", None):  # from Python 3.13 on
        abort()
