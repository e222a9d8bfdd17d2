"""The origin of `content-large`: films and archives of any size, made while they are sent.

In: a port; requests for /film/OCTETS.mp4 and /archive/OCTETS.zip. Out: these, in plain HTTP; no
disk has to hold them. Run as a process of its own: `python -m benchlib.endless PORT`.
"""

from __future__ import annotations

import contextlib
import re
import socket
import sys
import threading

from benchlib.contentfiles import FILM, archive_of, block, checksum

TYPES = {"film": "video/mp4", "archive": "application/zip"}
_ASKED = re.compile(rb"GET (?:http://[^/ ]*)?/(film|archive)/(\d+)\.")


def path(kind: str, octets: int) -> str:
    """Where one of so many octets of film is."""
    return f"/{kind}/{octets}.{'mp4' if kind == 'film' else 'zip'}"


def around(kind: str, octets: int, repeated: bytes) -> tuple[bytes, bytes]:
    """What stands before the repeated block, and behind it."""
    if kind == "film":
        return FILM, b""
    crc = checksum(octets, repeated, checksum(len(FILM), FILM))
    head, end = archive_of(len(FILM) + octets, crc)
    return head + FILM, end


def whole(kind: str, octets: int) -> tuple[int, int]:
    """Its length, and its CRC-32."""
    repeated = block()
    head, end = around(kind, octets, repeated)
    found = checksum(octets, repeated, checksum(len(head), head))
    return len(head) + octets + len(end), checksum(len(end), end, found) if end else found


def serve(port: int) -> None:
    """Serve until killed."""
    repeated = block()
    with socket.create_server(("127.0.0.1", port), backlog=64) as listener:
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=_answer, args=(sock, repeated), daemon=True).start()


def _answer(sock: socket.socket, repeated: bytes) -> None:
    # A client that has gone, or that only looks whether we listen, is no loss.
    with contextlib.suppress(OSError), sock:
        while True:
            asked = b""
            while b"\r\n\r\n" not in asked:
                piece = sock.recv(65536)
                if not piece:
                    return
                asked += piece
            found = _ASKED.match(asked)
            if found is None:
                sock.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                continue
            kind, octets = found[1].decode(), int(found[2])
            head, end = around(kind, octets, repeated)
            size = len(head) + octets + len(end)
            sock.sendall(
                f"HTTP/1.1 200 OK\r\nContent-Type: {TYPES[kind]}\r\n"
                f"Content-Length: {size}\r\n\r\n".encode()
                + head
            )
            for _ in range(octets // len(repeated)):
                sock.sendall(repeated)
            sock.sendall(repeated[: octets % len(repeated)] + end)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
