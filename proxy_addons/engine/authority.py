"""The inspection authority: the certificate that browsers trust, and the leaves it signs.

In: the folder of the authority; a host name or address.
Out: `ca.pem` (public) and `ca.key` (0600), made once; short-lived leaf certificates.
Must never: serve, log or copy the private key; replace an authority that is there; sign for a
name that was not asked for.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_CA_DAYS = 5 * 365
# Browsers refuse leaves of more than 398 days; ours live in memory only, so a few days are enough,
# and a key that leaked out of a worker is worth little.
_LEAF_DAYS = 7
_BACKDATED = timedelta(days=1)  # for clients whose clock is behind
_COMMON_NAME_LENGTH = 64  # RFC 5280 ub-common-name


class AuthorityError(Exception):
    """The authority cannot be used or made. The gateway does not start."""


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority that can sign.

    Attributes:
        certificate: its certificate.
        key: its P-256 key.
    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def leaf(
        self,
        host: str,
        public_key: ec.EllipticCurvePublicKey,
        now: datetime,
        others: Sequence[str] = (),
    ) -> x509.Certificate:
        """A certificate for one host, valid from a day ago for a week.

        Args:
            host: canonical name or address.
            public_key: of the worker's leaf key.
            now: aware UTC.
            others: further names of the same host.
        """
        names = [_general_name(each) for each in (host, *others)]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:_COMMON_NAME_LENGTH])])
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.certificate.subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATED)
            .not_valid_after(
                min(now + timedelta(days=_LEAF_DAYS), self.certificate.not_valid_after_utc)
            )
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                _key_identifier(self.certificate),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def load_or_make(folder: Path, organisation: str, now: datetime) -> Authority:
    """The authority in `folder`; made there when the folder holds none.

    Args:
        folder: for `ca.pem` and `ca.key`; made 0700.
        organisation: named in the certificate's subject.
        now: aware UTC.

    Raises:
        AuthorityError: when only half of it is there, or it cannot be read, or has expired, or
            others than the user of this process can get at the key.
    """
    certificate_file, key_file = folder / "ca.pem", folder / "ca.key"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(folder):
        if certificate_file.exists() != key_file.exists():
            there, missing = (
                (certificate_file, key_file)
                if certificate_file.exists()
                else (key_file, certificate_file)
            )
            msg = (
                f"{there} is there but {missing.name} is not. Restore it from the backup; to make "
                f"a new authority (every browser must then be given it), move {there.name} away."
            )
            raise AuthorityError(msg)
        if not certificate_file.exists():
            _make(folder, organisation, now)
    for path, mode in ((folder, 0o700), (key_file, 0o600)):
        _check_kept(path, mode)
    return _load(certificate_file, key_file, now)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder, so that nobody sees half an authority that another is just making."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _check_kept(path: Path, mode: int) -> None:
    """See that a file or folder is this user's alone.

    A key that others could read must count as known to them, so the gateway does not start, rather
    than close it and go on.
    """
    try:
        found = path.stat()
    except OSError as problem:
        # Not even to be looked at: nothing is started.
        msg = f"{path}: {problem.strerror}"
        raise AuthorityError(msg) from None
    if found.st_uid != os.geteuid():
        msg = (
            f"{path} belongs to user {found.st_uid}, but this process runs as user {os.geteuid()}. "
            f"Start the gateway as its owner, or give it away: chown -R USER {path.parent}"
        )
        raise AuthorityError(msg)
    if others := stat.S_IMODE(found.st_mode) & 0o077:
        may = " and ".join(
            what
            for what, bits in (("read", 0o044), ("write", 0o022), ("enter", 0o011))
            if others & bits
        )
        msg = (
            f"{path} is open to others (mode {stat.S_IMODE(found.st_mode):04o}): they may {may} it,"
            " and whoever has the inspection key can pass for any site. If nobody can have used "
            f"that: chmod {mode:o} {path}. If somebody can, make a new authority: move "
            f"{path if path.is_dir() else path.parent} away, start again, and give the new "
            "certificate to all browsers."
        )
        raise AuthorityError(msg)


def _load(certificate_file: Path, key_file: Path, now: datetime) -> Authority:
    try:
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as problem:
        # The text of these errors quotes no key material, but their cause may: only the class.
        msg = f"{certificate_file.parent}: the authority cannot be read ({type(problem).__name__})"
        raise AuthorityError(msg) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        msg = f"{key_file}: an elliptic-curve key (P-256) is needed"
        raise AuthorityError(msg)
    if not _is_authority(certificate):
        msg = f"{certificate_file} is no authority: its certificate may not sign others"
        raise AuthorityError(msg)
    if certificate.public_key() != key.public_key():
        msg = f"{certificate_file} and {key_file.name} do not belong together"
        raise AuthorityError(msg)
    if certificate.not_valid_after_utc <= now:
        msg = f"{certificate_file} expired on {certificate.not_valid_after_utc:%d %B %Y}"
        raise AuthorityError(msg)
    return Authority(certificate, key)


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except x509.ExtensionNotFound:
        # Without it browsers take the certificate for a site's: the gateway does not start.
        return False
    return basic.value.ca


def _key_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """By which a browser finds the issuer: as the issuer itself says it."""
    try:
        said = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        # It says nothing: then its public key is the name (RFC 5280 4.2.1.2).
        public_key = issuer.public_key()
        assert isinstance(public_key, ec.EllipticCurvePublicKey)
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(public_key)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(said.value)


def _make(folder: Path, organisation: str, now: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation[:_COMMON_NAME_LENGTH]),
            x509.NameAttribute(NameOID.COMMON_NAME, "Watchhouse inspection authority"),
        ]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + timedelta(days=_CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                key_cert_sign=True,
                crl_sign=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    # The key first: a certificate without its key is the half that the loader complains of, and
    # nobody can have rolled it out yet.
    _write_new(
        folder / "ca.key",
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
        0o600,
    )
    _write_new(folder / "ca.pem", certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def _write_new(path: Path, content: bytes, mode: int) -> None:
    """Write a file that must not be there yet, whole or not at all."""
    half = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(half, path)  # never over a file that is there
    finally:
        half.unlink()


def now_utc() -> datetime:
    """The present, aware UTC."""
    return datetime.now(UTC)
