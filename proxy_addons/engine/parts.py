"""The processes of a gateway: what each is started with, and where it listens.

In: settings. Out: `Part`, `Sockets`, which parts there are beside browsing.
Must never: start anything (supervisor.py does).
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from proxy_addons.engine.reload.line import Line
    from proxy_addons.settings.model import Settings

BESIDE: Final = {
    "keeper": "proxy_addons.accesslog.keeper",
    "feeds": "proxy_addons.accesslog.feeds",
    "desk": "proxy_addons.audit.desk",
    "alerts": "proxy_addons.audit.alerts",
}
"""Parts that nothing of browsing waits for: name → module."""


def beside(settings: Settings) -> tuple[str, ...]:
    """Which of `BESIDE` there are: feeds and alerts if any, a desk where people can sign in."""
    wanted = {
        "keeper": True,
        "feeds": bool(settings.feeds),
        "desk": bool(settings.portal.sign_in),
        "alerts": bool(settings.alerts),
    }
    return tuple(name for name in BESIDE if wanted[name])


def with_us() -> str:
    """The option by which a part ends with this process."""
    return f"--with-parent={os.getpid()}"


@dataclass(slots=True)
class Part:
    """One process that the supervisor keeps running.

    Attributes:
        name: `worker-1`, `portal`, `keeper`.
        command: its command line, without the descriptors.
        sockets: listening sockets it inherits.
        secure: those of them where clients speak TLS with us.
        number: of a worker; 0 for the others.
        process: the running process.
        deaths: how often in a row it has died young.
        renewed: whether it was told to begin anew with changed settings.
        serving: whether this process (a worker) takes requests, and other settings.
        line: over which a worker is told of these.
        version: of the settings that it goes by.
    """

    name: str
    command: list[str]
    sockets: list[socket.socket]
    secure: list[socket.socket] = field(default_factory=list)
    number: int = 0
    process: asyncio.subprocess.Process | None = None
    deaths: int = 0
    renewed: bool = False
    serving: bool = False
    line: Line | None = None
    version: str = ""
    ready: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class Sockets:
    """All listening sockets of a gateway.

    Attributes:
        proxy: for each of `listen.proxy`, one for each worker.
        portal: one for each of `listen.portal`.
        proxy_tls: for each of `listen.proxy_tls`, one for each worker.
        portal_tls: one for each of `listen.portal_tls`.
    """

    proxy: Sequence[Sequence[socket.socket]]
    portal: Sequence[socket.socket]
    proxy_tls: Sequence[Sequence[socket.socket]] = ()
    portal_tls: Sequence[socket.socket] = ()

    def addresses(self) -> dict[str, list[str]]:
        """What they are bound to, by the name of the setting; with port 0 only they know."""
        found = {
            "proxy": [_address(group[0]) for group in self.proxy],
            "portal": [_address(sock) for sock in self.portal],
            "proxy_tls": [_address(group[0]) for group in self.proxy_tls],
            "portal_tls": [_address(sock) for sock in self.portal_tls],
        }
        return {name: each for name, each in found.items() if each}


def _address(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
