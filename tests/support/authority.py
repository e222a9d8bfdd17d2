"""Authority for tests: people with offices, applications, a register with a clock.

In: a store. Out: a register, and what goes into it.
Must never: leave out a rule to make a test shorter.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from proxy_addons.audit.authority.deputies import Deputies
from proxy_addons.audit.authority.model import Kind, Purpose, Regime, SubjectClass, Wanted
from proxy_addons.audit.authority.register import Authorisations
from proxy_addons.settings.audit import Audit, Office
from proxy_addons.standing import Actor

if TYPE_CHECKING:
    from proxy_addons.audit.authority.model import Authorisation
    from proxy_addons.standing import Store

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
WHY = "The allegation cannot be tested in another way."
REASON = "Not needed any more."

SETTINGS = Audit(
    offices=(
        Office("head-of-acu", (), ("acu",)),
        Office("head-of-hr", (), ("hr",)),
        Office("deputy-chief-constable", (), ("dcc",)),
        Office("chief-constable", ("Chief Constables",), ()),
        Office("head-of-psd", (), ("hpsd",)),
        Office("data-protection-officer", (), ("dpo",)),
    )
)


def person(name: str, *offices: str, roles: tuple[str, ...] = ("staff",)) -> Actor:
    return Actor(name, frozenset(roles), "kerberos", offices=frozenset(offices))


PAT = person("pat", roles=("psd",))
"""Applies."""
SAM = person("sam", roles=("psd",))
"""Looks with pat."""
KIM = person("kim", roles=("psd",))
"""Is of Professional Standards, and of no application."""
ACU = person("acu", "head-of-acu")
HR = person("hr", "head-of-hr")
DCC = person("dcc", "deputy-chief-constable")
CC = person("cc", "chief-constable")
HEAD = person("hpsd", "head-of-psd", roles=("psd",))
DPO = person("dpo", "data-protection-officer")
OPERATOR = Actor("root", frozenset({"operator"}), "command-line")
AUDITOR = person("ann", roles=("auditor",))
INFOSEC = person("inf", roles=("information-security",))

EVERYBODY = (PAT, SAM, KIM, ACU, HR, DCC, CC, HEAD, DPO, OPERATOR, AUDITOR, INFOSEC)


def wanted(**changes: Any) -> Wanted:
    """An application for a reactive look at an officer's records."""
    plain = Wanted(
        kind=Kind.REACTIVE,
        purpose=Purpose.STANDARDS,
        regime=Regime.MONITORING,
        subjects={"jane": SubjectClass.OFFICER},
        investigators=frozenset({"sam"}),
        allegation="CM/123/26",
        necessity=WHY,
        proportionality="Only the days of the allegation, and nobody else.",
        alternatives="None that would be less intrusive.",
        collateral="Other people's records are not asked for.",
        begins=NOW - 30 * DAY,
        ends=NOW,
        valid_from=NOW,
        valid_until=NOW + 28 * DAY,
    )
    return replace(plain, **changes)


def live(**changes: Any) -> Wanted:
    """An application for live monitoring."""
    times = {"begins": NOW, "ends": NOW + 60 * DAY, "valid_until": NOW + 14 * DAY}
    return wanted(kind=Kind.LIVE, **times | changes)


def sample(**changes: Any) -> Wanted:
    """An application for the standing authority for dip samples."""
    given = {"subjects": {}, "names_shown": False, "ends": NOW + 365 * DAY}
    return wanted(kind=Kind.DIP_SAMPLE, **given | {"valid_until": NOW + 365 * DAY} | changes)


def support(**changes: Any) -> Wanted:
    """An application for technical support."""
    given = {"subjects": {}, "names_shown": False, "begins": NOW - DAY}
    return wanted(kind=Kind.TECHNICAL_SUPPORT, **given | changes)


class World:
    """A register with a clock that the test sets."""

    def __init__(self, store: Store, settings: Audit = SETTINGS) -> None:
        self.now = NOW
        self.settings = settings
        self.store = store
        self.deputies = Deputies(store, settings, clock=lambda: self.now)
        self.register = Authorisations(store, settings, clock=lambda: self.now)

    def applied(self, asked: Wanted | None = None, by: Actor = PAT) -> Authorisation:
        return self.register.apply(by, asked or wanted())

    def take(self, name: str, actor: Actor, found: Authorisation, /, **more: Any) -> Authorisation:
        """A step, on the entry as it is now."""
        seen = self.now_of(found).revision
        if name in {"refuse", "withdraw", "cancel", "renew", "declare_conflict"}:
            more.setdefault("why", REASON)
        if name in {"review", "approve_orally"}:
            more.setdefault("note", "It is still needed.")
        if name == "approve_orally":
            more.setdefault("at", self.now - HOUR)
        if name == "renew":
            more.setdefault("until", found.valid_until + 7 * DAY)
        step = getattr(self.register, name)
        made: Authorisation = step(actor, found.reference, seen=seen, **more)
        return made

    def approved(self, asked: Wanted | None = None, by: Actor = ACU) -> Authorisation:
        return self.take("approve", by, self.applied(asked))

    def now_of(self, found: Authorisation) -> Authorisation:
        present = self.register.find(found.reference)
        assert present is not None
        return present
