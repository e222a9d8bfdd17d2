"""The step that takes plain segments away that are sealed, and were kept long enough.

In: the folder of the segments, the seals. Out: a folder of a week, in place of one of a year.
Must never: take a segment away of which anything is not in the compressed copy; of which the copy
was not read back; that its worker may still need to know where its numbers ended; that a feed has
not passed, or that is in no Parquet file yet.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from proxy_addons.accesslog.compact.index import Index
from proxy_addons.accesslog.feeds.keeping import unpassed
from proxy_addons.accesslog.keeper.step import Outcome
from proxy_addons.accesslog.seal.keyring import signer_of
from proxy_addons.accesslog.seal.logs import access_of
from proxy_addons.accesslog.seal.packing import lines_of
from proxy_addons.accesslog.segment import broken_marker, counted_bytes, segments_in
from proxy_addons.accesslog.unpacked import unpacked

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from proxy_addons.accesslog.keeper.step import Context
    from proxy_addons.accesslog.seal.logs import SealedLog
    from proxy_addons.accesslog.seal.manifest import Manifest
    from proxy_addons.accesslog.segment import SegmentName

_HOUR: Final = timedelta(hours=1)


class Removal:
    """Takes away what is kept twice."""

    name = "remove-plain"

    def run(self, context: Context) -> Outcome:
        """Take away what may go."""
        log = access_of(context.settings)
        if not log.segments.is_dir() or not log.seals.note():
            return Outcome()
        sealed = _sealed(log, context)
        oldest = context.clock() - timedelta(days=context.settings.log.keep_plain).total_seconds()
        gone, problems = 0, []
        needed = unpassed(context.settings)
        searched = Index.read(context.settings.paths.parquet_dir).segments
        for name, path in _may_go(segments_in(log.segments), sealed, oldest):
            if str(name) in needed or str(name) not in searched:
                continue  # a feed has not passed it, or nobody could search it
            if why := _differs(path, log.seals.packed(name), sealed[name]):
                problems.append(f"{path} is kept: {why}. `watchhouse log verify` says more.")
                continue
            # The mark first: without it all of the segment counts, as all of it is sealed.
            broken_marker(path).unlink(missing_ok=True)
            path.unlink()
            gone += 1
        said = f"{gone} segments taken away that are sealed" if gone else ""
        return Outcome(said, {"removed": gone}, tuple(problems))


def _sealed(log: SealedLog, context: Context) -> dict[SegmentName, Manifest]:
    """What the signed log says, by the names of the segments.

    Raises:
        SealError: it is not what was signed.
    """
    # Its key, so that no entry is believed that was not signed with it.
    signer = signer_of(log.seals, log.key, log.named, context.entropy)
    return log.seals.known(signer)


def _may_go(
    segments: Iterable[tuple[SegmentName, Path]],
    sealed: dict[SegmentName, Manifest],
    oldest: float,
) -> list[tuple[SegmentName, Path]]:
    """Segments that are sealed and old enough; of each worker its last ones stay."""
    segments = list(segments)
    # A worker that starts reads the number of its last record there.
    stay: set[int] = set()
    found = []
    for name, path in reversed(segments):
        if name.worker not in stay:
            manifest = sealed.get(name)
            if manifest is not None and manifest.last_seq:
                stay.add(name.worker)
            continue
        if name in sealed and (name.begins + _HOUR).timestamp() <= oldest:
            found.append((name, path))
    return found[::-1]


def _differs(path: Path, packed: Path, manifest: Manifest) -> str:
    """Why a segment is not to go; "": it is in the compressed copy, octet for octet."""
    if counted_bytes(path) != path.stat().st_size:
        return "something stands behind what counts of it"
    digest = hashlib.sha256()
    try:
        copy = _digest(unpacked(packed, digest))
    except OSError as problem:
        # The segment may be the only one that is left.
        return f"its compressed copy {packed} cannot be read: {problem}"
    if digest.hexdigest() != manifest.packed_sha256 or copy != manifest.sha256:
        return f"its compressed copy {packed} is not what was sealed"
    if _digest(lines_of(path)) != manifest.sha256:
        return "it is not what was sealed of it"
    return ""


def _digest(lines: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line + b"\n")
    return digest.hexdigest()
