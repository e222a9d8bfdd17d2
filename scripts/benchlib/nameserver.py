"""A name server for the run: every name under bench.test is 127.0.0.1, all others do not exist.

In: UDP queries (RFC 1035). Out: answers with one A record, or none for other types.
Must never: be asked by anything outside the run's own network namespace.

Each side asks it through the system's resolver, as it would ask the force's own.
"""

from __future__ import annotations

import socket
import struct
import sys

ZONE = b"bench.test"
ADDRESS = socket.inet_aton("127.0.0.1")
TTL = 300
TYPE_A = 1
NO_ERROR, NO_SUCH_NAME = 0, 3


def answer(query: bytes) -> bytes:
    """The answer to one query with one question.

    Raises:
        ValueError: it is not such a query.
    """
    if len(query) < 12:
        raise ValueError("shorter than a header")
    number, flags, questions = struct.unpack_from("!HHH", query)
    if questions != 1 or flags & 0x8000:
        raise ValueError("not a query with one question")
    labels, at = [], 12
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length])
        at += 1 + length
    question = query[12 : at + 5]
    (wanted,) = struct.unpack_from("!H", query, at + 1)
    name = b".".join(labels).lower()
    known = name == ZONE or name.endswith(b"." + ZONE)
    records = b""
    if known and wanted == TYPE_A:
        # 0xC00C points back to the name in the question.
        records = struct.pack("!HHHIH", 0xC00C, TYPE_A, 1, TTL, len(ADDRESS)) + ADDRESS
    head = struct.pack(
        "!HHHHHH",
        number,
        0x8580 | (NO_ERROR if known else NO_SUCH_NAME),  # an authoritative answer
        1,
        1 if records else 0,
        0,
        0,
    )
    return head + question + records


def serve(address: str, port: int) -> None:
    """Answer until killed."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((address, port))
        while True:
            query, sender = sock.recvfrom(4096)
            try:
                sock.sendto(answer(query), sender)
            except (ValueError, IndexError, struct.error):
                continue  # not a query we know: whoever sent it will report a time-out


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
