"""The ClientHello: as real clients send it, and as nobody should."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mitmproxy.proxy.layers.tls import parse_client_hello
from OpenSSL import SSL
from support.client import client_hello

from proxy_addons.engine.hello import Hello, read_hello

if TYPE_CHECKING:
    from collections.abc import Sequence


def extension(kind: int, body: bytes) -> bytes:
    return struct.pack("!HH", kind, len(body)) + body


def sized(body: bytes, size: int = 2) -> bytes:
    return len(body).to_bytes(size) + body


def names(*entries: bytes, kind: int = 0) -> bytes:
    return extension(0, sized(b"".join(bytes([kind]) + sized(entry) for entry in entries)))


def message(
    extensions: bytes | None = b"",
    session: bytes = b"",
    ciphers: bytes = b"\x13\x01",
    compression: bytes = b"\0",
    behind: bytes = b"",
) -> bytes:
    body = b"\x03\x03" + bytes(32) + sized(session, 1) + sized(ciphers) + sized(compression, 1)
    if extensions is not None:
        body += sized(extensions)
    return b"\x01" + sized(body + behind, 3)


def records(handshake: bytes, size: int = 16384) -> bytes:
    pieces = [handshake[at : at + size] for at in range(0, len(handshake), size)]
    return b"".join(b"\x16\x03\x01" + sized(piece) for piece in pieces)


def of_openssl(name: bytes | None, alpn: Sequence[bytes] = ()) -> bytes:
    connection = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD))
    connection.set_connect_state()
    if name is not None:
        connection.set_tlsext_host_name(name)
    if alpn:
        connection.set_alpn_protos(list(alpn))
    with pytest.raises(SSL.WantReadError):
        connection.do_handshake()
    return connection.bio_read(65536)


@pytest.mark.parametrize("name", [b"allowed.test", b"ALLOWED.test", b"xn--bcher-kva.test", None])
@pytest.mark.parametrize("alpn", [(), (b"http/1.1",), (b"h2", b"http/1.1")])
def test_what_openssl_sends(name: bytes | None, alpn: Sequence[bytes]) -> None:
    """With shares of post-quantum groups: some 1.5 kB."""
    hello = read_hello(of_openssl(name, alpn))
    assert hello is not None
    assert hello.sni == (name.decode() if name else None)
    assert hello.alpn_protocols == list(alpn)
    theirs = parse_client_hello(of_openssl(name, alpn))
    assert theirs is not None
    assert [kind for kind, _ in hello.extensions] == [kind for kind, _ in theirs.extensions]


@pytest.mark.parametrize("size", [1, 7, 100, 16384])
def test_in_records_of_any_size_and_only_when_complete(size: int) -> None:
    data = records(client_hello("allowed.test")[5:], size)
    for end in range(len(data)):
        assert read_hello(data[:end]) is None
    hello = read_hello(data)
    assert hello is not None
    assert hello.sni == "allowed.test"
    assert read_hello(data + b"more") == hello


NAMES: dict[str, tuple[bytes, str | None]] = {
    "one": (names(b"bank.test"), "bank.test"),
    "as it was sent": (names(b"Bank.Test."), "Bank.Test."),
    "an address": (names(b"192.0.2.1"), "192.0.2.1"),
    "none": (b"", None),
    "two": (names(b"bank.test", b"blocked.test"), None),
    "no entry": (names(), None),
    "of another kind": (names(b"bank.test", kind=7), None),
    "empty": (names(b""), None),
    "an empty label": (names(b"bank..test"), None),
    "a long label": (names(b"a" * 64 + b".test"), None),
    "a long name": (names(b"a." * 127 + b"ab"), None),
    "NUL": (names(b"blocked.test\0.bank.test"), None),
    "a line end": (names(b"bank.test\n"), None),
    "a space": (names(b" bank.test"), None),
    "a port": (names(b"bank.test:443"), None),
    "an address in brackets": (names(b"[2001:db8::1]"), None),
    "not ASCII": (names("bänk.test".encode()), None),
    "no punycode": (names(b"xn--\xff.test"), None),
    "bad punycode": (names(b"xn--a-ecp.ru-.xn--0.test"), None),
    "behind the list": (extension(0, sized(b"\0" + sized(b"bank.test")) + b"x"), None),
    "an empty body": (extension(0, sized(b"")), None),
}


@pytest.mark.parametrize("case", NAMES)
def test_names(case: str) -> None:
    extensions, expected = NAMES[case]
    hello = read_hello(records(message(extensions)))
    assert hello is not None
    assert hello.sni == expected
    assert len(hello.extensions) == bool(extensions)


def test_without_any_extension() -> None:
    assert read_hello(records(message(None))) == Hello(None, [], [])


UNREADABLE = {
    "a long session": message(session=bytes(33)),
    "no ciphers": message(ciphers=b""),
    "half a cipher": message(ciphers=b"\x13\x01\x13"),
    "no compression": message(compression=b""),
    "something behind": message(behind=b"x"),
    "an extension too long": message(struct.pack("!HH", 5, 9) + b"short"),
    "half an extension": message(b"\0\0\0"),
    "a name too long": message(extension(0, sized(b"\0\0\x20bank.test"))),
    "a list of names too long": message(extension(0, b"\0\x20\0\0\x09bank.test")),
    "a protocol too long": message(extension(16, sized(b"\x09h2"))),
    "behind the protocols": message(extension(16, sized(b"\x02h2") + b"x")),
    "two names, apart": message(names(b"bank.test") + names(b"blocked.test")),
    "protocols twice": message(2 * extension(16, sized(b"\x02h2"))),
    "only a version": b"\x01" + sized(b"\x03\x03", 3),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_cannot_be_read(case: str) -> None:
    with pytest.raises(ValueError, match=r".") as problem:
        read_hello(records(UNREADABLE[case]))
    assert "bank" not in str(problem.value)


HELLOS = [client_hello("bank.test", alpn=("h2", "http/1.1")), of_openssl(b"bank.test")]
CHANGES = st.lists(
    st.tuples(st.integers(0, 2000), st.sampled_from(["flip", "cut", "put"]), st.integers(0, 255)),
    min_size=1, max_size=4,
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(which=st.sampled_from([0, 1]), changes=CHANGES)
@example(which=0, changes=[(126, "flip", 0)])
def test_it_never_reads_what_the_other_reader_does_not(
    which: int, changes: list[tuple[int, str, int]]
) -> None:
    """It may refuse more; what it reads, mitmproxy's reader reads too, and the same in it."""
    data = bytearray(HELLOS[which])
    for place, change, value in changes:
        at = place % len(data)
        if change == "flip":
            data[at] ^= value or 1
        elif change == "cut":
            del data[at]
        else:
            data.insert(at, value)
    try:
        ours = read_hello(bytes(data))
    except ValueError:
        return
    try:
        theirs = parse_client_hello(bytes(data))
    except ValueError:
        # It stumbles over a name for which we give none: refused by the one who asks.
        assert ours is not None
        assert ours.sni is None
        assert 0 in dict(ours.extensions)
        return
    assert (ours is None) == (theirs is None)
    if ours is None or theirs is None:
        return
    assert ours.alpn_protocols == theirs.alpn_protocols
    assert ours.extensions == theirs.extensions
    if ours.sni is not None:
        assert ours.sni == theirs.sni
