"""One connection to the proxy under test: bytes out, bytes in, with an end to all waiting.

In: bytes. Out: what comes back. Must never: wait for ever, or mend what is sent.
"""

from __future__ import annotations

import contextlib
import socket
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_PAUSE = 0.0003  # seconds between pieces, so that they leave as packets of their own
_READ = 65536


class Stream(Protocol):
    """What carries HTTP: a connection, or TLS inside one."""

    def send(self, data: bytes, size: int = 0) -> None:
        """Send; in pieces of `size` bytes, where that is not 0."""

    def receive(self, until: float) -> bytes | None:
        """What comes next; b"" at the end; None when nothing has come by `until` (monotonic)."""


class Plain:
    """A TCP connection.

    Args:
        address: host and port of the proxy.
        source: local address to come from, or "".
        patience: seconds for connecting and sending.
        used: local ports that must not be used again.
    """

    def __init__(
        self,
        address: tuple[str, int],
        source: str,
        patience: float,
        used: Collection[int] = (),
    ) -> None:
        while True:
            self.socket = socket.create_connection(
                address, patience, (source, 0) if source else None
            )
            if self.socket.getsockname()[1] not in used:
                break
            self.socket.close()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port: int = self.socket.getsockname()[1]
        self.ip: str = self.socket.getsockname()[0]
        self._patience = patience

    def send(self, data: bytes, size: int = 0) -> None:
        """Send; a peer that has gone is found when reading."""
        self.socket.settimeout(self._patience)
        with contextlib.suppress(OSError):
            if not size:
                self.socket.sendall(data)
                return
            for start in range(0, len(data), size):
                self.socket.sendall(data[start : start + size])
                time.sleep(_PAUSE)

    def receive(self, until: float) -> bytes | None:
        """What comes next; a reset is an end."""
        self.socket.settimeout(max(until - time.monotonic(), 0.001))
        try:
            return self.socket.recv(_READ)
        except TimeoutError:
            # Nothing has come: the caller says what that means.
            return None
        except OSError:
            # The proxy cut the connection off, which is an end.
            return b""

    def end_sending(self) -> None:
        """Say that nothing more will come from here."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Leave."""
        self.socket.close()


def collect(
    stream: Stream, enough: Callable[[bytes], bool], patience: float, grace: float
) -> tuple[bytes, bool]:
    """Read until there is enough, and a little longer: more may follow that should not.

    Args:
        stream: to read from.
        enough: whether what has come is all that is expected.
        patience: seconds to wait for that.
        grace: seconds to go on after that.

    Returns:
        What came, and whether the connection has ended.
    """
    got = b""
    until = time.monotonic() + patience
    satisfied = False
    while (data := stream.receive(until)) is not None:
        if not data:
            return got, True
        got += data
        if not satisfied and enough(got):
            satisfied = True
            until = time.monotonic() + grace
    return got, False
