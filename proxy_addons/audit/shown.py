"""What the engine gives, as it is shown: names or pseudonyms, times by the force's clock.

In: tuples of the engine. Out: rows; counts in their order.
Must never: let the order of what is shown tell a name that is not.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from proxy_addons.accesslog.record import FIELDS
from proxy_addons.audit.pseudonym import pseudonym
from proxy_addons.audit.query import QUARTER, TIMES
from proxy_addons.audit.store import At, Dimension, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from zoneinfo import ZoneInfo

    from proxy_addons.audit.store import Bounds

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HOURS: Final = 24
_FORMATS: Final = {Dimension.DAY: "%Y-%m-%d", Dimension.HOUR: "%Y-%m-%dT%H"}


class Shown:
    """How rows are shown within bounds."""

    def __init__(self, bounds: Bounds) -> None:
        self._fields = [field for field in FIELDS if field.name in bounds.fields]
        self._key = bounds.pseudonyms
        self._known: dict[str, str] = {}

    def person(self, name: str) -> str:
        """As rows show them."""
        if self._key is None:
            return name
        if (found := self._known.get(name)) is None:
            found = self._known[name] = pseudonym(self._key, name)
        return found

    def row(self, given: tuple[Any, ...]) -> Row:
        """A row of `query.ordered`."""
        segment, line, masked, *values = given
        said: dict[str, Any] = {}
        for field, value in zip(self._fields, values, strict=True):
            if value is None:
                said[field.name] = None
            elif field.type == "timestamp":
                said[field.name] = _EPOCH + timedelta(microseconds=value)
            elif field.type == "strings":
                said[field.name] = tuple(value)
            elif field.name in {"person", "claimed"}:
                said[field.name] = self.person(value)
            else:
                said[field.name] = value
        return Row(At(segment, line), said, masked)


type Keyed = tuple[tuple[Any, ...], int, int, int]
"""Keys, records, refused, octets."""


def counts_of(
    given: Iterable[tuple[Any, ...]], by: tuple[Dimension, ...], bounds: Bounds, zone: ZoneInfo
) -> list[Keyed]:
    """Counts as they are shown, in their order.

    Args:
        given: keys, and the sums of each, as the engine has them.
        by: what the keys are.
        bounds: whether names are shown.
        zone: the force's clock.
    """
    shown = Shown(bounds)
    ways = [_way(each, shown, zone) for each in by]
    sums: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0, 0])
    for keys, *several in given:
        into = sums[tuple(way(key) for way, key in zip(ways, keys, strict=True))]
        for place, each in enumerate(several):
            into[place] += int(each)
    if by[0] in TIMES:
        found = sorted(sums.items())
    else:
        found = sorted(sums.items(), key=lambda item: (-item[1][0], item[0]))
    return [(tuple(map(str, keys)), *several) for keys, several in found]  # type: ignore[misc]


def _way(by: Dimension, shown: Shown, zone: ZoneInfo) -> Callable[[Any], Any]:
    """From a key of the engine to the one that is shown."""
    if by is Dimension.PERSON:
        return shown.person
    if by not in TIMES:
        return str

    @cache
    def timed(quarter: int) -> Any:
        local = (_EPOCH + timedelta(seconds=quarter * QUARTER)).astimezone(zone)
        if by is Dimension.HOUR_OF_WEEK:
            return local.weekday() * _HOURS + local.hour
        return local.strftime(_FORMATS[by])

    return timed
