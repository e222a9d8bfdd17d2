"""Throw-away certificates: the origin's authority and certificate, and Squid's authority.

In: a folder. Out: PEM files in it. Must never: be trusted by anything but this run.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

type Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def new_key(kind: str) -> Key:
    """A P-256 (`ec`) or a 2048-bit RSA (`rsa`) key."""
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def authority(name: str, kind: str = "ec") -> tuple[Key, x509.Certificate]:
    """A self-signed authority of that name."""
    key = new_key(kind)
    subject = _name(name)
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    builder = (
        _builder(subject, subject, key)
        .add_extension(constraints, critical=True)
        .add_extension(_signs_certificates(), critical=True)
    )
    return key, builder.sign(key, hashes.SHA256())


def leaf(names: Sequence[str], ca_key: Key, ca: x509.Certificate) -> tuple[Key, x509.Certificate]:
    """A P-256 server certificate for those names."""
    key = new_key("ec")
    alternative = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    builder = (
        _builder(_name(names[0]), ca.subject, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(alternative, critical=False)
        .add_extension(
            x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
    )
    return key, builder.sign(ca_key, hashes.SHA256())


def write(path: Path, *parts: Key | x509.Certificate) -> Path:
    """Write keys and certificates into one PEM file, readable by the owner only."""
    path.touch(mode=0o600)
    path.write_bytes(b"".join(map(_pem, parts)))
    return path


def _pem(part: Key | x509.Certificate) -> bytes:
    if isinstance(part, x509.Certificate):
        return part.public_bytes(serialization.Encoding.PEM)
    return part.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(subject: x509.Name, issuer: x509.Name, key: Key) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=30))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _signs_certificates() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
