"""Which gateway it is that delivers.

In: the machine. Out: a `Gateway`.
Must never: change while a feed runs: receivers tell records apart by it.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass

from proxy_addons import __version__

PRODUCT = "Watchhouse"


@dataclass(frozen=True, slots=True)
class Gateway:
    """One.

    Attributes:
        name: its host name, ASCII without spaces, at most 255 characters (RFC 5424 6.2.4).
        version: of the program.
    """

    name: str
    version: str


def this_gateway() -> Gateway:
    """The machine that this process runs on."""
    name = "".join(char for char in socket.gethostname() if "!" <= char <= "~")[:255]
    return Gateway(name or "-", __version__)
