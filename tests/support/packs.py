"""Evidence packs, and changes to them, without a gateway.

In: a folder. Out: a sealed log, a pack of it, packs that somebody has changed.
Must never: sign with the log's key what its holder would not (say so where it is done).
"""

from __future__ import annotations

import hashlib
import json
import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from proxy_addons.accesslog.seal.notes import Signer
from proxy_addons.accesslog.seal.sealing import Seals, seal
from proxy_addons.audit.pack.about import About, Event, Whole
from proxy_addons.audit.pack.making import Pack, make_pack
from proxy_addons.audit.store import At
from support.segments import hours

if TYPE_CHECKING:
    from pathlib import Path

SIGNER = Signer("force.example/access-log", bytes(range(32)))
STRANGER = Signer("force.example/access-log", bytes(32))
SEALED = datetime(2026, 11, 21, 20, 5, tzinfo=UTC).timestamp()
MADE = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
SINCE, UNTIL = datetime(2026, 11, 21, 9, 10, tzinfo=UTC), datetime(2026, 11, 21, 11, 30, tzinfo=UTC)
WHOLE = Whole(SINCE, UNTIL, person="AB1234")
ABOUT = About(
    id="WH-2026-0042",
    title="Web use of AB1234",
    authorisation="AUTH-2026-17",
    maker="analyst 7",
    software="0.1.0",
    engine="DuckDB 1.5.6",
    identity="Kerberos",
    clock="chrony: 0.4 ms off",
    details={"purpose": "Inf/27 2.3", "approver": "Head of ACU"},
    question={"person": "AB1234"},
    counts={"asked": 3},
    custody=(Event("2026-11-22T10:00:00Z", "desk", "asked"),),
)


def sealed_log(folder: Path, *, count: int = 5, each: int = 24, seed: int = 1) -> Seals:
    """A log of two workers, sealed hour by hour."""
    chance = random.Random(seed)
    seals = Seals(folder / "seals")
    for hour in range(1, count + 1):
        hours(folder / "access", hour, each)
        seal(
            folder / "access", seals, SIGNER,
            now=datetime(2026, 11, 21, 8 + hour, 5, tzinfo=UTC).timestamp(),
            entropy=chance.randbytes, software="0.1.0",
        )  # fmt: skip
    return seals


def ats_of(folder: Path, whole: Whole = WHOLE) -> list[At]:
    """Where the lines of a person and period are."""
    found = []
    for path in sorted((folder / "access").glob("*.jsonl")):
        for number, line in enumerate(path.read_bytes().splitlines()):
            record = json.loads(line)
            start = datetime.fromisoformat(record["start"])
            if record["person"] == whole.person and whole.since <= start < whole.until:
                found.append(At(path.name, number))
    return found


def packed(folder: Path, **more: Any) -> Pack:
    """A pack of a person's lines, complete."""
    given = {"signer": SIGNER, "at": MADE, "secret": bytes(32), "whole": WHOLE} | more
    ats = given.pop("ats", None)
    about = given.pop("about", ABOUT)
    return make_pack(
        Seals(folder / "seals"), ats_of(folder) if ats is None else ats, about, **given
    )


def relisted(files: dict[str, bytes], signer: Signer = SIGNER) -> dict[str, bytes]:
    """The manifest made anew and signed: what a dishonest maker with the key could do."""
    said = json.loads(files["manifest.json"])
    rest = {name: each for name, each in files.items() if not name.startswith("manifest.")}
    said["files"] = {name: hashlib.sha256(each).hexdigest() for name, each in rest.items()}
    text = json.dumps(said, sort_keys=True, indent=1) + "\n"
    return rest | {"manifest.json": text.encode(), "manifest.sig": signer.sign(text).encode()}
