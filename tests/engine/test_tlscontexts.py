"""TLS contexts: what browsers are shown, and what is demanded of servers."""

from __future__ import annotations

import ssl
import warnings
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from OpenSSL import SSL
from support.certificates import WebAuthority, tls_with
from support.client import client_context

from proxy_addons.engine import trust
from proxy_addons.engine.authority import load_or_make
from proxy_addons.engine.tlscontexts import TlsContexts
from proxy_addons.engine.trust import TrustError, load_trust

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from support.fixtures import Clock


@pytest.fixture
def authority_file(tmp_path: Path) -> Path:
    load_or_make(tmp_path / "ca", "Force", datetime.now(UTC))
    return tmp_path / "ca/ca.pem"


@pytest.fixture
def contexts(tmp_path: Path, authority_file: Path, clock: Clock) -> TlsContexts:
    del authority_file
    authority = load_or_make(tmp_path / "ca", "Force", datetime.now(UTC))
    return TlsContexts(authority, None, http2=True, clock=clock, now=lambda: datetime.now(UTC))


def talk(  # what Python's TLS needs to know of both sides
    gateway: SSL.Connection,
    context: ssl.SSLContext,
    host: str | None,
    *,
    client: bool = True,
    session: ssl.SSLSession | None = None,
) -> ssl.SSLObject:
    """A handshake between us and Python's own TLS, in memory."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    other = context.wrap_bio(incoming, outgoing, not client, host if client else None, session)
    done: set[object] = set()
    for _ in range(20):
        for step in (other.do_handshake, gateway.do_handshake):
            # What it waits for is the other's next message.
            with suppress(ssl.SSLWantReadError, SSL.WantReadError):
                step()
                done.add(step)
            if data := outgoing.read():
                gateway.bio_write(data)
            with suppress(SSL.WantReadError):
                incoming.write(gateway.bio_read(65536))
        if len(done) == 2:
            return other
    pytest.fail("no handshake came about")


# --- to browsers ------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["allowed.test", "192.0.2.1", "2001:db8::1"])
def test_a_browser_accepts_the_leaf_for_its_name_alone(
    contexts: TlsContexts, authority_file: Path, host: str
) -> None:
    talk(contexts.for_client(host), client_context(authority_file), host)
    with pytest.raises(ssl.SSLCertVerificationError, match=r"mismatch|match"):
        talk(contexts.for_client(host), client_context(authority_file), "other.test")


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(["h2", "http/1.1"], "h2"), (["http/1.1", "h2"], "h2"), (["http/1.1"], "http/1.1"),
     (["h2"], "h2"), (["spdy/3"], None), (["http/1.0", "h3"], None), ([], None)],
)  # fmt: skip
def test_what_is_agreed_on(
    contexts: TlsContexts, authority_file: Path, offered: Sequence[str], chosen: str | None
) -> None:
    context = client_context(authority_file, offered)
    other = talk(contexts.for_client("allowed.test"), context, "allowed.test")
    assert other.selected_alpn_protocol() == chosen


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_no_browser_of_old_tls(
    contexts: TlsContexts, authority_file: Path, version: ssl.TLSVersion
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context = client_context(authority_file, maximum=version)
    with pytest.raises((ssl.SSLError, SSL.Error)):
        talk(contexts.for_client("allowed.test"), context, "allowed.test")


@pytest.mark.parametrize("side", ["browser", "server"])
def test_the_lowest_version_is_ours_to_say(
    side: str, tmp_path: Path, contexts: TlsContexts, authority_file: Path
) -> None:
    """Not that of the security level, by which today's OpenSSL refuses old TLS as well."""
    ours = contexts._make("allowed.test") if side == "browser" else contexts._server
    ours.set_cipher_list(b"ALL:@SECLEVEL=0")
    ours.set_verify(SSL.VERIFY_NONE, None)
    gateway = SSL.Connection(ours)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        if side == "browser":
            gateway.set_accept_state()
            context = client_context(authority_file, maximum=ssl.TLSVersion.TLSv1_1)
        else:
            gateway.set_connect_state()
            context = tls_with(WebAuthority(tmp_path).leaf("allowed.test"))
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, SSL.Error), match=r"version|protocol"):
        talk(gateway, context, "allowed.test", client=side == "browser")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_of_today(contexts: TlsContexts, authority_file: Path, version: ssl.TLSVersion) -> None:
    context = client_context(authority_file)
    context.minimum_version = context.maximum_version = version
    talk(contexts.for_client("allowed.test"), context, "allowed.test")


