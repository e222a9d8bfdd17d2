"""A sealed log, and erasures of it, without a gateway.

In: a folder. Out: what an erasure did; what both checks say.
Must never: know how what remains is written.
"""

from __future__ import annotations

import random
import zlib
from typing import TYPE_CHECKING, Any

from proxy_addons.accesslog.seal.checking import Checked, check
from proxy_addons.accesslog.seal.erasing import Done, erase
from proxy_addons.accesslog.seal.notes import Signer
from proxy_addons.accesslog.seal.sealing import Seals, seal
from proxy_addons.audit.retention.certificates import digest_of
from support.segments import hours

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SIGNER = Signer("force.example/access-log", bytes(range(32)))
NOW = 1_795_262_700.0  # 2026-11-21 12:05 UTC
LATER = NOW + 40 * 86400.0
"""Late enough that no worker needs its last segment."""


def sealed(
    folder: Path, count: int = 3, each: int = 12, *, workers: int = 2, seed: int = 1
) -> None:
    """A log, sealed in one go."""
    hours(folder / "access", count, each, workers=workers)
    seal_again(folder, seed)


def seal_again(folder: Path, seed: int, now: float = NOW) -> None:
    """Seal what has ended."""
    seal(
        folder / "access", Seals(folder / "seals"), SIGNER,
        now=now, entropy=random.Random(seed).randbytes, software="x",
    )  # fmt: skip


def names(folder: Path) -> list[str]:
    """Its segments."""
    return sorted(path.name for path in (folder / "access").glob("*.jsonl"))


def erased(folder: Path, wanted: Mapping[str, frozenset[int] | None], **more: Any) -> Done:
    """Erase lines."""
    given = {"now": LATER, "rule": "a test", "certificate": digest_of} | more
    return erase(folder / "access", Seals(folder / "seals"), SIGNER, wanted, **given)


def checked(folder: Path) -> Checked:
    """What `check` says."""
    return check(Seals(folder / "seals"), [SIGNER.verifier], access=folder / "access")


def octets_of(folder: Path) -> bytes:
    """All files one after the other, compressed ones unpacked too."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            octets = path.read_bytes()
            found.append(octets)
            if path.name.endswith(".gz"):
                found.append(zlib.decompress(octets, 31))
    return b"\n".join(found)
