"""A name server of the tests' own, on a loopback address, port 53 (so only as root).

In: names and their addresses. Out: real DNS answers over UDP. Must never: answer for other names.
"""

from __future__ import annotations

import errno
import ipaddress
import itertools
import socket
import struct
import threading
from typing import Self

_A, _CNAME, _AAAA = 1, 5, 28
_next_address = itertools.count(1)


class NameServer:
    """Answers A and AAAA questions.

    Args:
        names: addresses by name; `cname other.test` as the first is an alias. A list of lists
            answers differently at each question (rebinding).
        ttl: seconds that an answer may be kept.

    Attributes:
        fault: what it does in place of answering: `silent`, `servfail`, `garbage`; "" for nothing.
    """

    def __init__(self, names: dict[str, list[str]], ttl: int = 5) -> None:
        self.names = names
        self.ttl = ttl
        self.fault = ""
        self.asked: list[str] = []
        self.address = f"127.0.53.{next(_next_address)}"

    def __enter__(self) -> Self:
        while True:
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                self._socket.bind((self.address, 53))
                break
            except OSError as problem:
                self._socket.close()
                if problem.errno != errno.EADDRINUSE:
                    raise
                # Another run of the tests has it.
                self.address = f"127.0.53.{next(_next_address)}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.sendto(b"", self._socket.getsockname())  # an empty datagram ends the thread
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            question, client = self._socket.recvfrom(512)
            if not question:
                return
            answer = self._answer(question)
            if self.fault == "silent":
                continue
            if self.fault == "servfail":
                answer = answer[:3] + b"\x82\x00\x01" + bytes(6) + question[12:]
            elif self.fault == "garbage":
                answer = answer[:2] + b"\xff" * 20
            self._socket.sendto(answer, client)

    def _owner(self, name: str) -> bytes:
        """Who has the addresses, as the answer writes it: the name asked for, or its alias."""
        first = next(iter(self.names.get(name, [])), "")
        if not first.startswith("cname "):
            return b"\xc0\x0c"
        labels = first[6:].split(".")
        return b"".join(bytes([len(label)]) + label.encode() for label in labels) + bytes(1)

    def _found(self, name: str) -> list[str]:
        """What is known of a name: addresses, or an alias and the addresses behind it."""
        found = self.names.get(name, [])
        if found and found[0].startswith("cname "):
            return [found[0], *self.names.get(found[0][6:], [])]
        return found

    def _answer(self, question: bytes) -> bytes:
        labels, position = [], 12
        while length := question[position]:
            labels.append(question[position + 1 : position + 1 + length].decode())
            position += 1 + length
        kind = struct.unpack(">H", question[position + 1 : position + 3])[0]
        end = position + 5
        name = ".".join(labels).lower()
        self.asked.append(name)
        answers = b""
        count = 0
        for text in self._found(name):
            if text.startswith("cname "):
                target = self._owner(name)
                answers += struct.pack(">HHHIH", 0xC00C, _CNAME, 1, self.ttl, len(target)) + target
                count += 1
                continue
            address = ipaddress.ip_address(text)
            if kind == (_A if address.version == 4 else _AAAA):
                packed = address.packed
                owner = self._owner(name)
                answers += owner + struct.pack(">HHIH", kind, 1, self.ttl, len(packed)) + packed
                count += 1
        code = 0 if name in self.names else 3
        head = question[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, count, 0, 0)
        return head + question[12:end] + answers