def test_hosts_share_no_context(contexts: TlsContexts, authority_file: Path) -> None:
    """A session begun under one name must not be good under another."""
    context = client_context(authority_file)
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # the session is there after the handshake
    first = talk(contexts.for_client("allowed.test"), context, "allowed.test")
    assert first.session is not None
    assert first.session.has_ticket
    for host, resumed in (("allowed.test", True), ("other.test", False)):
        again = talk(contexts.for_client(host), context, host, session=first.session)
        assert again.session_reused is resumed, host


def test_a_leaf_is_kept_for_a_day(contexts: TlsContexts, clock: Clock) -> None:
    first = contexts.for_client("allowed.test").get_context()
    assert contexts.for_client("allowed.test").get_context() is first
    clock.now = 24 * 3600.0
    assert contexts.for_client("allowed.test").get_context() is not first


def test_not_all_leaves_are_kept(contexts: TlsContexts) -> None:
    assert contexts._shown.maxsize == 4096


# --- to servers -------------------------------------------------------------------------------


def test_a_server_is_verified(tmp_path: Path, contexts: TlsContexts) -> None:
    """Against an authority that nobody named."""
    web = WebAuthority(tmp_path)
    with pytest.raises(SSL.Error, match="certificate verify failed"):
        talk(contexts.for_server(), tls_with(web.leaf("allowed.test")), None, client=False)


def test_the_forces_own_roots_are_trusted_in_addition(
    tmp_path: Path, clock: Clock, authority_file: Path
) -> None:
    del authority_file
    web = WebAuthority(tmp_path)
    authority = load_or_make(tmp_path / "ca", "Force", datetime.now(UTC))
    made = TlsContexts(authority, web.file, http2=True, clock=clock, now=lambda: datetime.now(UTC))
    talk(made.for_server(), tls_with(web.leaf("allowed.test")), None, client=False)


def test_nothing_below_tls_1_2_towards_servers(
    tmp_path: Path, clock: Clock, authority_file: Path
) -> None:
    del authority_file
    web = WebAuthority(tmp_path)
    authority = load_or_make(tmp_path / "ca", "Force", datetime.now(UTC))
    made = TlsContexts(authority, web.file, http2=True, clock=clock, now=lambda: datetime.now(UTC))
    context = tls_with(web.leaf("allowed.test"))
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((SSL.Error, ssl.SSLError)):
        talk(made.for_server(), context, None, client=False)


# --- trust ------------------------------------------------------------------------------------


def test_the_systems_store_follows_what_administrators_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = WebAuthority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(web.file))
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_verify(SSL.VERIFY_PEER, None)
    load_trust(context, None)
    connection = SSL.Connection(context)
    connection.set_connect_state()
    talk(connection, tls_with(web.leaf("allowed.test")), None, client=False)


def test_no_store_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A gateway that trusts nothing refuses everything: it must say so at the start."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "not-there.pem"))
    monkeypatch.setattr(trust, "_SYSTEM_FILES", (tmp_path / "nor-here.pem",))
    with pytest.raises(TrustError, match="install the package ca-certificates, or name a PEM"):
        load_trust(SSL.Context(SSL.TLS_CLIENT_METHOD), None)


def test_only_the_forces_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "not-there.pem"))
    monkeypatch.setattr(trust, "_SYSTEM_FILES", ())
    load_trust(SSL.Context(SSL.TLS_CLIENT_METHOD), WebAuthority(tmp_path).file)


@pytest.mark.parametrize("content", [b"", b"no PEM", None])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "force-root.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(TrustError) as problem:
        load_trust(SSL.Context(SSL.TLS_CLIENT_METHOD), file)
    assert str(file) in str(problem.value)
    assert "tls.trusted_ca_file" in str(problem.value)
