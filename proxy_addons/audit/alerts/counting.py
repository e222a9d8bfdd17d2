"""All alerts over one log: records in the order of writing in, episodes out.

In: the settings' alerts, the policy, records. Out: episodes that changed; the whole state in plain
values, so that a restart goes on as if there had been none.
Must never: read a clock: the log's own time is the clock.

Within a worker records stand in the order in which they were made. The log has come to the newest
minute of any worker; a worker whose clock was set back by more than `_SET_BACK` minutes begins anew
there, so that a clock that ran ahead does not make all that follows look late.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from proxy_addons.audit.alerts.matching import Matching, written_at
from proxy_addons.audit.alerts.windows import MOST, Windows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy_addons.audit.alerts.matching import Record
    from proxy_addons.audit.alerts.windows import Episode
    from proxy_addons.policy.compiled import Policy
    from proxy_addons.settings.alerts import Alert

_SET_BACK: Final = 10  # minutes
_FORGET_EACH: Final = 10  # minutes


class Counting:
    """Counts for all alerts.

    Args:
        alerts: of the settings.
        policy: for its time spaces.
        most: people that are counted at a time, for each alert.
    """

    def __init__(self, alerts: Iterable[Alert], policy: Policy, most: int = MOST) -> None:
        self._alerts = [
            (alert, Matching(alert, policy), Windows(alert, most), _fingerprint(alert, policy))
            for alert in alerts
        ]
        self._newest: dict[int, int] = {}
        self._forgot = 0

    def take(self, record: Record) -> list[Episode]:
        """Count a record.

        Returns:
            The episodes that it is part of, as they are now.
        """
        at, worker = written_at(record), record.get("worker")
        if at is None:
            return []  # a gap, or no record of ours
        newest = self._come_to(int(at // 60), worker if isinstance(worker, int) else -1)
        found = []
        for _, matching, windows, _ in self._alerts:
            seen = matching.seen(record)
            episode = None if seen is None else windows.take(seen, newest)
            if episode is not None:
                found.append(episode)
        return found

    def _come_to(self, minute: int, worker: int) -> int:
        before = self._newest.get(worker, minute)
        if minute > before or minute < before - _SET_BACK:
            self._newest[worker] = minute
        else:
            self._newest.setdefault(worker, minute)
        newest = max(self._newest.values())
        if not 0 <= newest - self._forgot < _FORGET_EACH:
            self._forgot = newest
            for _, _, windows, _ in self._alerts:
                windows.forget(newest)
        return newest

    def __len__(self) -> int:
        """How many people are counted, for all alerts together."""
        return sum(len(windows) for _, _, windows, _ in self._alerts)

    # --- keeping ----------------------------------------------------------------------------

    def kept(self) -> dict[str, Any]:
        """All of it in plain values, for a file."""
        return {
            "newest": {str(worker): minute for worker, minute in self._newest.items()},
            "forgot": self._forgot,
            "alerts": {
                alert.id: [mark, windows.kept()] for alert, _, windows, mark in self._alerts
            },
        }

    def restore(self, kept: dict[str, Any]) -> list[str]:
        """Put back what `kept` gave.

        Returns:
            Ids of alerts that are new, or count something else than before: they begin at nothing.

        Raises:
            ValueError, TypeError, KeyError, AttributeError: these are no such values.
        """
        begun = []
        for alert, _, windows, mark in self._alerts:
            before, people = kept["alerts"].get(alert.id, ("", []))
            if before == mark:
                windows.restore(people)
            else:
                begun.append(alert.id)
        self._newest = {int(worker): int(minute) for worker, minute in kept["newest"].items()}
        self._forgot = int(kept["forgot"])
        return begun


def _fingerprint(alert: Alert, policy: Policy) -> str:
    """The same as long as an alert counts the same."""
    when = alert.when
    parts: list[object] = [alert.per, alert.measure, alert.threshold, alert.within, alert.quiet]
    lists = (when.rules, when.categories, when.actions, when.profiles, when.findings)
    parts += [None if names is None else sorted(names) for names in lists]
    parts += [when.hours, when.virus, when.opened_only]
    spaces = [policy.time_spaces[name] for name in when.outside or ()]
    parts += [
        [space.name, [(sorted(each.days), each.start, each.end) for each in space.ranges]]
        for space in spaces
    ]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
