"""minisign signatures: proof that a file is from who holds a key, whatever it came through.

In: a public key, a detached signature, the file. Out: nothing, or why it is not believed.
Must never: believe a signature of another key, or a trusted comment that is not signed.

The format is that of minisign (and signify, whose plain form it takes): Ed25519 over the file's
BLAKE2b-512 digest (algorithm `ED`) or over the file itself (`Ed`), and a second signature over the
first and its trusted comment. It is read here because all its parts are in `cryptography` and
`hashlib`; OpenPGP would need a program and a keyring, and has a thousand forms.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

if TYPE_CHECKING:
    from pathlib import Path

_PLAIN, _HASHED = b"Ed", b"ED"
_KEY_OCTETS: Final = 2 + 8 + 32
_SIGNATURE_OCTETS: Final = 2 + 8 + 64
_TRUSTED: Final = "trusted comment: "
MOST: Final = 16 << 10  # octets of a signature file


class SignatureError(Exception):
    """The file is not believed; the text says why."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A minisign public key.

    Attributes:
        id: eight octets that signatures name it by.
        octets: the Ed25519 key.
    """

    id: bytes
    octets: bytes

    @classmethod
    def parse(cls, text: str) -> PublicKey:
        """Reads the line that minisign shows.

        Raises:
            ValueError: it is none.
        """
        data = _decoded(text)
        if len(data) != _KEY_OCTETS or data[:2] != _PLAIN:
            raise ValueError("which is no minisign key")
        return cls(data[2:10], data[10:])

    def check(self, file: Path, signature: bytes) -> None:
        """Verifies a file.

        Args:
            file: it.
            signature: the content of its `.minisig`.

        Raises:
            SignatureError: it is not signed with this key, or not as it stands there.
            OSError: the file cannot be read.
        """
        algorithm, key_id, signed, comment, overall = _parts(signature)
        if key_id != self.id:
            raise SignatureError("the signature is by another key than public_key")
        key = Ed25519PublicKey.from_public_bytes(self.octets)
        if algorithm == _HASHED:
            with file.open("rb") as opened:
                message = hashlib.file_digest(opened, "blake2b").digest()
        else:
            message = file.read_bytes()  # bounded by max_size
        try:
            key.verify(signed, message)
            key.verify(overall, signed + comment)
        except InvalidSignature:
            # The file is not imported; the last good list stays.
            raise SignatureError("the signature does not fit the file") from None


def _parts(data: bytes) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    """Algorithm, key id, signature, trusted comment, signature over both."""
    try:
        lines = data.decode("utf-8").rstrip("\r\n").split("\n")  # not at what Unicode breaks at
        _, first, comment, second = (line.removesuffix("\r") for line in lines)
        signed, overall = _decoded(first), _decoded(second)
    except ValueError:  # also of UnicodeDecodeError: the file is not imported
        raise SignatureError("the signature is not in minisign's form") from None
    whole = len(signed) == _SIGNATURE_OCTETS and len(overall) == 64
    if not whole or signed[:2] not in {_PLAIN, _HASHED} or not comment.startswith(_TRUSTED):
        raise SignatureError("the signature is not in minisign's form")
    return signed[:2], signed[2:10], signed[10:], comment[len(_TRUSTED) :].encode(), overall


def _decoded(text: str) -> bytes:
    """The octets of base64 in its one spelling: bits that say nothing are zero (RFC 4648 3.5)."""
    try:
        data = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        raise ValueError("which is not base64") from None
    if base64.b64encode(data).decode("ascii") != text.strip():
        raise ValueError("which is not base64")
    return data
