"""The certificate that our own listeners show: read, checked, and read again when it changes.

In: a PEM file with the chain, one with the key (or both in one). Out: TLS contexts for a server.
Must never: show a certificate whose key does not belong to it; go on with half of a change; let
a key be used that everybody on the machine can read.

Settings, engine and portal all need it, which is why it lives below them.
"""

from __future__ import annotations

import os
import ssl
import stat
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

_SOON: Final = timedelta(days=14)  # before its end a certificate is complained of
ALPN: Final = ("http/1.1",)  # what is spoken with the gateway and its portal


class CertificateError(ValueError):
    """A certificate cannot be shown. The message names the file and the fix."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate with its chain, and its key.

    Attributes:
        chain: PEM, our certificate first.
        key: PEM.
        ends: when our certificate does, aware UTC.
        names: DNS names and addresses that it is good for.
    """

    chain: bytes = field(repr=False)
    key: bytes = field(repr=False)
    ends: datetime
    names: tuple[str, ...]

    def warnings(self, names: Sequence[str], now: datetime) -> Iterator[str]:
        """What an operator should know, although it can be shown.

        Args:
            names: by which clients reach us.
            now: aware UTC.
        """
        if self.ends <= now:
            yield f"expired on {self.ends:%d %B %Y}: clients will refuse it. Replace it."
        elif self.ends - now < _SOON:
            yield f"expires on {self.ends:%d %B %Y}. Replace it before then."
        for name in names:
            if not any(_covers(each, name) for each in self.names):
                yield f"is not for {name}, which listen.names has: clients there will refuse it."


def read_pair(chain: Path, key: Path) -> Pair:
    """Read a certificate and its key.

    Args:
        chain: PEM file, our certificate first, then those between it and the root.
        key: PEM file of its key, not encrypted; may be the same file.

    Raises:
        CertificateError: with the file, what is wrong and how to mend it.
    """
    chain_bytes = _read(chain, "the certificate")
    key_bytes = _read(key, "the key of the certificate")
    mode = stat.S_IMODE(_mode_of(key))
    if mode & 0o027:
        msg = (
            f"{key} is open to others (mode {mode:04o}), and whoever has the key can pass for this "
            f"gateway. Close it: chmod 600 {key} (0640 for a group of its own)."
        )
        raise CertificateError(msg)
    try:
        certificates = x509.load_pem_x509_certificates(chain_bytes)
    except ValueError:
        msg = f"{chain}: no PEM certificate in it (-----BEGIN CERTIFICATE-----)"
        raise CertificateError(msg) from None
    try:
        private = serialization.load_pem_private_key(key_bytes, password=None)
    except (ValueError, TypeError):
        # Neither the file's text nor OpenSSL's complaint about it is quoted.
        msg = f"{key}: no PEM key in it that can be read without a password"
        raise CertificateError(msg) from None
    ours = certificates[0]
    if ours.public_key() != private.public_key():
        msg = f"{chain} and {key} do not belong together: the key is of another certificate"
        raise CertificateError(msg)
    pair = Pair(
        # Encoded anew from what was parsed: one file may hold both, and more.
        b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates),
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
        ours.not_valid_after_utc,
        tuple(_names_of(ours)),
    )
    if not pair.names:
        msg = f"{chain}: the certificate has no subjectAltName: no client would take it"
        raise CertificateError(msg)
    return pair


def context_of(pair: Pair) -> ssl.SSLContext:
    """TLS of a server that shows a certificate: 1.2 and 1.3, HTTP/1.1.

    Raises:
        CertificateError: OpenSSL does not take it (a key too weak, for example).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(list(ALPN))
    # Python's ssl reads certificates from files alone. This one is in memory, and ours alone.
    descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(pair.key + pair.chain)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    except (ssl.SSLError, OSError) as problem:
        msg = f"OpenSSL does not take the certificate ({getattr(problem, 'reason', problem)})"
        raise CertificateError(msg) from None
    finally:
        os.close(descriptor)
    return context


class Shown:
    """A certificate in use, read again when its files change.

    Args:
        chain: PEM file.
        key: PEM file; may be the same.

    Attributes:
        context: in force; connections take it when they begin.
        pair: what it shows.

    Raises:
        CertificateError: it cannot be shown.
    """

    def __init__(self, chain: Path, key: Path) -> None:
        self._files = (chain, key)
        self._seen = self._look()
        self.pair = read_pair(chain, key)
        self.context = context_of(self.pair)

    def refresh(self) -> bool:
        """Take changed files into use; whether they were. It reads files: not for an event loop.

        Raises:
            CertificateError: what is there now is not sound; the last good one stays in use. Told
                of once for each change.
        """
        seen = self._look()
        if seen == self._seen:
            return False
        self._seen = seen
        pair = read_pair(*self._files)
        self.context = context_of(pair)
        self.pair = pair
        return True

    def choose(self, tls: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """For `sni_callback` of a context that a server keeps: shows what is in force now."""
        tls.context = self.context

    def _look(self) -> tuple[tuple[int, int, int], ...] | None:
        try:
            found = [path.stat() for path in self._files]
        except OSError:
            return None  # being replaced, perhaps: reading will tell
        return tuple((each.st_ino, each.st_mtime_ns, each.st_size) for each in found)


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        msg = f"{path}: {what} cannot be read: {problem.strerror}"
        raise CertificateError(msg) from None


def _mode_of(path: Path) -> int:
    try:
        return path.stat().st_mode
    except OSError as problem:
        # It was there a moment ago: somebody is replacing it.
        msg = f"{path}: {problem.strerror}"
        raise CertificateError(msg) from None


def _names_of(certificate: x509.Certificate) -> Iterator[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return  # the caller says so: nobody looks at the subject any more
    yield from found.value.get_values_for_type(x509.DNSName)
    yield from (str(each) for each in found.value.get_values_for_type(x509.IPAddress))


def _covers(pattern: str, name: str) -> bool:
    """Whether a name of a certificate is, or a wildcard among them stands for, one of ours."""
    pattern, name = pattern.lower().rstrip("."), name.lower().rstrip(".")
    try:
        return ip_address(pattern) == ip_address(name)
    except ValueError:
        # At least one of them is no address: compared as names.
        if pattern.startswith("*."):
            return name.partition(".")[2] == pattern[2:] and bool(name.partition(".")[0])
        return pattern == name
