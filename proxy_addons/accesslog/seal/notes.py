"""Signed notes and checkpoints, as C2SP has them (signed-note, tlog-checkpoint, tlog-cosignature).

In: texts, keys. Out: texts with signatures; who has signed one, and when.
Must never: take a note for signed because of a key that was not named; pass over a signature of a
known key that does not hold; write a private key anywhere but where it is told to.

Two kinds of Ed25519 signatures (RFC 8032): those of the log itself (0x01), and those of witnesses,
which sign with them at what time they saw it (0x04).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from proxy_addons.accesslog.seal.merkle import HASH

if TYPE_CHECKING:
    from collections.abc import Iterable

ED25519: Final = 1
"""Type of a log's signature."""
COSIGNATURE: Final = 4
"""Type of a witness's signature: a time, and an Ed25519 signature over it and the checkpoint."""
_DASH: Final = "\N{EM DASH} "
_MOST: Final = 64  # signatures of a note that are read
_LARGEST: Final = 1 << 20  # characters of a note
_SEED: Final = 32
_NAME: Final = re.compile(r"[^\s+]+")
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


class NoteError(ValueError):
    """A note, a key or a checkpoint cannot be read, or a signature does not hold."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key, with the name of whoever signs with it.

    Attributes:
        name: without spaces and plus signs, best like an address: `force.example/access-log`.
        kind: `ED25519` or `COSIGNATURE`.
        key: 32 octets.
    """

    name: str
    kind: int
    key: bytes

    @property
    def id(self) -> bytes:
        """Four octets by which its signatures are told."""
        said = self.name.encode() + b"\n" + bytes([self.kind]) + self.key
        return hashlib.sha256(said).digest()[:4]

    def __str__(self) -> str:
        """As others are told of it: `name+id+key`."""
        said = base64.b64encode(bytes([self.kind]) + self.key).decode()
        return f"{self.name}+{self.id.hex()}+{said}"

    @classmethod
    def parse(cls, text: str) -> Verifier:
        """Read one.

        Raises:
            NoteError: it is none, or does not fit together.
        """
        name, _, rest = text.strip().partition("+")
        identity, _, said = rest.partition("+")
        try:
            octets = base64.b64decode(said, validate=True)
        except binascii.Error as problem:
            raise NoteError(f"not a verifier key: {text.strip()[:200]!r}") from problem
        if len(octets) != 1 + _SEED or octets[0] not in {ED25519, COSIGNATURE}:
            raise NoteError(f"not an Ed25519 verifier key: {text.strip()[:200]!r}")
        found = cls(_name(name), octets[0], octets[1:])
        if found.id.hex() != identity:
            raise NoteError(f"a verifier key of which name and number differ: {text.strip()!r}")
        return found


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key, with its name. `seed` is 32 octets, and a secret."""

    name: str
    seed: bytes
    kind: int = ED25519

    def __repr__(self) -> str:
        """Without the secret."""
        return f"Signer({self.name!r})"

    @property
    def verifier(self) -> Verifier:
        """What others check its signatures with."""
        key = Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw()
        return Verifier(_name(self.name), self.kind, key)

    def sign(self, text: str, at: int = 0) -> str:
        """A line of a signature.

        Args:
            text: of the note, which ends in a newline; of a checkpoint for a witness.
            at: seconds since 1970, of a witness.
        """
        key = Ed25519PrivateKey.from_private_bytes(self.seed)
        signature = key.sign(_signed(self.kind, text, at))
        if self.kind == COSIGNATURE:
            signature = at.to_bytes(8) + signature
        said = base64.b64encode(self.verifier.id + signature).decode()
        return f"{_DASH}{self.name} {said}\n"


def _signed(kind: int, text: str, at: int) -> bytes:
    head = f"cosignature/v1\ntime {at}\n" if kind == COSIGNATURE else ""
    return (head + text).encode()


@dataclass(frozen=True, slots=True)
class Signature:
    """One that holds.

    Attributes:
        by: whose it is.
        at: seconds since 1970; None where the signature says none.
    """

    by: Verifier
    at: int | None = None


def note_of(text: str, signatures: Iterable[str]) -> str:
    """A note.

    Args:
        text: ends in a newline.
        signatures: lines.

    Raises:
        NoteError: it cannot be one.
    """
    if not text.endswith("\n") or _CONTROL.search(text):
        raise NoteError("a note's text is of whole lines without control characters")
    return f"{text}\n{''.join(signatures)}"


def parts_of(note: str) -> tuple[str, list[str]]:
    """The text of a note, with its last newline, and the lines of its signatures.

    Raises:
        NoteError: it is none.
    """
    if len(note) > _LARGEST or _CONTROL.search(note) or not note.endswith("\n"):
        raise NoteError("not a note: too long, control characters, or no newline at its end")
    text, found, lines = note.rpartition("\n\n")
    if not found or not lines:
        raise NoteError("not a note: there is no signature")
    signatures = lines.removesuffix("\n").split("\n")
    if len(signatures) > _MOST or not all(each.startswith(_DASH) for each in signatures):
        raise NoteError("not a note: what follows its last empty line is no signature")
    return f"{text}\n", [f"{each}\n" for each in signatures]


def signatures_of(note: str, known: Iterable[Verifier]) -> list[Signature]:
    """Who has signed a note, of those that are known.

    Args:
        note: the whole of it.
        known: keys that count.

    Returns:
        Those that hold; none where nobody that is known has signed.

    Raises:
        NoteError: it is none, or a signature of a known key does not hold.
    """
    text, lines = parts_of(note)
    keys = {(each.name, each.id): each for each in known}
    found = []
    for line in lines:
        name, _, said = line.removeprefix(_DASH).removesuffix("\n").partition(" ")
        try:
            octets = base64.b64decode(said, validate=True)
        except binascii.Error as problem:
            raise NoteError("a signature that is not base64") from problem
        if (key := keys.get((name, octets[:4]))) is not None:
            found.append(_checked(key, text, octets[4:]))
    return found


def _checked(key: Verifier, text: str, signature: bytes) -> Signature:
    at = None
    if key.kind == COSIGNATURE:
        at, signature = int.from_bytes(signature[:8]), signature[8:]
    try:
        Ed25519PublicKey.from_public_bytes(key.key).verify(
            signature, _signed(key.kind, text, at or 0)
        )
    except (InvalidSignature, ValueError) as problem:
        raise NoteError(f"the signature of {key.name} does not hold") from problem
    return Signature(key, at)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says of itself: how many leaves it has, and their root.

    Attributes:
        origin: which log.
        size: leaves.
        root: hash over them.
        more: further lines, none of them empty.
    """

    origin: str
    size: int
    root: bytes
    more: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The text that is signed."""
        root = base64.b64encode(self.root).decode()
        return "\n".join([self.origin, str(self.size), root, *self.more, ""])

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read the text of one (`parts_of`).

        Raises:
            NoteError: it is none.
        """
        lines = text.split("\n")
        if len(lines) < 4 or lines.pop() or not all(lines):
            raise NoteError("not a checkpoint: wanted origin, size and root, a line each")
        origin, size, root, *more = lines
        try:
            octets = base64.b64decode(root, validate=True)
        except binascii.Error as problem:
            raise NoteError("not a checkpoint: the root is not base64") from problem
        if len(octets) != HASH or not _NUMBER.fullmatch(size):
            raise NoteError("not a checkpoint: size or root cannot be")
        return cls(origin, int(size), octets, tuple(more))


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise NoteError(f"a key's name is without spaces and plus signs: {name[:200]!r}")
    return name
