"""Alerts of a test's own: settings, records, and a plain model of what is to be raised.

In: a stream of records. Out: the alerts that it leads to, found by looking at all of it each time.
Must never: share a line with what is tested.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from proxy_addons.accesslog.record import empty_record
from proxy_addons.audit.alerts.raising import Raising
from proxy_addons.audit.alerts.windows import Episode
from proxy_addons.settings.alerts import Alert, AlertWhen

if TYPE_CHECKING:
    from proxy_addons.standing import Store

BEGIN = datetime(2026, 11, 21, 20, tzinfo=UTC)  # a Saturday


def alert(name: str = "a", **more: Any) -> Alert:
    """An alert that counts what is blocked."""
    when = more.pop("when", AlertWhen(actions=frozenset({"block"})))
    return Alert(name, "Inf/27 3.1", "Somebody did something.", when, **more)


def raised(store: Store, count: int, **more: Any) -> None:
    """Alerts of as many people, raised at `BEGIN`, each to be told to whom `more` says."""
    minute = int(BEGIN.timestamp() // 60)
    episodes = [
        Episode(
            "a", "person", f"AB{number:04}", minute, minute + 60,
            minute * 60.0, minute * 60.0 + 30, 3, 3, ids=("1", "2", "3"),
        )
        for number in range(count)
    ]  # fmt: skip
    Raising(store, [alert(**more)], "gw1", lambda: BEGIN).write(episodes)


def made(seq: int, minute: float, worker: int = 1, **more: Any) -> dict[str, Any]:
    """A record that was made so many minutes after `BEGIN`."""
    start = (BEGIN + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    told = {
        **empty_record(),
        "schema": 1,
        "event": "transaction",
        "id": f"{worker}-{seq}",
        "worker": worker,
        "seq": seq,
        "start": start,
        "duration_ms": 0.0,
        "person": "AB1234",
        "kind": "https",
        "client_ip": "192.0.2.7",
        "host": "site.example",
        "action": "block",
        "rule": "hiding",
        "bytes_up": 10,
        "bytes_down": 100,
        "profile": "standard",
        "opened": True,
        **more,
    }
    return {name: list(each) if isinstance(each, tuple) else each for name, each in told.items()}


@dataclass
class Raised:
    """An alert of the model."""

    who: str
    start: int
    until: int
    ids: list[str]
    amount: int
    late: int

    @property
    def told(self) -> tuple[str, int, int, list[str], int, int]:
        return (self.who, self.start, self.until, sorted(self.ids), self.amount, self.late)


@dataclass
class Model:
    """Keeps everything for ever.

    Attributes:
        alert: with the measure `records` or `hosts`.
        late: minutes that a record may be behind.
    """

    alert: Alert
    late: int
    free: list[tuple[str, int, str, str, bool]] = field(default_factory=list)
    raised: list[Raised] = field(default_factory=list)
    newest: dict[int, int] = field(default_factory=dict)

    def take(self, record: dict[str, Any]) -> None:
        minute = int(datetime.fromisoformat(record["start"]).timestamp() // 60)
        before = self.newest.get(record["worker"], 0)
        self.newest[record["worker"]] = max(before, minute)
        oldest = max(self.newest.values()) - self.alert.within - self.late
        if record["action"] != "block":
            return
        late = minute < oldest
        minute, who = max(minute, oldest), record["person"]
        for each in self.raised:
            if each.who == who and each.start <= minute < each.until:
                each.ids.append(record["id"])
                each.late += late
                each.amount += self.alert.measure == "records"
                return
        self.free.append((who, minute, record["id"], record["host"], late))
        for first in range(minute - self.alert.within + 1, minute + 1):
            window = [
                each
                for each in self.free
                if each[0] == who and first <= each[1] < first + self.alert.within
            ]
            if not any(each[1] == first for each in window):
                continue
            if self._amount(window) >= self.alert.threshold:
                self._raise(who, window)
                return

    def _amount(self, window: list[tuple[str, int, str, str, bool]]) -> int:
        if self.alert.measure == "hosts":
            return len({each[3] for each in window})
        return len(window)

    def _raise(self, who: str, window: list[tuple[str, int, str, str, bool]]) -> None:
        start = min(each[1] for each in window)
        until = max(each[1] for each in window) + self.alert.quiet
        inside = [each for each in self.free if each[0] == who and start <= each[1] < until]
        self.free = [each for each in self.free if each not in inside]
        self.raised.append(
            Raised(
                *(who, start, until, [each[2] for each in inside], self._amount(inside)),
                sum(each[4] for each in inside),
            )
        )
