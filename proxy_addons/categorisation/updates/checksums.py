"""Checksums as publishers offer them: which digest does a file have to have?

In: the text of a file of checksums, or a pinned digest. Out: algorithm and digest.
Must never: take the digest of another file, or none for a good one.

SHA-1 is not taken; MD5 is, since UT1 offers nothing else: it finds a file that was damaged, not one
that was forged. Against forgery there are https and signatures.
"""

from __future__ import annotations

import re
from typing import Final

_ALGORITHMS: Final = {32: "md5", 64: "sha256", 128: "sha512"}  # by hex digits
_PLAIN = re.compile(r"\\?([0-9a-fA-F]{32,128})(?:[ \t]+\*?(.+))?", re.ASCII)
_TAGGED = re.compile(r"[A-Z0-9-]{3,12} \((.+)\) = ([0-9a-fA-F]{32,128})", re.ASCII)


class ChecksumError(Exception):
    """The file is not what its publisher says; the text says in what."""


def pinned(text: str) -> tuple[str, str] | None:
    """Algorithm and digest of `sha256:…` or `sha512:…`; None for anything else."""
    algorithm, colon, digest = text.partition(":")
    return (algorithm, digest) if colon and algorithm in {"sha256", "sha512"} else None


def wanted_of(text: str, name: str) -> tuple[str, str]:
    """Finds the digest of a file.

    Args:
        text: lines as md5sum and sha256sum write them, with or without `--tag`; or one digest.
        name: of the file, without folders.

    Returns:
        Algorithm and digest in lower-case hex; the strongest where there are several.

    Raises:
        ChecksumError: there is none for it.
    """
    found: dict[str, set[str]] = {}
    for line in text.splitlines():
        stripped = line.strip()
        if tagged := _TAGGED.fullmatch(stripped):
            digest, named = tagged[2], tagged[1]
        elif plain := _PLAIN.fullmatch(stripped):
            digest, named = plain[1], plain[2]
        else:
            continue
        algorithm = _ALGORITHMS.get(len(digest))
        if algorithm and (named is None or named.rstrip().rpartition("/")[2] == name):
            found.setdefault(algorithm, set()).add(digest.lower())
    for algorithm in ("sha512", "sha256", "md5"):
        digests = found.get(algorithm, set())
        if len(digests) > 1:
            raise ChecksumError(f"the file of checksums has more than one {algorithm} for it")
        if digests:
            return algorithm, digests.pop()
    raise ChecksumError("the file of checksums has no MD5, SHA-256 or SHA-512 for it")
