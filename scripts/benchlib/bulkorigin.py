"""The origin of bulk.py: a real TLS handshake, then prepared records at the kernel's speed.

In: a port, a certificate, a file of TLS records; over TLS from the client, how many times to send
it. Out: that file, so many times. Run as a process of its own: `python -m benchlib.bulkorigin`.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import ssl
import struct
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# application_data (23) as TLS 1.2, which is how TLS 1.3 looks on the wire too; the largest record
# that it allows: 2^14 octets, one for the inner type, 16 for the tag (RFC 8446 5.2).
RECORD = 2**14 + 1 + 16
RECORDS = 1024


def write_records(path: Path) -> Path:
    """A file of records with content that nobody can read, like any ciphertext."""
    chance = random.Random(1)  # noqa: S311 (it must repeat itself)
    head = struct.pack("!BHH", 23, 0x0303, RECORD)
    path.write_bytes(b"".join(head + chance.randbytes(RECORD) for _ in range(RECORDS)))
    return path


def serve(port: int, certificate: str, records: str) -> None:
    """Serve one client after the other until killed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["http/1.1"])
    context.num_tickets = 0  # they would stand before the first record
    file = os.open(records, os.O_RDONLY)
    size = os.fstat(file).st_size
    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            sock, _ = listener.accept()
            # A client that has gone, or that only looks whether we listen, is no loss.
            with contextlib.suppress(OSError, ValueError), sock:
                sock.settimeout(30)
                _answer(sock, context, file, size)


def _answer(sock: socket.socket, context: ssl.SSLContext, file: int, size: int) -> None:
    with context.wrap_socket(sock, server_side=True) as tls:
        repeats = int(tls.recv(64))
        with socket.socket(fileno=tls.detach()) as raw:
            raw.setblocking(True)  # noqa: FBT003 (the standard library's signature)
            for _ in range(repeats):
                at = 0
                while at < size:
                    at += os.sendfile(raw.fileno(), file, at, size - at)
            raw.shutdown(socket.SHUT_WR)
            raw.settimeout(30)
            while raw.recv(4096):
                pass  # the client closes once it has all


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2], sys.argv[3])
