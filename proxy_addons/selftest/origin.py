"""An origin that writes down every byte that reaches it: plain, in TLS, or as a parent proxy.

In: connections. Out: what came on each, and a short answer to each request.
Must never: answer for the gateway, or be strict: what it is asked is written down, not judged.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from base64 import b64encode
from dataclasses import dataclass, field
from hashlib import sha1
from typing import TYPE_CHECKING, Self

from proxy_addons.selftest.observed import ORIGIN_FIELD, chunks_in

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

_IDLE = 20  # seconds without a byte, after which a connection is let go
_TUNNEL = b"HTTP/1.1 200 OK\r\n\r\n"
_TLS = 0x16
_WEBSOCKET = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 1.3
_TAKE = 3.0  # seconds to wait for the gateway to leave


@dataclass(slots=True)
class Got:
    """What came on one connection.

    Attributes:
        raw: all bytes; inside TLS those that were encrypted, after the ClientHello as it came.
        requests: how many requests other than CONNECT.
        over: whether it has ended.
    """

    raw: bytearray = field(default_factory=bytearray)
    requests: int = 0
    over: bool = False
    taken: int = 0
    counted: int = 0


class Origin:
    """Listens until it is left.

    Args:
        addresses: where to listen; port 0 is any free one.
        tls: for connections that begin with TLS; None closes those.

    Attributes:
        answer: what is answered to each request, after which the connection is closed; None for
            a short text, after which it is kept.
    """

    def __init__(
        self, addresses: Sequence[tuple[str, int]], tls: ssl.SSLContext | None = None
    ) -> None:
        self._listeners = [socket.create_server(address) for address in addresses]
        self.ports = [listener.getsockname()[1] for listener in self._listeners]
        self._own: set[object] = set()  # where connections of our own come from: see _accepted
        self.answer: bytes | None = None
        self._tls = tls
        self._got: list[Got] = []
        self._changed = threading.Condition()
        self._threads = [
            threading.Thread(target=self._listen, args=(listener,), daemon=True)
            for listener in self._listeners
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for listener in self._listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # ends the thread's accept
            listener.close()
        for thread in self._threads:
            thread.join()

    def take(self) -> tuple[list[bytes], int]:
        """What came since the last time, connection by connection; and how many requests.

        Waits a little until the gateway has left, so that nothing of a row is taken for the next.
        """
        until = time.monotonic() + _TAKE
        self._accepted(until)
        with self._changed:
            while not all(got.over for got in self._got) and time.monotonic() < until:
                self._changed.wait(until - time.monotonic())
            pieces = [bytes(got.raw[got.taken :]) for got in self._got]
            requests = sum(got.requests - got.counted for got in self._got)
            for got in self._got:
                got.taken, got.counted = len(got.raw), got.requests
            self._got = [got for got in self._got if not got.over]
        return [piece for piece in pieces if piece], requests

    def _accepted(self, until: float) -> None:
        """Wait until what has connected so far has been accepted, on a busy machine too.

        Connections are accepted in their order: behind them all comes one of our own. Where none
        can be made in time, what still waits is shown with the next row, and fails that.
        """
        for listener in self._listeners:
            with (
                socket.socket(listener.family) as sock,
                contextlib.suppress(OSError),  # it could not be made: see above
                self._changed,
            ):
                sock.settimeout(max(0.001, until - time.monotonic()))
                sock.connect(listener.getsockname())
                own = sock.getsockname()
                self._own.add(own)
                while own in self._own and time.monotonic() < until:
                    self._changed.wait(until - time.monotonic())
                # Accepted later, it shows as a connection without a byte. Left in here, a gateway's
                # own from the same port would be taken for it.
                self._own.discard(own)

    def _listen(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, peer = listener.accept()
            except OSError:
                return  # left
            with self._changed:
                if peer in self._own:
                    self._own.remove(peer)
                    self._changed.notify_all()
                    sock.close()
                    continue
            got = Got()
            with self._changed:
                self._got.append(got)
            threading.Thread(target=self._serve, args=(sock, got), daemon=True).start()

    def _serve(self, sock: socket.socket, got: Got) -> None:
        try:
            sock.settimeout(_IDLE)
            with contextlib.suppress(OSError):  # the gateway left, which ends it
                self._converse(sock, got)
        finally:
            sock.close()
            with self._changed:
                got.over = True
                self._changed.notify_all()

    def _converse(self, sock: socket.socket, got: Got) -> None:
        while True:
            first = sock.recv(4096, socket.MSG_PEEK)
            if first[:1] == bytes([_TLS]):
                got.raw += first
                if self._tls is None:
                    return
                with self._tls.wrap_socket(sock, server_side=True) as secure:
                    self._requests(secure, got)
                return
            if not self._requests(sock, got):
                return

    def _requests(self, sock: socket.socket, got: Got) -> bool:
        """Answer requests until the end (False), or until a tunnel begins (True)."""
        data = b""
        while True:
            while b"\r\n\r\n" not in data:
                more = sock.recv(65536)
                if not more:
                    return False
                got.raw += more
                data += more
            head, _, data = data.partition(b"\r\n\r\n")
            if head.startswith(b"CONNECT "):
                sock.sendall(_TUNNEL)
                return True
            got.requests += 1
            if self.answer is not None:
                sock.sendall(self.answer)
                return False
            if key := re.search(rb"(?im)^sec-websocket-key: *(\S+)", head):
                sock.sendall(_switched(key[1]))
                while more := sock.recv(65536):
                    got.raw += more
                return False
            rest = _after_body(head, data)
            while rest is None:
                more = sock.recv(65536)
                if not more:
                    return False
                got.raw += more
                data += more
                rest = _after_body(head, data)
            data = rest
            sock.sendall(_answer(head, got.requests))


def _switched(key: bytes) -> bytes:
    """Agreement to a WebSocket (RFC 6455 4.2.2)."""
    proof = b64encode(sha1(key + _WEBSOCKET, usedforsecurity=False).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + f"{ORIGIN_FIELD}: 1\r\n".encode()
        + b"Sec-WebSocket-Accept: " + proof + b"\r\n\r\n"
    )  # fmt: skip


def _answer(head: bytes, number: int) -> bytes:
    redirect = b"/redirect" in head.partition(b"\r\n")[0]
    status = b"302 Found\r\nLocation: http://127.0.0.1/" if redirect else b"200 OK"
    body = b"" if head.startswith(b"HEAD ") else b"ok"
    return (
        b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n"
        + f"{ORIGIN_FIELD}: {number}\r\n\r\n".encode() + body
    )  # fmt: skip


def _after_body(head: bytes, data: bytes) -> bytes | None:
    """What follows the body of a request; None while that has not come."""
    if re.search(rb"(?im)^transfer-encoding:.*chunked", head):
        found = chunks_in(data)
        return found[1] if found else None
    if length := re.search(rb"(?im)^content-length: *([0-9]+)", head):
        size = int(length[1])
        return data[size:] if len(data) >= size else None
    return data
