"""Target: the ClientHello.

What is spliced goes where OpenSSL reads that it goes; what cannot be read is never spliced; and
cutting the bytes otherwise changes nothing.

In: a byte that chooses the CONNECT host, then the client's first bytes. Out: nothing, or a finding.
Must never: reach a network.
"""

from __future__ import annotations

import hashlib
import struct
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from OpenSSL import SSL
from support.certificates import WebAuthority
from support.client import client_hello
from support.memory import Gateway, Outcome, Reached

from fuzzlib.pieces import cut
from proxy_addons.urlkey import UrlKeyError, host_key

if TYPE_CHECKING:
    from collections.abc import Callable

_HOSTS = ("allowed.test", "bank.test", "blocked.test", "elsewhere.test")
_SPLICED = ("bank.test",)


def seeds() -> list[bytes]:
    """Hellos for each host, whole and in records of several sizes."""
    found = []
    for place, host in enumerate(_HOSTS):
        for name in (host, "bank.test", None):
            hello = client_hello(name)
            found.append(bytes((place,)) + hello)
            body = hello[5:]
            for size in (1, 40, 200):
                records = [body[at : at + size] for at in range(0, len(body), size)]
                found.append(
                    bytes((place,))
                    + b"".join(hello[:3] + struct.pack(">H", len(each)) + each for each in records)
                )
    bank = client_hello("bank.test")
    found.append(b"\x01" + bank.replace(b"bank.test", b"BANK.test"))
    found.append(b"\x01" + bank.replace(b"bank.test", b"bank.tes."))
    found.append(b"\x01" + bank + bank)
    found.append(b"\x01" + client_hello("bank.test", alpn=("h2", "http/1.1")))
    return found


def words() -> list[bytes]:
    """Pieces of hellos."""
    names = [host.encode() for host in _HOSTS]
    lists = [struct.pack(">BH", 0, len(name)) + name for name in names]
    extensions = [
        struct.pack(">HHH", 0, len(each) + 2, len(each)) + each
        for each in [*lists, b"".join(lists)]
    ]
    return [
        *(*names, *lists, *extensions),
        *(b"\x00\x00\x00\x00", b"\x16\x03\x01", b"\x16\x03\x03", b"\x01\x00", b"\xfe\x0d", b"\x00"),
        *(b"\x14\x03\x03\x00\x01\x01", b"\x15\x03\x01\x00\x02\x01\x00", b"\xff\x01\x00\x01\x00"),
    ]


def check(data: bytes) -> None:
    """The decision, and what OpenSSL reads in the same bytes."""
    if not data:
        return
    connect, hello = _HOSTS[data[0] % len(_HOSTS)], data[1:]
    whole, asked = _tried(connect, [hello])
    # Not for secrets: the same bytes are cut the same way.
    random = Random(hashlib.sha256(data).digest())  # noqa: S311 - it has to repeat itself
    pieces, asked_in_pieces = _tried(connect, cut(hello, random))
    assert asked == asked_in_pieces, "the server name depends on how the bytes were cut"
    assert _courses(whole) == _courses(pieces), "what becomes of a hello depends on how it was cut"
    readable, name = openssl_reads(hello)
    for sni in asked:
        assert not readable or _same(sni, name), f"we read {sni!r}, OpenSSL {name!r}"
    spliced = [record for record in whole.records if record["handling"] == "spliced"]
    if spliced:
        assert len(asked) == 1, "spliced without a name having been judged"
        assert connect in _SPLICED, "spliced although the CONNECT host is to be read"
        assert asked[0] is None or host_key(asked[0]) in _SPLICED
        assert not readable or name is None or host_key(name.decode("ascii")) in _SPLICED
    else:
        assert not whole.reached, "a server was contacted, and nothing was spliced"


def _tried(connect: str, pieces: list[bytes]) -> tuple[Outcome, list[str | None]]:
    gateway, asked = _gateway()
    asked.clear()
    head = f"CONNECT {connect}:443 HTTP/1.1\r\nHost: {connect}:443\r\n\r\n".encode()
    outcome = gateway.run([head, *pieces])
    assert outcome.got.startswith(b"HTTP/1.1 200"), outcome.got[:80]
    assert not outcome.said, outcome.said
    assert len(outcome.records) == 1, [record["rule"] for record in outcome.records]
    return outcome, list(asked)


def _courses(outcome: Outcome) -> Any:
    """What became of it; the bytes of TLS itself hold randomness."""
    return (
        [(r["action"], r["rule"], r["sni"], r["handling"]) for r in outcome.records],
        [(each.host, bytes(each.got)) for each in outcome.reached],
    )


def _same(ours: str | None, theirs: bytes | None) -> bool:
    if ours is None or theirs is None:
        return ours is theirs
    try:
        return host_key(ours) == host_key(theirs.decode("latin-1"))
    except UrlKeyError:
        return ours.encode("latin-1", "replace") == theirs  # refused by the gate


@cache
def _gateway() -> tuple[Gateway, list[str | None]]:
    def answer(_reached: Reached, _say: Callable[[bytes | None], None]) -> None:
        pass  # the server behind a splice says nothing

    gateway = Gateway(answer)
    asked: list[str | None] = []
    gate: Any = gateway.worker.gate
    judge = gate.client_hello

    def noting(visitor: Any, sni: str | None) -> Any:
        asked.append(sni)
        return judge(visitor, sni)

    gate.client_hello = noting
    return gateway, asked


@cache
def _server() -> SSL.Context:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    with tempfile.TemporaryDirectory() as folder:
        leaf = WebAuthority(Path(folder)).leaf("bank.test")
        context.use_certificate_chain_file(str(leaf))
        context.use_privatekey_file(str(leaf))
    context.set_cipher_list(b"ALL:@SECLEVEL=0")
    context.set_min_proto_version(0)
    context.set_tlsext_servername_callback(
        lambda each: each.get_app_data().append(each.get_servername())
    )
    return context


def openssl_reads(hello: bytes) -> tuple[bool, bytes | None]:
    """Whether OpenSSL, as the server, reads a hello; and the server name that it finds in it."""
    found: list[bytes | None] = []
    connection = SSL.Connection(_server(), None)
    connection.set_app_data(found)
    connection.set_accept_state()
    connection.bio_write(hello or b"\0")
    with suppress(SSL.Error):  # it waits for the client's next flight, or refuses this one
        connection.do_handshake()
    return (True, found[0]) if found else (False, None)
