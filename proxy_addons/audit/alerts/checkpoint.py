"""How far the log was counted, and what was counted by then: two files that outlive every end.

In: a position (accesslog/feeds), a `Counting`. Out: `data_dir/alerts/counted.json`, the whole
state, now and then; `data_dir/alerts/since.json`, which batches were taken since, in their order.
Must never: leave a batch out, or take one in another order than before: then windows could end
elsewhere, and one alert become two.

A batch is written into `since` before it is counted. After a kill the state is put back, and the
same batches are counted once more, in the same order: what comes of it has the same keys, and
saying it twice changes nothing (queue.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from proxy_addons.accesslog.feeds.position import Batch, PositionError, Range, load, save
from proxy_addons.accesslog.seal.files import put

if TYPE_CHECKING:
    from pathlib import Path

    from proxy_addons.accesslog.feeds.position import Position
    from proxy_addons.audit.alerts.counting import Counting

_VERSION: Final = 1
_MODE: Final = 0o640


class Checkpoint:
    """The files.

    Args:
        folder: `data_dir/alerts`.
    """

    def __init__(self, folder: Path) -> None:
        self._state = folder / "counted.json"
        self._since = folder / "since.json"
        self._folder = folder
        self._serial = 0
        self._batches: list[Batch] = []

    def __len__(self) -> int:
        """How many batches were taken since the state was kept."""
        return len(self._batches)

    def begin(self) -> None:
        """Make the folder.

        Raises:
            OSError: it cannot be made.
        """
        self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)

    def load(self, counting: Counting) -> tuple[Position, list[Batch], list[str]] | None:
        """Put a state back.

        Args:
            counting: takes it.

        Returns:
            The position of then, the batches that were taken since, the ids of alerts that begin at
            nothing; None where there is no state yet.

        Raises:
            PositionError: a file is damaged; its text says what to do.
            OSError: one cannot be read.
        """
        try:
            data = self._state.read_bytes()
        except FileNotFoundError:
            # The first start; or somebody took it away, so that it begins anew.
            return None
        try:
            kept = orjson.loads(data)
            position = load(self._position(int(kept["serial"])))
            if kept["version"] != _VERSION or position is None:
                raise ValueError(kept["version"])  # noqa: TRY301 - one end for all that is wrong
            begun = counting.restore(kept["state"])
            self._serial = int(kept["serial"])
            self._batches = self._taken(self._serial)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as problem:
            # Nothing is counted: beginning anew by itself could raise alerts a second time.
            message = (
                f"{self._folder} cannot be read as what was counted for alerts. Put back a copy of"
                " it; or remove it, and the log is read anew as far back as the longest window"
            )
            raise PositionError(message) from problem
        return position, list(self._batches), begun

    def take(self, batch: Batch) -> None:
        """Note a batch, before it is counted.

        Raises:
            OSError: it is not noted, and must not be counted.
        """
        self._batches.append(batch)
        try:
            self._write_since()
        except OSError:
            # It is read again, perhaps together with more.
            self._batches.pop()
            raise

    def keep(self, position: Position, counting: Counting) -> None:
        """Keep the whole state, all batches counted.

        Raises:
            OSError: what was kept before still holds.
        """
        serial = self._serial + 1
        # Each file names the state it belongs to: of two that do not fit the older one counts.
        save(self._position(serial), position)
        kept = {"version": _VERSION, "serial": serial, "state": counting.kept()}
        put(self._state, orjson.dumps(kept), mode=_MODE)
        self._position(self._serial).unlink(missing_ok=True)
        self._serial, self._batches = serial, []
        self._write_since()

    def _position(self, serial: int) -> Path:
        return self._folder / f"position-{serial}.json"

    def _write_since(self) -> None:
        kept = {
            "version": _VERSION,
            "serial": self._serial,
            "batches": [
                [[each.segment, each.begin, each.end] for each in batch.ranges]
                for batch in self._batches
            ],
        }
        put(self._since, orjson.dumps(kept), mode=_MODE)

    def _taken(self, serial: int) -> list[Batch]:
        try:
            kept: dict[str, Any] = orjson.loads(self._since.read_bytes())
        except FileNotFoundError:
            # Killed between the first state and the first batch.
            return []
        if kept["version"] != _VERSION or int(kept["serial"]) > serial:
            raise ValueError(kept["serial"])
        if int(kept["serial"]) < serial:
            return []  # killed between the two files: the state has all of these
        return [
            Batch(tuple(Range(str(name), int(begin), int(end)) for name, begin, end in batch))
            for batch in kept["batches"]
        ]
