"""ClientHellos made by hand: odd server names, encrypted ones, cut into records and pieces.

In: what a row of the table says of its TLS. Out: the message, and the records that carry it.
Must never: be more correct than the row asks for.

Sources: RFC 8446 4.1.2 (ClientHello), RFC 6066 3 (server_name), RFC 9849 (encrypted ClientHello).
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_SERVER_NAME, _ALPN, _EARLY_DATA, _ECH, _PSK = 0, 16, 42, 0xFE0D, 41


@dataclass(frozen=True, slots=True)
class Hello:
    """What a row says of its ClientHello.

    Attributes:
        names: server names, as bytes in a text (Latin-1). None of them: no extension.
        kind: the name type of each (0 is host_name).
        twice: each name in an extension of its own, instead of all in one.
        alpn: protocols offered.
        ech: with an encrypted_client_hello extension of random content, as GREASE and real ones
            look alike from outside.
        early: with early data: the extension, a ticket, and records that nobody can read.
        padding: bytes of padding, to make it long.
        record: bytes of the message in each record; 0 for all in one.
        pieces: bytes in each packet; 0 for as much as fits.
        version: of the record that carries it.
    """

    names: tuple[str, ...] = ()
    kind: int = 0
    twice: bool = False
    alpn: tuple[str, ...] = ("http/1.1",)
    ech: bool = False
    early: bool = False
    padding: int = 0
    record: int = 0
    pieces: int = 0
    version: int = 0x0301


def made(hello: Hello) -> tuple[bytes, bytes, X25519PrivateKey]:
    """The message, the records that carry it, and the secret of its key share."""
    secret = X25519PrivateKey.generate()
    share = secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    extensions = [
        *_server_names(hello),
        (10, _sized(b"\0\x1d")),  # supported_groups: x25519
        (13, _sized(bytes.fromhex("040308040401080708050501"))),  # signature_algorithms
        (43, b"\x02\x03\x04"),  # supported_versions: 1.3
        (45, b"\x01\x01"),  # psk_key_exchange_modes
        (51, _sized(b"\0\x1d" + _sized(share))),  # key_share
    ]
    if hello.alpn:
        names = b"".join(bytes([len(name)]) + name.encode("latin-1") for name in hello.alpn)
        extensions.append((_ALPN, _sized(names)))
    if hello.ech:
        # outer; HKDF-SHA256, AES-128-GCM; config id; encapsulated key; payload
        payload = b"\0\0\x01\0\x01" + os.urandom(1)
        extensions.append((_ECH, payload + _sized(os.urandom(32)) + _sized(os.urandom(144))))
    if hello.padding:
        extensions.append((21, bytes(hello.padding)))
    if hello.early:
        extensions.append((_EARLY_DATA, b""))
        ticket = _sized(os.urandom(192)) + os.urandom(4)
        binder = bytes([32]) + os.urandom(32)
        extensions.append((_PSK, _sized(ticket) + _sized(binder)))  # has to be the last
    block = b"".join(kind.to_bytes(2) + _sized(data) for kind, data in extensions)
    body = (
        b"\x03\x03" + os.urandom(32)  # version of old, random
        + b"\x20" + os.urandom(32)  # session id, for middleboxes
        + _sized(b"\x13\x01") + b"\x01\0"  # TLS_AES_128_GCM_SHA256, no compression
        + _sized(block)
    )  # fmt: skip
    message = b"\x01" + len(body).to_bytes(3) + body
    return message, _records(hello, message), secret


def _server_names(hello: Hello) -> list[tuple[int, bytes]]:
    entries = [bytes([hello.kind]) + _sized(name.encode("latin-1")) for name in hello.names]
    if hello.twice:
        return [(_SERVER_NAME, _sized(entry)) for entry in entries]
    return [(_SERVER_NAME, _sized(b"".join(entries)))] if entries else []


def _records(hello: Hello, message: bytes) -> bytes:
    step = hello.record or len(message)
    records = b"".join(
        b"\x16" + hello.version.to_bytes(2) + _sized(message[start : start + step])
        for start in range(0, len(message), step)
    )
    if hello.early:
        records += b"\x14\x03\x03\0\x01\x01" + b"\x17\x03\x03" + _sized(os.urandom(120))
    return records


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(2) + data
