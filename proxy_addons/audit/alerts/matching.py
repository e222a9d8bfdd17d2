"""What a record is to an alert: whether it counts, for whom, when, and how much.

In: an `Alert` of the settings, the policy's time spaces; records. Out: `Seen`, or None.
Must never: read a clock; count a transaction twice (its `open` record is a look at one that goes
on); take a name that was only claimed for a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from proxy_addons.accesslog.feeds.shape import ended, started
from proxy_addons.policy.timespaces import reading

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from proxy_addons.policy.compiled import Policy
    from proxy_addons.settings.alerts import Alert

type Record = Mapping[str, Any]

NOBODY: Final = "-"
"""Stands for who is known neither by name nor by address."""
LONGEST: Final = 256  # characters of a name or address (tables.NAME)


@dataclass(frozen=True, slots=True)
class Seen:
    """A record that counts.

    Attributes:
        kind: `person` or `client`.
        who: canonical name, or address.
        at: when it was made, Unix time in seconds.
        amount: 1 for `records`, octets for `up` and `down`, 0 for `hosts`.
        host: of the record; for `hosts`.
        reference: number of the transaction.
    """

    kind: str
    who: str
    at: float
    amount: int
    host: str
    reference: str


def written_at(record: Record) -> float | None:
    """When a record was made, Unix time; None where it does not say so."""
    moment = ended(record)
    return None if moment is None else moment.timestamp()


class Matching:
    """Judges records for one alert.

    Args:
        alert: of the settings.
        policy: its time spaces, bank holidays and time zone.
    """

    def __init__(self, alert: Alert, policy: Policy) -> None:
        self._alert = alert
        self._policy = policy
        self._outside = tuple(
            policy.time_spaces[name] for name in alert.when.outside or () if policy.time_spaces
        )

    def seen(self, record: Record) -> Seen | None:
        """What the record counts for; None where it does not."""
        if record.get("event") != "transaction" or not self._counts(record):
            return None
        at = written_at(record)
        if at is None:
            return None
        amount, host = 1, ""
        if self._alert.measure == "hosts":
            amount, host = 0, _text(record, "host")
            if not host:
                return None
        elif self._alert.measure != "records":
            octets = record.get(f"bytes_{self._alert.measure}")
            if not isinstance(octets, int) or isinstance(octets, bool) or octets <= 0:
                return None
            amount = octets
        kind, who = self._who(record)
        return Seen(kind, who, at, amount, host, _text(record, "id"))

    def _who(self, record: Record) -> tuple[str, str]:
        person = _text(record, "person") if self._alert.per == "person" else ""
        if person:
            return "person", person
        return "client", _text(record, "client_ip") or NOBODY

    def _counts(self, record: Record) -> bool:
        when = self._alert.when
        if when.rules is not None and record.get("rule") not in when.rules:
            return False
        if when.actions is not None and record.get("action") not in when.actions:
            return False
        if when.profiles is not None and record.get("profile") not in when.profiles:
            return False
        if when.virus is not None and (record.get("virus") is not None) is not when.virus:
            return False
        if when.opened_only and record.get("opened") is False:
            return False
        if when.categories is not None and when.categories.isdisjoint(_texts(record, "categories")):
            return False
        if when.findings is not None and not any(
            each in when.findings or each.partition("=")[0] in when.findings
            for each in _texts(record, "findings")
        ):
            return False
        return self._at_such_a_time(record)

    def _at_such_a_time(self, record: Record) -> bool:
        when = self._alert.when
        if when.outside is None and when.hours is None:
            return True
        began: datetime | None = started(record)
        if began is None:
            return False
        now = reading(began.astimezone(self._policy.time_zone), self._policy.bank_holidays)
        if when.hours is not None and not when.hours.holds(now.minute):
            return False
        return not any(space.holds(now) for space in self._outside)


def _text(record: Record, name: str) -> str:
    value = record.get(name)
    return value[:LONGEST] if isinstance(value, str) else ""


def _texts(record: Record, name: str) -> list[str]:
    value = record.get(name)
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
