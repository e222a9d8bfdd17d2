"""What a load balancer says of a client: headers of the PROXY protocol, version 2.

In: an address. Out: bytes. Must never: be what reads them.
"""

from __future__ import annotations

import struct
from ipaddress import ip_address

from proxy_addons.engine.proxyprotocol import crc32c

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
CRC = 0x03


def tlv(kind: int, value: bytes) -> bytes:
    return struct.pack("!BH", kind, len(value)) + value


def header(
    client: str = "192.0.2.7",
    port: int = 50123,
    *,
    command: int = 0x21,
    family: int | None = None,
    extras: bytes = b"",
    checked: bool = False,
) -> bytes:
    """A header as a balancer writes it."""
    source = ip_address(client)
    own = ip_address("192.0.2.1" if source.version == 4 else "2001:db8::1")
    rest = source.packed + own.packed + struct.pack("!HH", port, 3128)
    if checked:
        extras += tlv(CRC, bytes(4))
    rest += extras
    if family is None:
        family = 0x11 if source.version == 4 else 0x21
    whole = SIGNATURE + struct.pack("!BBH", command, family, len(rest)) + rest
    if checked:
        whole = whole[:-4] + crc32c(whole).to_bytes(4)
    return whole
