"""Time-stamps of checkpoints by somebody else (RFC 3161).

In: the text of a checkpoint, answers of a time-stamping authority, its roots. Out: requests; what
an answer proves.
Must never: call a time proved without a root that somebody has named; keep an answer to another
question.

What is stamped is the SHA-256 of the note's text, without signatures: later ones of witnesses
change nothing about it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.x509 import load_pem_x509_certificates
from rfc3161_client import (
    HashAlgorithm,
    PKIStatus,
    TimestampRequestBuilder,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from cryptography.x509 import Certificate
    from rfc3161_client import TimeStampRequest, TimeStampResponse

STAMPS: Final = "timestamps"
_SUFFIX: Final = ".tsr"
_SHA256: Final = "2.16.840.1.101.3.4.2.1"


class StampError(ValueError):
    """An answer is no time-stamp of what was asked, or does not hold. The text says why."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """One that is there.

    Attributes:
        size: of the checkpoint.
        at: when, aware, as its authority says.
        proved: whether its signature was checked; without a root nobody can.
    """

    size: int
    at: datetime
    proved: bool


@dataclass(frozen=True, slots=True)
class StampCheck:
    """What time-stamps are checked with: certificates of roots; none: they are only compared."""

    roots: tuple[Certificate, ...] = ()

    @classmethod
    def of(cls, path: Path | None) -> StampCheck:
        """The certificates in a PEM file.

        Raises:
            OSError: it cannot be read.
            ValueError: it has no certificate.
        """
        return cls(tuple(load_pem_x509_certificates(path.read_bytes()))) if path else cls()


def stamp_of(folder: Path, size: int) -> Path:
    """Where the time-stamp of a checkpoint is kept, in the folder of the seals."""
    return folder / STAMPS / f"{size}{_SUFFIX}"


def size_of(path: Path) -> int | None:
    """The size that a file's name says, or None when it is not that of a time-stamp."""
    name = path.name.removesuffix(_SUFFIX)
    number = int(name) if name.isascii() and name.isdecimal() else -1
    return number if path.name == f"{number}{_SUFFIX}" else None


def request(text: str) -> TimeStampRequest:
    """What an authority is asked, with a nonce and for its certificate.

    Args:
        text: of the checkpoint.
    """
    return (
        TimestampRequestBuilder()
        .data(text.encode())
        .hash_algorithm(HashAlgorithm.SHA256)
        .nonce(nonce=True)
        .cert_request(cert_request=True)
        .build()
    )


def read_stamp(
    size: int, answer: bytes, text: str, by: StampCheck, asked: TimeStampRequest | None = None
) -> Stamp:
    """Check an answer.

    Args:
        size: of the checkpoint.
        answer: DER, as it came.
        text: of the checkpoint.
        by: what it is checked with.
        asked: the request, where it is the answer to one of ours.

    Raises:
        StampError: it does not hold.
    """
    try:
        response = decode_timestamp_response(answer)
        _granted(response)
        info = response.tst_info
        imprint = info.message_imprint
    except ValueError as problem:
        raise StampError(f"it cannot be read: {problem}") from problem
    digest = hashlib.sha256(text.encode()).digest()
    if imprint.hash_algorithm.dotted_string != _SHA256 or imprint.message != digest:
        raise StampError("it is of something else")
    if asked is not None and info.nonce != asked.nonce:
        raise StampError("it answers another request (nonce)")
    if by.roots:
        builder = VerifierBuilder(roots=list(by.roots))
        try:
            builder.build().verify(response, digest)
        except (VerificationError, ValueError) as problem:
            raise StampError(f"its signature does not hold: {problem}") from problem
    return Stamp(size, info.gen_time, proved=bool(by.roots))


def _granted(response: TimeStampResponse) -> None:
    if response.status != PKIStatus.GRANTED:
        said = "; ".join(response.status_string)[:200]
        raise StampError(f"it was not granted (status {response.status}) {said!r}")
