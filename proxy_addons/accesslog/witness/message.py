"""The body of `add-checkpoint`, as C2SP's tlog-witness has it.

In: octets, or a size, a proof and a checkpoint. Out: the other of the two.
Must never: read a number or a hash that is written in another way than it may be.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy_addons.accesslog.seal.merkle import HASH
from proxy_addons.accesslog.seal.notes import Checkpoint, NoteError, parts_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST: Final = 63  # lines of a proof
LARGEST: Final = 1 << 17
"""Octets of a body."""
_OLD: Final = re.compile(r"old (0|[1-9][0-9]{0,18})", re.ASCII)


class MessageError(ValueError):
    """It cannot be read."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A checkpoint that is to be signed.

    Attributes:
        old: size that the witness is thought to have seen.
        proof: that the checkpoint goes on from there.
        note: the checkpoint, with its signatures.
    """

    old: int
    proof: tuple[bytes, ...]
    note: str

    @property
    def text(self) -> str:
        """What is signed of it."""
        return parts_of(self.note)[0]

    @property
    def checkpoint(self) -> Checkpoint:
        """What it says."""
        return Checkpoint.parse(self.text)


def written(old: int, proof: Sequence[bytes], note: str) -> bytes:
    """The body of a request."""
    hashes = (base64.b64encode(each).decode() for each in proof)
    return "\n".join([f"old {old}", *hashes, "", note]).encode()


def parse(body: bytes) -> Submission:
    """Read one.

    Raises:
        MessageError: it is none.
    """
    try:
        head, found, note = body.decode().partition("\n\n")
        first, *lines = head.split("\n")
        match = _OLD.fullmatch(first)
        if not found or match is None or len(lines) > _MOST:
            raise MessageError("wanted a line `old SIZE`, a proof, an empty line, a checkpoint")
        submission = Submission(int(match[1]), tuple(_hash(each) for each in lines), note)
        _ = submission.checkpoint
    except (UnicodeDecodeError, NoteError) as problem:
        raise MessageError(f"not a checkpoint: {problem}") from problem
    return submission


def _hash(line: str) -> bytes:
    try:
        octets = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError) as problem:
        raise MessageError("a line of the proof is not base64") from problem
    if len(octets) != HASH or base64.b64encode(octets).decode() != line:
        raise MessageError("a line of the proof is no hash")
    return octets
