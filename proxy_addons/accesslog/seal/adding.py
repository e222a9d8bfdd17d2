"""What others have signed, put to a checkpoint that is kept.

In: lines of signatures that were checked. Out: the checkpoint, with them.
Must never: change what the log itself has signed; put to a checkpoint what is not of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.accesslog.seal.files import put
from proxy_addons.accesslog.seal.notes import NoteError, note_of, parts_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy_addons.accesslog.seal.sealing import Seals


def add_signatures(seals: Seals, size: int, text: str, lines: Iterable[str]) -> None:
    """Put lines of signatures to a checkpoint.

    Args:
        seals: the folder of the seals.
        size: of the checkpoint.
        text: what they have signed.
        lines: that are not there yet.

    Raises:
        SealError: another process seals just now.
        NoteError: the checkpoint is another one.
        OSError: it could not be written; what was there still is.
    """
    with seals.locked():
        path = seals.signed(size)
        said, there = parts_of(path.read_text(encoding="utf-8"))
        if said != text:
            raise NoteError(f"{path} is not the checkpoint that was signed")
        put(path, note_of(text, dict.fromkeys((*there, *lines))).encode())
        seals.show()
