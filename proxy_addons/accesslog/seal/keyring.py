"""The log's key on this machine: found, made at the first seal, published, replaced.

In: the file of the key, the folder of the seals. Out: the signer in force; after `rotate` another.
Must never: make a new key where one was lost; sign with a key that was replaced; leave two keys
after a rotation that was cut short, or none.

A rotation, each step durable before the next:
    the new key as `….next` → the entry, tiles → the checkpoint with both signatures → the new key
    in place of the old one → its public half → `….next` goes
Whether it took place is what the last checkpoint says: `settle` ends it, or undoes it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from proxy_addons.accesslog.seal.files import put
from proxy_addons.accesslog.seal.keychange import LONGEST_REASON, KeyChange
from proxy_addons.accesslog.seal.keys import MODE, SEED, read, read_or_make, written
from proxy_addons.accesslog.seal.notes import (
    ED25519,
    Checkpoint,
    Signer,
    note_of,
    parts_of,
    signatures_of,
)
from proxy_addons.accesslog.seal.sealing import CHECKPOINT, Known, SealError, Seals
from proxy_addons.accesslog.segment import sync_directory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PUBLIC: Final = ".pub"
NEXT: Final = ".next"
_PUBLIC_MODE: Final = 0o440


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation came to.

    Attributes:
        change: the entry.
        checkpoint: the one that first contains it.
    """

    change: KeyChange
    checkpoint: Checkpoint


def public_of(key: Path) -> Path:
    """Where the public half of a key is."""
    return key.with_name(key.name + PUBLIC)


def signer_of(
    seals: Seals, key: Path, origin: Callable[[], str], entropy: Callable[[int], bytes]
) -> Signer:
    """The key in force; a new one where nothing was ever sealed.

    Args:
        seals: the folder of the seals.
        key: its file.
        origin: gives the name of a new key.
        entropy: gives secret octets.

    Raises:
        SealError: it is gone, or another process seals just now.
        NoteError: what is there is no key.
        OSError: it can neither be read nor written.
    """
    if not key.exists() or _next(key).exists():
        with seals.locked():
            _settle(seals, key)
            if not key.exists() and (seals.note() or (seals.folder / CHECKPOINT).exists()):
                raise SealError(
                    f"{key} is gone, and {seals.folder} was sealed with it. Put it back from its"
                    " copy: another key would begin another log."
                )
            read_or_make(key, origin(), entropy)
    signer = read(key)
    _publish(key, signer)
    return signer


def rotate(
    seals: Seals, key: Path, *, now: float, entropy: Callable[[int], bytes], reason: str
) -> Rotated:
    """Replace the key.

    Args:
        seals: the folder of the seals.
        key: file of the key in force.
        now: seconds since 1970.
        entropy: gives secret octets.
        reason: in words, without personal data.

    Raises:
        SealError: what is there is not what was signed, or another process seals just now.
            Nothing was done.
        NoteError: what is there is no key.
        OSError: something could not be written. The next seal ends or undoes it.
        ValueError: the reason cannot be kept.
    """
    if not reason.strip() or not reason.isprintable() or len(reason) > LONGEST_REASON:
        raise ValueError(f"a reason is a line of up to {LONGEST_REASON} characters")
    with seals.locked():
        _settle(seals, key)
        old = read(key)
        before = seals.last(old)
        seals.show()
        Known(seals, before).in_force(old)
        new = Signer(old.name, entropy(SEED), ED25519)
        put(_next(key), written(new).encode("ascii"), mode=MODE)
        at = datetime.fromtimestamp(now, UTC).isoformat(timespec="microseconds")
        change = KeyChange(new.verifier, old.verifier, at, reason)
        size = seals.tiles.append(before.size, [change.entry()])
        checkpoint = Checkpoint(old.name, size, seals.tiles.root(size))
        text = str(checkpoint)
        put(seals.signed(size), note_of(text, [old.sign(text), new.sign(text)]).encode())
        seals.show()
        _replace(key, new)
        return Rotated(change, checkpoint)


def _settle(seals: Seals, key: Path) -> None:
    """End a rotation that was cut short, or undo it, as the last checkpoint says."""
    if not _next(key).exists():
        return
    new = read(_next(key))
    note = seals.note()
    if note and signatures_of(note, [new.verifier]):
        # Written anew, so that it is there for certain before the only other key goes.
        put(seals.signed(Checkpoint.parse(parts_of(note)[0]).size), note.encode())
        seals.show()
        _replace(key, new)
    else:
        _next(key).unlink()  # nothing was ever signed with it
        sync_directory(key.parent, os)


def _replace(key: Path, new: Signer) -> None:
    put(key, written(new).encode("ascii"), mode=MODE)
    _publish(key, new)
    _next(key).unlink(missing_ok=True)
    sync_directory(key.parent, os)


def _publish(key: Path, signer: Signer) -> None:
    public, said = public_of(key), f"{signer.verifier}\n".encode()
    try:
        if public.read_bytes() == said:
            return
    except FileNotFoundError:
        pass  # written below
    put(public, said, mode=_PUBLIC_MODE)


def _next(key: Path) -> Path:
    return key.with_name(key.name + NEXT)
