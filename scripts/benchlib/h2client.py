"""An HTTP/2 client for one purpose: many requests on one connection, cheaply (RFC 9113).

In: an inspected TLS connection that speaks `h2`. Out: answers, each compared with what is expected.
Must never: pass over an answer that is not 200, a body that is not the origin's, or a stream that
was reset.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import hpack

from benchlib.load import BadAnswerError

if TYPE_CHECKING:
    import ssl

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
WINDOW_UPDATE, CONTINUATION = 8, 9
END_STREAM, ACK, END_HEADERS = 0x1, 0x1, 0x4
INITIAL_WINDOW_SIZE = 4
# The largest window of a connection: 50,000 small answers never use it up.
LARGEST_WINDOW = 2**31 - 1
STARTING_WINDOW = 65535
READ_SIZE = 1 << 18


class Http2:
    """One connection.

    Args:
        sock: after its handshake, with `h2` agreed upon; its time-out is what one waits.
        authority: `:authority` of every request.
        path: `:path` of every request.
        body: the exact body of every answer.
    """

    def __init__(self, sock: ssl.SSLSocket, authority: str, path: str, body: bytes) -> None:
        self._sock, self._body = sock, body
        self._block = _literals(
            {
                ":method": "GET",
                ":scheme": "https",
                ":authority": authority,
                ":path": path,
                "user-agent": "Mozilla/5.0 (X11; Linux x86_64) watchhouse-bench",
                "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                "accept-encoding": "gzip, deflate, br",
            }
        )
        self._decoder = hpack.Decoder()
        self._stream = 1
        self._received = b""
        self._bodies: dict[int, bytes] = {}
        self._heads: dict[int, bytes] = {}
        settings = struct.pack("!HI", INITIAL_WINDOW_SIZE, 1 << 20)
        grown = struct.pack("!I", LARGEST_WINDOW - STARTING_WINDOW)
        sock.sendall(PREFACE + frame(SETTINGS, 0, 0, settings) + frame(WINDOW_UPDATE, 0, 0, grown))

    def ask(self, number: int) -> None:
        """Ask so many times at once, and read all answers.

        Raises:
            BadAnswerError: an answer was not the expected one, or the connection ended.
        """
        wanted = range(self._stream, self._stream + 2 * number, 2)
        self._stream += 2 * number
        requests = (frame(HEADERS, END_STREAM | END_HEADERS, n, self._block) for n in wanted)
        self._sock.sendall(b"".join(requests))
        self._bodies.update(dict.fromkeys(wanted, b""))
        while self._bodies:
            self._read()

    def _read(self) -> None:
        part = self._sock.recv(READ_SIZE)
        if not part:
            raise BadAnswerError("the HTTP/2 connection was closed")
        data, at = self._received + part, 0
        while len(data) - at >= 9:
            length = int.from_bytes(data[at : at + 3])
            if len(data) - at - 9 < length:
                break
            kind, flags = data[at + 3], data[at + 4]
            stream = int.from_bytes(data[at + 5 : at + 9]) & 0x7FFFFFFF
            self._take(kind, flags, stream, data[at + 9 : at + 9 + length])
            at += 9 + length
        self._received = data[at:]

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind in {HEADERS, CONTINUATION}:
            self._heads[stream] = self._heads.get(stream, b"") + payload
            if flags & END_HEADERS:
                # Every block passes through the decoder: its table follows from all of them.
                head = dict(self._decoder.decode(self._heads.pop(stream)))
                if head.get(":status") != "200":
                    raise BadAnswerError(f"stream {stream}: {head}")
        elif kind == DATA:
            self._bodies[stream] += payload
        elif kind in {RST_STREAM, GOAWAY}:
            raise BadAnswerError(f"frame {kind} on stream {stream}: {payload[:100]!r}")
        elif kind in {SETTINGS, PING} and not flags & ACK:
            answer = payload if kind == PING else b""
            self._sock.sendall(frame(kind, ACK, 0, answer))
        if (
            kind in {DATA, HEADERS}
            and flags & END_STREAM
            and self._bodies.pop(stream) != self._body
        ):
            raise BadAnswerError(f"stream {stream}: not the origin's body")


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One frame (RFC 9113 4.1)."""
    return (
        struct.pack("!I", len(payload))[1:]
        + bytes((kind, flags))
        + struct.pack("!I", stream)
        + payload
    )


def _literals(fields: dict[str, str]) -> bytes:
    """Header fields without indexing (RFC 7541 6.2.2): the same octets in every request."""
    parts = []
    for name, value in fields.items():
        for text in (name, value):
            if len(text) > 126:
                raise ValueError(f"{text!r} is too long for a length of one octet")
        parts.append(b"\0" + bytes((len(name),)) + name.encode())
        parts.append(bytes((len(value),)) + value.encode())
    return b"".join(parts)
