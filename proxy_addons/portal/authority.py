"""The public half of the inspection authority, ready to be handed out.

In: `ca.pem` in the authority's folder.
Out: its certificates as PEM and DER, with what people compare: name, fingerprint, dates.
Must never: read `ca.key`, or pass on a key that somebody put into `ca.pem`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path


class AuthorityUnreadableError(Exception):
    """There is no certificate to hand out; the request gets a 503 that says so."""


@dataclass(frozen=True, slots=True)
class PublicAuthority:
    """What is handed out.

    Attributes:
        name: the certificate's common name, or its whole subject.
        fingerprint: SHA-256 in upper-case hex, bytes set apart by colons.
        not_before: aware UTC.
        not_after: aware UTC.
        pem: the certificate, PEM.
        der: the same, DER.
    """

    name: str
    fingerprint: str
    not_before: datetime
    not_after: datetime
    pem: bytes
    der: bytes


def read(ca_dir: Path) -> PublicAuthority:
    """Read the authority's certificate.

    Args:
        ca_dir: `settings.paths.ca_dir`.

    Raises:
        AuthorityUnreadableError: it is missing or not a certificate.
    """
    path = ca_dir / "ca.pem"
    try:
        certificate = x509.load_pem_x509_certificates(path.read_bytes())[0]
    except FileNotFoundError:
        msg = "The inspection authority has not been made yet: start the gateway once."
        raise AuthorityUnreadableError(msg) from None
    except (OSError, ValueError) as problem:
        msg = f"The inspection authority's certificate cannot be read ({type(problem).__name__})."
        raise AuthorityUnreadableError(msg) from problem
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    # Encoded anew from what was parsed, so that nothing else in the file gets out.
    return PublicAuthority(
        name=str(names[0].value) if names else certificate.subject.rfc4514_string(),
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(":").upper(),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        pem=certificate.public_bytes(Encoding.PEM),
        der=certificate.public_bytes(Encoding.DER),
    )
