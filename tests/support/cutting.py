"""A line between two machines that can be cut: TCP, passed on octet by octet.

In: where it leads. Out: a port of loopback; connections that break when the test says so.
Must never: outlive the test.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import Self

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of 0 s: closing resets


class Cutting:
    """One line.

    Args:
        port: where it leads, on loopback.

    Attributes:
        after: octets of a connection, from its beginner, after which it is cut; None: never.
        down: whether new connections are refused (reset).
    """

    def __init__(self, port: int) -> None:
        self.after: int | None = None
        self.down = False
        self._leads_to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._run(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(5)
        for each in self._open:
            each.close()

    def cut(self) -> None:
        """Break what is open."""
        with self._lock:
            for each in self._open:
                _reset(each)

    def _run(self, act: object, *given: object) -> None:
        thread = threading.Thread(target=act, args=given, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return  # the test is over
            if self.down:
                _reset(near)
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self._leads_to), 5)
            except OSError:
                _reset(near)  # nobody is there: as the network would say it
                near.close()
                continue
            far.settimeout(None)
            with self._lock:
                self._open |= {near, far}
            self._run(self._pass, near, far, "out")
            self._run(self._pass, far, near, "back")

    def _pass(self, source: socket.socket, sink: socket.socket, way: str) -> None:
        passed = 0
        try:
            while data := source.recv(4096):
                if way == "out" and self.after is not None and passed + len(data) > self.after:
                    sink.sendall(data[: self.after - passed])
                    self.after = None
                    _reset(source)
                    _reset(sink)
                    return
                passed += len(data)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            _reset(source)  # one side was reset: the other learns it
            _reset(sink)


def _reset(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        sock.shutdown(socket.SHUT_RDWR)
