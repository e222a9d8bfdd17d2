"""What there is of the access log, for `due`: each sealed segment, as its entry in the log says.

In: the folder of sealed segments. Out: items, for those whose lines are still there.
Must never: read a line: whose records a segment has is not known here, and counts as anybody's.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from proxy_addons.accesslog.seal.erasure import ERASURE_KIND, Erasure, states_of
from proxy_addons.accesslog.seal.manifest import EntryError, parsed
from proxy_addons.accesslog.seal.notes import Checkpoint, NoteError, parts_of
from proxy_addons.accesslog.seal.tiles import TileError
from proxy_addons.accesslog.segment import SegmentName
from proxy_addons.audit.retention.collateral import Decision
from proxy_addons.audit.retention.due import Item
from proxy_addons.audit.retention.schedule import Class

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy_addons.accesslog.seal.erasure import State
    from proxy_addons.accesslog.seal.manifest import Manifest
    from proxy_addons.accesslog.seal.sealing import Seals
    from proxy_addons.audit.retention.certificates import Certificate
    from proxy_addons.audit.retention.collateral import Decided

_HOUR = timedelta(hours=1)


class InventoryError(Exception):
    """What there is cannot be told; the text says what is wrong, and what to do."""


def segments(seals: Seals) -> tuple[Item, ...]:
    """Sealed segments whose lines are there, in the order in which they were sealed. Blocks.

    The signature is not looked at: whoever erases has run `log verify` before.

    Raises:
        InventoryError: the log cannot be read.
    """
    try:
        note = seals.note()
        if not note:
            return ()
        size = Checkpoint.parse(parts_of(note)[0]).size
        states = states_of(
            Erasure.parse(entry)
            for _, entry in seals.tiles.entries(size)
            if parsed(entry)["kind"] == ERASURE_KIND
        )
        return tuple(
            item
            for _, manifest in seals.manifests(size)
            if (item := _item(seals, manifest, states.get(manifest.name))) is not None
        )
    except (OSError, NoteError, TileError, EntryError, ValueError) as problem:
        # Nothing is called due: what there is is not known.
        msg = f"{seals.folder}: {problem}. `watchhouse log verify` says what was changed"
        raise InventoryError(msg) from problem


def _item(seals: Seals, manifest: Manifest, state: State | None) -> Item | None:
    name = SegmentName.parse(manifest.name)
    if name is None:
        msg = f"an entry names {manifest.name!r:.80}, which is no segment"
        raise InventoryError(msg)
    if state is not None and state.whole:
        return None  # erased: its certificate says when
    if not (seals.packed(name) if state is None else seals.rest(name, state.number)[0]).exists():
        return None  # gone without an erasure: `log verify` says so
    first, last = _moment(manifest.first_start), _moment(manifest.last_start)
    ended = name.begins + _HOUR
    return Item(
        name=manifest.name,
        kind=Class.ACCESS_LOG,
        # A clock that was behind makes a record no older than the hour that it was written in.
        counted_from=ended if last is None else max(last, ended),
        since=first,
        until=last,
        records=manifest.records - (state.rest.erased if state is not None else 0),
        divisible=True,
    )


def _moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def pending(decided: Iterable[Decided], certificates: Iterable[Certificate]) -> tuple[Item, ...]:
    """Collateral material that was to be deleted, and for which there is no certificate.

    The certificate's `subject` is the decision's reference.
    """
    done = {each.subject for each in certificates if each.kind == Class.COLLATERAL}
    return tuple(
        each.item
        for each in decided
        if each.decision is Decision.DELETE and each.reference not in done
    )
