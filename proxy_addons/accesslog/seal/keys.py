"""The key that the log of the seals is signed with.

In: a file. Out: a signer; a new key where there is none.
Must never: replace a key that is there; leave a secret readable for others than its owner.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final

from proxy_addons.accesslog.seal.files import put
from proxy_addons.accesslog.seal.notes import ED25519, NoteError, Signer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_PREFIX: Final = "PRIVATE+KEY"
MODE: Final = 0o400
SEED: Final = 32
"""Octets of a secret."""


def written(signer: Signer) -> str:
    """A key as it stands in its file: `PRIVATE+KEY+name+id+secret`, as Go's tools have it."""
    secret = base64.b64encode(bytes([signer.kind]) + signer.seed).decode()
    return f"{_PREFIX}+{signer.name}+{signer.verifier.id.hex()}+{secret}\n"


def read(path: Path) -> Signer:
    """The key in a file.

    Raises:
        OSError: it cannot be read.
        NoteError: it is none; the text does not quote it.
    """
    text = path.read_text(encoding="ascii", errors="replace").strip()
    name, _, rest = text.removeprefix(f"{_PREFIX}+").partition("+")
    identity, _, secret = rest.partition("+")
    try:
        octets = base64.b64decode(secret, validate=True)
    except binascii.Error:
        octets = b""  # it is none, and says no more about itself
    if not text.startswith(_PREFIX) or len(octets) != 1 + SEED:
        raise NoteError(f"{path}: not a private key of a note")
    signer = Signer(name, octets[1:], octets[0])
    if signer.verifier.id.hex() != identity:
        raise NoteError(f"{path}: a key of which name and number differ")
    return signer


def read_or_make(path: Path, name: str, entropy: Callable[[int], bytes]) -> Signer:
    """The key in a file; where there is no such file, a new one.

    Args:
        path: of the file.
        name: of a new key.
        entropy: gives secret octets.

    Raises:
        OSError: it can neither be read nor written.
        NoteError: what is there is no key.
    """
    try:
        return read(path)
    except FileNotFoundError:
        # The first seal of this log: from here on everything is signed with it.
        signer = Signer(name, entropy(SEED), ED25519)
        put(path, written(signer).encode("ascii"), mode=MODE)
        return signer
