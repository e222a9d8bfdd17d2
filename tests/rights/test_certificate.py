"""The certificate of our own listeners: what is taken, what is complained of, what is shown."""

from __future__ import annotations

import os
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from support.certificates import WebAuthority

from proxy_addons.rights.certificate import CertificateError, Shown, context_of, read_pair

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime.now(UTC)


@pytest.fixture
def authority(tmp_path: Path) -> WebAuthority:
    return WebAuthority(tmp_path)


def leaf(authority: WebAuthority, *names: str) -> Path:
    file = authority.leaf(*(names or ("proxy.test", "192.0.2.1", "*.wild.test")))
    file.chmod(0o600)
    return file


def shakes(context: ssl.SSLContext, authority: WebAuthority, name: str) -> str:
    """The name of the certificate shown, for a client that trusts the authority."""
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    theirs.load_verify_locations(authority.file)
    theirs.set_alpn_protocols(["h2", "http/1.1"])
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(up, down, server_side=True)
    client = theirs.wrap_bio(down, up, server_hostname=name)
    for _ in range(3):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue  # the other side's turn
    assert client.selected_alpn_protocol() == "http/1.1"
    certificate = client.getpeercert()
    assert certificate is not None
    return str(dict(certificate["subject"][0])["commonName"])  # type: ignore[arg-type,index]


def test_what_is_read_is_shown(authority: WebAuthority) -> None:
    file = leaf(authority)
    pair = read_pair(file, file)
    assert pair.names == ("proxy.test", "*.wild.test", "192.0.2.1")
    assert b"PRIVATE" not in repr(pair).encode()
    assert list(pair.warnings(["PROXY.test", "192.0.2.1", "a.wild.test"], NOW)) == []
    context = context_of(pair)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert shakes(context, authority, "proxy.test") == "proxy.test"


def test_what_an_operator_is_told(authority: WebAuthority) -> None:
    file = leaf(authority)
    pair = read_pair(file, file)
    (other,) = pair.warnings(["a.b.wild.test"], NOW)
    assert other.startswith("is not for a.b.wild.test, which listen.names has")
    (soon,) = pair.warnings([], pair.ends - timedelta(days=13))
    assert soon.startswith("expires on ")
    (over,) = pair.warnings([], pair.ends)
    assert over.startswith("expired on ")


@pytest.mark.parametrize(
    ("chain", "key", "mode", "words"),
    [
        ("missing", None, 0o600, "the certificate cannot be read: No such file"),
        (None, "missing", 0o600, "the key of the certificate cannot be read: No such file"),
        ("empty", None, 0o600, "no PEM certificate in it"),
        (None, "empty", 0o600, "no PEM key in it that can be read without a password"),
        (None, "other", 0o600, "do not belong together"),
        (None, None, 0o604, "is open to others (mode 0604)"),
        (None, None, 0o660, "is open to others (mode 0660)"),
    ],
)
def test_what_is_not_taken(
    authority: WebAuthority,
    tmp_path: Path,
    chain: str | None,
    key: str | None,
    mode: int,
    words: str,
) -> None:
    file = leaf(authority)
    files = {None: file, "missing": tmp_path / "missing", "empty": tmp_path / "empty"}
    files["empty"].write_text("nothing")
    files["empty"].chmod(0o600)
    files["other"] = leaf(authority, "other.test")
    file.chmod(mode)
    with pytest.raises(CertificateError) as refused:
        read_pair(files[chain], files[key])
    assert words in str(refused.value)


def test_a_group_of_its_own_may_read_the_key(authority: WebAuthority) -> None:
    file = leaf(authority)
    file.chmod(0o640)
    assert read_pair(file, file).names


def test_a_changed_file_is_shown_and_a_broken_one_is_not(authority: WebAuthority) -> None:
    """Also by the context that a server has kept from its start."""
    file = leaf(authority)
    shown = Shown(file, file)
    kept = context_of(shown.pair)
    kept.sni_callback = shown.choose
    assert not shown.refresh()
    good = file.read_bytes()
    for broken in (b"half a file", b""):
        file.write_bytes(broken)
        with pytest.raises(CertificateError):
            shown.refresh()
        assert not shown.refresh(), "told of once"
        assert shakes(shown.context, authority, "proxy.test") == "proxy.test"
    file.unlink()
    with pytest.raises(CertificateError):
        shown.refresh()
    new = file.with_suffix(".new")
    new.write_bytes(leaf(authority, "new.test", "proxy.test").read_bytes())
    new.chmod(0o600)
    new.replace(file)
    assert shown.refresh()
    for context in (shown.context, kept):
        assert shakes(context, authority, "proxy.test") == "new.test"
    file.write_bytes(good)
    os.utime(file, ns=(1, 1))
    assert shown.refresh()
    assert shakes(kept, authority, "proxy.test") == "proxy.test"
