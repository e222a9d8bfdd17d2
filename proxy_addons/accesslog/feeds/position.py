"""How far a feed has come: a file that outlives every end of the process.

In: what was sent and what was acknowledged. Out: `data_dir/feeds/NAME.json`, whole or as it was.
Must never: call passed what was not acknowledged; begin anew by itself where the file is damaged.

The segments are the spool: nothing is copied, a position is all that is kept. Before a batch is
sent the file says so (`sending`), so that after a kill the same batch, with the same number, is
sent again, and marked.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from proxy_addons.accesslog.seal.files import put
from proxy_addons.accesslog.segment import SegmentName

if TYPE_CHECKING:
    from pathlib import Path

_VERSION = 1
_MODE = 0o640


class PositionError(Exception):
    """A position cannot be read; the text says which, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Range:
    """Whole lines of one segment: the octets from `begin` to before `end`."""

    segment: str
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What is sent at once."""

    ranges: tuple[Range, ...]

    @property
    def number(self) -> str:
        """The same for the same lines, however often they are sent."""
        text = "\n".join(f"{each.segment} {each.begin} {each.end}" for each in self.ranges)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(slots=True)
class Position:
    """How far a feed has come.

    Attributes:
        begun: segment → octets of it that are acknowledged, for segments that are not passed.
        passed: segments that are passed, as long as they stand in the folder.
        latest: worker → the latest segment that was begun. Of segments that were sealed and removed
            only later ones are looked for.
        sending: a batch that is, or may have been, sent.
        again: batches that the receiver had, and may have lost when it was cut off.
        recent: when a batch was acknowledged (Unix time), and the batch, latest last.
        note: what the way of delivery wants to find again with `sending`.
        numbers: worker → the highest record number that was acknowledged.
    """

    begun: dict[str, int] = field(default_factory=dict)
    passed: set[str] = field(default_factory=set)
    latest: dict[int, str] = field(default_factory=dict)
    sending: Batch | None = None
    again: list[Batch] = field(default_factory=list)
    recent: list[tuple[float, Batch]] = field(default_factory=list)
    note: dict[str, int] = field(default_factory=dict)
    numbers: dict[int, int] = field(default_factory=dict)

    def begin(self, name: str, offset: int = 0) -> None:
        """Note that a segment is being read."""
        self.begun.setdefault(name, offset)
        self._reach(name)

    def reach_end(self, name: str) -> None:
        """Note that all of a segment is acknowledged, and that it will not grow."""
        self.begun.pop(name, None)
        self.passed.add(name)
        self._reach(name)

    def acknowledge(self, batch: Batch, now: float, keep: float) -> None:
        """Note that a receiver has a batch.

        Args:
            batch: what was sent.
            now: Unix time.
            keep: seconds for which it may have to be sent again.
        """
        if self.again and self.again[0] == batch:
            del self.again[0]
        else:
            for each in batch.ranges:
                self.begun[each.segment] = max(self.begun.get(each.segment, 0), each.end)
        self.sending = None
        self.note = {}
        self.settle(now, keep)
        if keep > 0:
            self.recent.append((now, batch))

    def settle(self, now: float, keep: float) -> None:
        """Forget batches that a receiver has had for longer than `keep` seconds."""
        self.recent = [(at, each) for at, each in self.recent if now - keep <= at <= now]

    def cut_off(self) -> int:
        """Go back over what a receiver had just before it was cut off.

        Returns:
            How many batches are to be sent again.
        """
        had = [batch for _, batch in self.recent if batch not in self.again]
        self.again = had + self.again
        self.recent = []
        return len(had)

    def needs(self, name: str) -> bool:
        """Whether a segment may still have to be read."""
        kept = [batch for _, batch in self.recent] + self.again
        if any(each.segment == name for batch in kept for each in batch.ranges):
            return True
        return name not in self.passed

    def _reach(self, name: str) -> None:
        parsed = SegmentName.parse(name)
        if parsed is None:
            return
        before = SegmentName.parse(self.latest.get(parsed.worker, ""))
        if before is None or before < parsed:
            self.latest[parsed.worker] = name


def file_of(folder: Path, feed: str) -> Path:
    """Where the position of a feed stands."""
    return folder / f"{feed}.json"


def save(path: Path, position: Position) -> None:
    """Write a position, whole and durable.

    Raises:
        OSError: it is as it was before.
    """
    kept = {
        "version": _VERSION,
        "begun": position.begun,
        "passed": sorted(position.passed),
        "latest": {str(worker): name for worker, name in position.latest.items()},
        "sending": None if position.sending is None else _plain(position.sending),
        "again": [_plain(batch) for batch in position.again],
        "recent": [[at, _plain(batch)] for at, batch in position.recent],
        "note": position.note,
        "numbers": {str(worker): number for worker, number in position.numbers.items()},
    }
    put(path, orjson.dumps(kept, option=orjson.OPT_APPEND_NEWLINE), mode=_MODE)


def load(path: Path) -> Position | None:
    """Read a position; None where there is none yet.

    Raises:
        PositionError: it is damaged, or another program's.
        OSError: it cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        # A feed that is new: the caller says where it begins.
        return None
    try:
        kept = _of_our_form(orjson.loads(data))
        return Position(
            begun={str(name): int(offset) for name, offset in kept["begun"].items()},
            passed={str(name) for name in kept["passed"]},
            latest={int(worker): str(name) for worker, name in kept["latest"].items()},
            sending=None if kept["sending"] is None else _batch(kept["sending"]),
            again=[_batch(each) for each in kept["again"]],
            recent=[(float(at), _batch(each)) for at, each in kept["recent"]],
            note={str(name): int(value) for name, value in kept["note"].items()},
            numbers={int(worker): int(value) for worker, value in kept["numbers"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        # The feed stands still: beginning anew by itself would lose records, or send all twice.
        message = (
            f"{path} cannot be read as a feed's position. Put back a copy of it; or remove it, and"
            " the feed begins as its `from` says"
        )
        raise PositionError(message) from problem


def _of_our_form(kept: Any) -> Any:
    if kept["version"] != _VERSION:
        raise ValueError(kept["version"])
    return kept


def _plain(batch: Batch) -> list[list[Any]]:
    return [[each.segment, each.begin, each.end] for each in batch.ranges]


def _batch(kept: Any) -> Batch:
    return Batch(tuple(Range(str(name), int(begin), int(end)) for name, begin, end in kept))
