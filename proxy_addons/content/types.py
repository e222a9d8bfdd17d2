"""Types: what a body truly is, by its bytes.

In: the first bytes of a body, its last ones, what is declared of it.
Out: ids of policy/findings.py, several where it can be read as several things.
Must never: believe a name or a header against the bytes; answer nothing; raise for what a stranger
wrote.

Names decide in two cases, where bytes cannot: text is a script by its name, and what has no
signature (an image of a disk, a format nobody here knows) is what its name makes a client do with
it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy_addons.content.claims import (
    claimed_scripts,
    claimed_software,
    claimed_whatever_it_is,
)
from proxy_addons.content.containers import (
    directory_of_compound,
    is_tar,
    types_in_compound,
    types_in_gzip,
    types_in_tar,
    types_in_zip,
)
from proxy_addons.content.library import types_by_library
from proxy_addons.content.plain import is_plain
from proxy_addons.content.signatures import types_by_signature, types_in_ascii
from proxy_addons.content.tails import TAIL, types_at_end
from proxy_addons.content.texts import scripts_before_others, text_of, types_in_text
from proxy_addons.policy.findings import GROUPS

if TYPE_CHECKING:
    from typing import BinaryIO

    from proxy_addons.content.declared import Declared

__all__ = ["HEAD", "TAIL", "is_plain", "tail_types", "types_of", "types_of_file"]

HEAD: Final = 40 * 1024
"""Bytes of a head that are enough: the volume descriptors of a disk image are the furthest in, at
32 KiB, or at 36.8 KiB with raw sectors (ECMA-119, 8)."""

_COMPOUND: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ZIPS: Final = (b"PK\3\4", b"PK\7\x08PK\3\4", b"PK00PK\3\4", b"JM\1\0PK\3\4")
_COMPOUND_UNSEEN: Final = frozenset({"document", "windows-installer"})
_DOCUMENTS: Final = frozenset(
    {"doc", "dot", "xls", "xlt", "ppt", "pps", "pot", "pub", "vsd", "mpp"}
)
_UNKNOWN: Final = frozenset({"unknown"})
_SAYS_NOTHING: Final = frozenset({"unknown", "text"})
_LOOKED_INTO: Final = frozenset({"archive", "document", "pdf", "e-mail"}) | GROUPS["software"]
"""What is looked into, or refused, whatever stands at its end."""
_COVERS: Final = frozenset({"image", "audio", "video", "font", "web-page", "web-script"})
"""What goes by without a look at the whole, though an archive may be behind it."""
_SAYS_LITTLE: Final = frozenset({"archive", "data"})


def types_of(head: bytes, declared: Declared, *, whole: bool) -> frozenset[str]:
    """What a body is.

    Args:
        head: its first bytes: `HEAD` of them, or all there are.
        declared: what is said of it.
        whole: whether the head is all of it: then its end is looked at too.

    Returns:
        Ids, at least one: `unknown` where nothing tells.
    """
    if not head:
        return frozenset({"data"})
    text = text_of(head)
    if text is None:
        found = _with_declared(_by_bytes(head), head, declared)
        if found == _COMPOUND_UNSEEN and not declared.endings.isdisjoint(_DOCUMENTS):
            # Its directory is further in. Documents are looked at as a whole: an installer under
            # such a name is found then (`types_of_file`).
            found = frozenset({"document"})
    else:
        found = types_in_ascii(head) | types_in_text(text, declared)
    if whole:
        found |= types_at_end(head)
    return _told(found)


def tail_types(
    tail: bytes, declared: Declared, *, seen: frozenset[str] | None = None
) -> frozenset[str]:
    """What shows at the end of a body only; empty where nothing does.

    Args:
        tail: its last bytes, best the last `TAIL` of them.
        declared: what is said of it.
        seen: what its head said, where the rest went by unseen. An archive that the head did not
            show is behind something else then, and nobody has looked into it: it counts as one
            that cannot be read. None: whoever asks looks into what is found.
    """
    found = types_at_end(tail)
    if found == {"archive"}:  # of which the names of its members say nothing
        found |= claimed_software(declared)
    if seen is not None and "archive" in found and (seen & _COVERS or not seen & _LOOKED_INTO):
        found |= {"unreadable-archive"}
    return found


def types_of_file(file: BinaryIO, declared: Declared) -> frozenset[str]:
    """What a whole body is that can be read anywhere: head, tail, and what the head points to.

    Raises:
        OSError: it cannot be read.
    """
    file.seek(0)
    head = file.read(HEAD)
    size = file.seek(0, 2)
    found = types_of(head, declared, whole=size <= len(head))
    if head.startswith(_COMPOUND):
        at = directory_of_compound(head)
        file.seek(0 if at is None else at)
        directory = file.read(4096) if at is not None else b""
        if len(directory) >= 128:
            found = types_in_compound(head, directory)
    if size > len(head):
        file.seek(max(0, size - TAIL))
        found |= tail_types(file.read(TAIL), declared)
    return _told(found)


def _told(found: frozenset[str]) -> frozenset[str]:
    """Without what says less than the rest."""
    return found - _SAYS_NOTHING if len(found) > 1 else found


def _by_bytes(head: bytes) -> frozenset[str]:
    """What a binary body is by its bytes alone."""
    found = types_by_signature(head)
    if head.startswith(_ZIPS):
        found |= types_in_zip(head)
    elif head.startswith(b"PK\5\6"):
        found |= {"archive"}
    elif head.startswith(b"\x1f\x8b"):
        found |= types_in_gzip(head)
    elif head.startswith(_COMPOUND):
        found |= types_in_compound(head)
    if is_tar(head):
        found |= types_in_tar(head) | {"archive"}
    return found | scripts_before_others(head)


def _with_declared(found: frozenset[str], head: bytes, declared: Declared) -> frozenset[str]:
    """What a binary body is: by its bytes, or, where they say too little, by its name."""
    claimed = claimed_software(declared)
    if not found:
        # The library goes by a few bytes as well: against a name that makes a client run it, that
        # is too little.
        return types_by_library(head) | claimed | claimed_scripts(declared) or _UNKNOWN
    if found <= _SAYS_LITTLE:
        found |= claimed
    return found | claimed_whatever_it_is(declared)
