"""`alerts` and `alert_webhooks`: when Professional Standards is told of something, frozen.

In: nothing (settings/alerts_build.py fills these). Out: values that audit/alerts reads.
Must never: show a secret when it is printed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

MEASURES: Final = ("records", "up", "down", "hosts")
"""Count of records; octets from client to server; octets to the client; different hosts."""
SEVERITIES: Final = ("low", "medium", "high")
PER: Final = ("person", "client")
QUEUE: Final = "queue"
DAY: Final = 1440  # minutes


@dataclass(frozen=True, slots=True)
class Hours:
    """A range of the clock, its end excluded; one that ends before it starts runs over midnight.

    Attributes:
        start: minute of the day.
        end: minute of the day.
    """

    start: int
    end: int

    def holds(self, minute: int) -> bool:
        """Whether a minute of the day is in it."""
        if self.start < self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end


@dataclass(frozen=True, slots=True)
class AlertWhen:
    """Which records count. Of one list any entry is enough; what is given must all be met.

    Attributes:
        rules: ids of rules.
        categories: with groups taken apart and aliases, as records have them.
        actions: `allow`, `coach`, `redirect`, `block`.
        profiles: ids of profiles.
        outside: time spaces of the policy, in none of which the transaction began.
        hours: range of the force's clock in which the transaction began.
        findings: kinds (`marking`), or kinds with a value (`marking=secret`).
        virus: whether a virus was found.
        opened_only: only what people opened themselves; what nobody can tell counts.
    """

    rules: frozenset[str] | None = None
    categories: frozenset[str] | None = None
    actions: frozenset[str] | None = None
    profiles: frozenset[str] | None = None
    outside: tuple[str, ...] | None = None
    hours: Hours | None = None
    findings: frozenset[str] | None = None
    virus: bool | None = None
    opened_only: bool = False


@dataclass(frozen=True, slots=True)
class Webhook:
    """A receiver of alerts.

    Attributes:
        name: by which `to` names it.
        url: HTTPS.
        secret: key of the signature.
        ca_file: PEM file of the authorities that are trusted, and no others; None: the system's.
    """

    name: str
    url: str
    secret: bytes = field(repr=False)
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """One entry of `alerts`.

    Attributes:
        id: its name for good.
        clause: of the force's policy.
        words: what it means, in a plain sentence.
        when: which records count.
        per: `person` (client address, where nobody is known) or `client`.
        measure: see `MEASURES`.
        threshold: from which on it is raised.
        within: minutes of the window.
        quiet: minutes for which more of the same person is counted into the same alert.
        severity: see `SEVERITIES`.
        mails: addresses that are told.
        webhooks: names of receivers that are told.
    """

    id: str
    clause: str
    words: str
    when: AlertWhen
    per: str = "person"
    measure: str = "records"
    threshold: int = 1
    within: int = 60
    quiet: int = DAY
    severity: str = "medium"
    mails: tuple[str, ...] = ()
    webhooks: tuple[str, ...] = ()
