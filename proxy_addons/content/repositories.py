"""Repositories of Git: what its servers answer, packs, bundles, single objects.

In: the first bytes of a body. Out: whether it is a part of a repository, or leads to one; whether
it is one that is sent.
Must never: take what somebody pushes for what they fetch.

A pack holds files as differences of one another, so that nobody here can look into it: whatever is
in it comes in by it. The list of branches that comes before is no software itself. It counts all
the same: of a refusal there Git shows the words, of one of the pack only the number 403.
"""

from __future__ import annotations

import re
import zlib
from typing import Final

BEGINS: Final = re.compile(rb"[0-9A-Fa-f]{4}")
"""How all that `_SAID` finds begins, and hardly anything that pages are made of."""

# gitprotocol-common(5), pkt-line: four digits of length, or one of three marks without any content.
_PACKET: Final = rb"(?:000[0-2]){0,8}[0-9A-Fa-f]{4}"
_OBJECT: Final = rb"[0-9a-f]{40}(?:[0-9a-f]{24})?"  # SHA-1, SHA-256
_SAID: Final = re.compile(
    _PACKET
    + rb"(?:"
    # gitprotocol-http(5); version 2 says so at once, gitprotocol-v2(5).
    + rb"# service=git-upload-pack\b|version [12]\b"
    # gitprotocol-pack(5): what there is, what is common to both, where a shallow history ends.
    + rb"|" + _OBJECT + rb" (?:HEAD|refs/|capabilities\^\{\})"
    + rb"|NAK\n|ACK " + _OBJECT + rb"|(?:un)?shallow " + _OBJECT
    # gitprotocol-v2(5): sections of an answer to `fetch`.
    + rb"|(?:acknowledgments|shallow-info|wanted-refs|packfile-uris|packfile)\n"
    + rb")"
    # "Dumb" servers have files only (gitprotocol-http(5)): info/refs.
    + rb"|" + _OBJECT + rb"\t(?:refs/|HEAD\b)"
    # gitformat-bundle(5): a list of branches and a pack in one file.
    + rb"|# v[23] git bundle\n"
)  # fmt: skip
# What `git push` sends: from which commit to which (gitprotocol-pack(5)); what else has a pack.
_SENT: Final = re.compile(
    rb"(?:" + _PACKET + rb"(?:push-cert\0|shallow " + _OBJECT + rb"|" + _OBJECT + rb" " + _OBJECT
    + rb" refs/)|PACK\0\0\0[\2\3]|# v[23] git bundle\n)"
)  # fmt: skip
_IN_OBJECT: Final = re.compile(rb"(?:blob|tree|commit|tag) [0-9]{1,19}\0")
_ENOUGH: Final = 32  # bytes of an object that show its head


def is_of_repository(head: bytes) -> bool:
    """Whether a body comes from a server of Git, or is one of the files that it has."""
    return _SAID.match(head) is not None


def is_packed(head: bytes) -> bool:
    """Whether something that is sent is a push, a pack or a bundle: nobody here can read it."""
    return _SENT.match(head) is not None


def is_object(head: bytes) -> bool:
    """Whether a body is a single object of a repository, as "dumb" servers have them.

    That is the file that somebody put there, packed, with its size before it.
    """
    if head[:1] != b"x" or int.from_bytes(head[:2]) % 31:
        return False  # RFC 1950 2.2: no zlib
    try:
        start = zlib.decompressobj().decompress(head, _ENOUGH)
    except zlib.error:
        return False  # no zlib after all: what it is else is for others to say
    return _IN_OBJECT.match(start) is not None
