"""One segment, sealed: its compressed copy and its salt, and the entry that says what they are.

In: a segment that was ended, a salt; what is sealed already. Out: two files, durable; a manifest.
Must never: change the segment; give a manifest of a copy that is not on the disk.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson

from proxy_addons.accesslog.seal.files import FILE_MODE, HALF, make_folder, put
from proxy_addons.accesslog.seal.manifest import Manifest
from proxy_addons.accesslog.seal.packing import lines_of, pack
from proxy_addons.accesslog.seal.salted import Salt
from proxy_addons.accesslog.segment import broken_marker, sync_directory

if TYPE_CHECKING:
    from pathlib import Path

    from proxy_addons.accesslog.seal.packing import Counted
    from proxy_addons.accesslog.seal.sealing import Known
    from proxy_addons.accesslog.segment import SegmentName


@dataclass(frozen=True, slots=True)
class Job:
    """A segment to be compressed, perhaps in another process."""

    segment: Path
    packed: Path
    salt: Path
    secret: bytes = field(repr=False)


def keep(job: Job) -> Counted:
    """Write what is kept of a segment, and say what was found in it."""
    make_folder(job.packed.parent)
    half = job.packed.with_name(job.packed.name + HALF)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(half, flags, 0o640)
    try:
        found = pack(lines_of(job.segment), Salt(job.secret), descriptor)
        os.fchmod(descriptor, FILE_MODE)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    half.rename(job.packed)
    sync_directory(job.packed.parent, os)
    put(job.salt, job.secret, mode=0o400)
    return found


def manifest_of(
    path: Path, name: SegmentName, found: Counted, known: Known, now: float, software: str
) -> Manifest:
    """The entry of a segment that was compressed."""
    after = known.last_seq.get(name.worker)
    late = str(name) < known.last_name.get(name.worker, "")
    missing = list(found.missing)
    if after is not None and not late and found.first_seq > after + 1:
        missing.insert(0, (after + 1, found.first_seq - 1))
    said = asdict(found) | {"missing": tuple(missing)}
    return Manifest(
        **said,
        name=str(name),
        worker=name.worker,
        after_seq=after,
        late=late,
        broken=_broken(path),
        software=software,
        sealed=_stamp(now),
    )


def _broken(path: Path) -> str:
    """Why a segment was given up; "" where it was not."""
    try:
        mark = orjson.loads(broken_marker(path).read_bytes())
    except FileNotFoundError:
        return ""
    except ValueError:
        return "its mark cannot be read"  # a full disk cut it short: then the segment was cut too
    return str(mark.get("reason", "?"))[:500] if isinstance(mark, dict) else "?"


def _stamp(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="microseconds")
