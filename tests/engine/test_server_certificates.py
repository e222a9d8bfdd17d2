"""Servers that cannot prove who they are, each with a real server: what the page and record say."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL import SSL
from support.stage import answering

from proxy_addons.gate.certificates import FAULTS, NO_WAY_ON, wording_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.stage import Stage

type Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

NOW = datetime.now(UTC)
YEAR = timedelta(days=365)
MONTH = timedelta(days=30)


@dataclass
class Signer:
    """An authority of the tests' own."""

    certificate: x509.Certificate
    key: Key


def certificate(
    name: str,
    key: Key,
    issuer: Signer | None,
    *,
    ca: bool = False,
    begins: datetime = NOW - MONTH,
    ends: datetime = NOW + MONTH,
    usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if not ca:
        try:
            shown: x509.GeneralName = x509.IPAddress(ip_address(name))
        except ValueError:
            shown = x509.DNSName(name)
        builder = builder.add_extension(x509.SubjectAlternativeName([shown]), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return builder.sign(issuer.key if issuer else key, hashes.SHA256())


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def signer(name: str, issuer: Signer | None = None) -> Signer:
    key = new_key()
    return Signer(certificate(name, key, issuer, ca=True), key)


@dataclass
class Web:
    """A known root, an intermediate below it, and somebody whom nobody knows."""

    root: Signer
    middle: Signer
    stranger: Signer


@pytest.fixture(scope="module")
def web() -> Web:
    root = signer("Root")
    return Web(root, signer("Intermediate", root), signer("Stranger"))


def serving(folder: Path, key: Key, *chain: x509.Certificate) -> ssl.SSLContext:
    """A server's TLS that shows just this chain, and would do so however weak it is."""
    file = folder / "server.pem"
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    file.write_bytes(
        key.private_bytes(pem, pkcs8, serialization.NoEncryption())
        + b"".join(each.public_bytes(pem) for each in chain)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.load_cert_chain(file)
    return context


def by_sha1(folder: Path, web: Web) -> ssl.SSLContext:
    """By openssl's own hand: the library does not sign with SHA-1 any more."""
    pem = serialization.Encoding.PEM
    (folder / "root.pem").write_bytes(web.root.certificate.public_bytes(pem))
    (folder / "root.key").write_bytes(
        web.root.key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    (folder / "extensions").write_text("subjectAltName=DNS:allowed.test\n")
    for command in (
        "openssl ecparam -name prime256v1 -genkey -noout -out leaf.key",
        "openssl req -new -key leaf.key -subj /CN=allowed.test -out leaf.csr",
        (
            "openssl x509 -req -sha1 -in leaf.csr -CA root.pem -CAkey root.key -CAcreateserial"
            " -days 30 -extfile extensions -out leaf.pem"
        ),
    ):
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.load_cert_chain(folder / "leaf.pem", folder / "leaf.key")
    return context


def made(
    *,
    name: str = "",
    key: Callable[[], Key] = new_key,
    by: str = "root",
    shown: str = "",
    **how: Any,
) -> Callable[[Path, Web], ssl.SSLContext]:
    """Makes a server's TLS: `by` signs, certificates named in `shown` are sent beside the leaf."""

    def make(folder: Path, web: Web) -> ssl.SSLContext:
        own = key()
        issuer = getattr(web, by) if by else None
        leaf = certificate(name or "allowed.test", own, issuer, **how)
        return serving(folder, own, leaf, *(getattr(web, who).certificate for who in shown.split()))

    return make


# The server, what the record says, and the page's one sentence about it.
CASES: dict[str, tuple[Callable[[Path, Web], ssl.SSLContext], str, str]] = {
    "expired": (made(begins=NOW - YEAR, ends=NOW - MONTH), "certificate has expired", "expired:"),
    "not yet valid": (made(begins=NOW + MONTH, ends=NOW + YEAR), "not yet valid", "not valid yet"),
    "self-signed": (made(by=""), "self-signed certificate", "made its certificate itself"),
    "unknown issuer": (made(by="stranger"), "local issuer certificate", "Nobody whom the gateway"),
    "unknown issuer, shown": (made(by="stranger", shown="stranger"),
                              "self-signed certificate in certificate chain", "Nobody whom"),
    "intermediate missing": (made(by="middle"), "local issuer certificate", "Nobody whom"),
    "wrong name": (made(name="other.test"), "hostname mismatch", "for another name"),
    "wildcard of a whole top level": (made(name="*.test"), "hostname mismatch", "another name"),
    "wildcard of another depth": (made(name="*.allowed.test"), "hostname mismatch", "another name"),
    "an address for the name": (made(name="192.0.2.7"), "hostname mismatch", "another name"),
    "weak key": (made(key=lambda: rsa.generate_private_key(65537, 1024)),
                 "EE certificate key too weak", "too weak"),
    "SHA-1": (by_sha1, "CA signature digest algorithm too weak", "too weak"),
    "for clients": (made(usage=ExtendedKeyUsageOID.CLIENT_AUTH), "certificate purpose", "else"),
}  # fmt: skip


@pytest.fixture
async def stage(stage_with: Callable[..., Any], web: Web, tmp_path: Path) -> Stage:
    trusted = tmp_path / "root.pem"
    trusted.write_bytes(web.root.certificate.public_bytes(serialization.Encoding.PEM))
    made: Stage = await stage_with({"tls": {"trusted_ca_file": str(trusted)}})
    return made


@pytest.mark.parametrize("which", CASES)
async def test_a_server_that_cannot_prove_who_it_is(
    which: str, stage: Stage, web: Web, tmp_path: Path
) -> None:
    make, recorded, said = CASES[which]
    await stage.origin("allowed.test", script=answering(b"secret"), tls=make(tmp_path, web))
    client = await stage.tunnel("allowed.test")
    reply = await client.get("/pay?card=1", "Host: allowed.test", "Accept: text/html")
    assert reply.status == 502
    assert "error=tls_certificate_error" in reply.headers["proxy-status"]
    assert "secret" not in reply.text
    page = " ".join(reply.text.split())
    assert "could not prove who it is" in page
    assert said in page
    assert NO_WAY_ON in page
    # Nothing on it could be a way on: no link, form, script or button.
    assert not [tag for tag in ("<a ", "<form", "<script", "<button", "<input") if tag in page]
    (record,) = await stage.end()
    assert record["error"].startswith("Certificate verify failed: ")
    assert recorded in record["error"]
    assert (record["action"], record["status"]) == ("allow", 502)


@pytest.mark.parametrize(
    ("make", "host"),
    [
        pytest.param(made(), "allowed.test", id="by the root"),
        pytest.param(made(by="middle", shown="middle"), "allowed.test", id="by an intermediate"),
        pytest.param(made(name="*.allowed.test"), "www.allowed.test", id="wildcard"),
        pytest.param(
            made(key=lambda: rsa.generate_private_key(65537, 2048)), "allowed.test", id="RSA"
        ),
        pytest.param(made(name="192.0.2.7"), "192.0.2.7", id="address"),
        pytest.param(made(name="2001:db8::7"), "2001:db8::7", id="address of version 6"),
    ],
)
async def test_a_server_that_can(
    make: Callable[[Path, Web], ssl.SSLContext],
    host: str,
    stage_with: Callable[..., Any],
    web: Web,
    tmp_path: Path,
) -> None:
    """Otherwise the refusals above would show nothing."""
    trusted = tmp_path / "root.pem"
    trusted.write_bytes(web.root.certificate.public_bytes(serialization.Encoding.PEM))
    stage = await stage_with({"tls": {"trusted_ca_file": str(trusted)}})
    await stage.origin(host, script=answering(b"good"), tls=make(tmp_path, web))
    written = f"[{host}]" if ":" in host else host
    named = host.endswith(".test")
    client = await stage.tunnel(written, sni=host if named else None)
    reply = await client.get("/", f"Host: {written}")
    assert (reply.status, reply.text) == (200, "good")


@pytest.mark.parametrize("shown", ["allowed.test", "192.0.2.8"])
async def test_an_address_must_be_in_the_certificate(
    shown: str, stage: Stage, web: Web, tmp_path: Path
) -> None:
    context = made(name=shown)(tmp_path, web)
    await stage.origin("192.0.2.7", script=answering(b"secret"), tls=context)
    client = await stage.tunnel("192.0.2.7", sni=None)
    reply = await client.get("/", "Host: 192.0.2.7", "Accept: text/html")
    assert (reply.status, "for another name" in reply.text) == (502, True)
    (record,) = await stage.end()
    assert "IP address mismatch" in record["error"]


# --- the words --------------------------------------------------------------------------------


def openssl_says() -> set[str]:
    library, ffi = SSL._lib, SSL._ffi  # type: ignore[attr-defined]
    return {ffi.string(library.X509_verify_cert_error_string(n)).decode() for n in range(100)}


def test_every_fault_is_said_in_openssls_words() -> None:
    known = openssl_says()
    for fault in FAULTS:
        assert known & set(fault.words), fault


def test_no_words_stand_for_two_faults_and_what_is_unknown_is_said_in_general() -> None:
    for words in openssl_says():
        detail = f"Certificate verify failed: {words}"
        found = [fault for fault in FAULTS if words in fault.words]
        assert len(found) <= 1, words
        wording = wording_for(detail)
        assert wording.steps[-1] == NO_WAY_ON
        assert (wording.summary == (found or [wording_for("")])[0].summary) is True, words
