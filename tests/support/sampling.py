"""A dip sample as two parties and reviewers make it, by the register's own steps.

In: a store. Out: plans, drawn and reviewed.
Must never: write past the register's rules.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from proxy_addons.audit.sampling.commitment import Party, Secret, commitment
from proxy_addons.audit.sampling.hooks import Concern, Deleted
from proxy_addons.audit.sampling.plan import Plan, WantedPlan
from proxy_addons.audit.sampling.register import Sampling
from proxy_addons.audit.sampling.reviewing import Reviewing
from proxy_addons.audit.sampling.strata import Entry
from proxy_addons.standing import Actor
from proxy_addons.standing.weeks import Week

if TYPE_CHECKING:
    from proxy_addons.standing import Step, Store

LONDON = ZoneInfo("Europe/London")
NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
WEEK = Week.parse("2026-W47")  # over since that morning
PSD = Actor("pat", frozenset({"psd"}), "kerberos")
REVIEWER = Actor("robin", frozenset({"psd"}), "kerberos")
AUDITOR = Actor("alex", frozenset({"auditor"}), "kerberos")
ROOT = Actor("root", frozenset({"operator"}), "command-line")
STAFF = Actor("lee", frozenset({"staff", "line-manager"}), "kerberos")
WHY = "Routine check of personal use in November."


def roster(*sizes: int) -> tuple[Entry, ...]:
    """People of units of these sizes; officers and staff by turns."""
    return tuple(
        Entry.of(f"p{number}-{person}", ("officer", "staff")[number % 2], f"unit {number}")
        for number, size in enumerate(sizes)
        for person in range(size)
    )


class Office:
    """Both parties, a reviewer, and what they have written elsewhere.

    Attributes:
        now: what the registers take for the time.
        steps: what the trail was given.
        drafted: pseudonym → the request that was drafted.
        concerns: how often a draft was asked for.
        views: pseudonym → records of its view, until it is deleted.
        broken: what a draft and a deletion fail with.
    """

    def __init__(self, store: Store, now: datetime = NOW) -> None:
        self.now = now
        self.steps: list[tuple[str, Step]] = []
        self.drafted: dict[str, str] = {}
        self.concerns: list[Concern] = []
        self.views: dict[str, int] = {}
        self.deleted: list[str] = []
        self.broken: Exception | None = None
        self.secrets: dict[tuple[int, Party], Secret] = {}
        chance = random.Random(7)
        self.entropy = chance.randbytes
        self.sampling = Sampling(
            store, entropy=self.entropy, clock=lambda: self.now, trail=self.trail
        )
        self.reviewing = Reviewing(
            store,
            requests=self,
            views=self,
            zone=LONDON,
            clock=lambda: self.now,
            trail=self.trail,
        )

    def trail(self, reference: str, step: Step) -> None:
        self.steps.append((reference, step))

    def draft(self, actor: Actor, concern: Concern) -> str:
        """See `Requests.draft`."""
        del actor
        self._fail()
        self.concerns.append(concern)
        return self.drafted.setdefault(concern.sample, f"AU-2026-{len(self.drafted) + 1:04}")

    def delete(self, sample: str) -> Deleted:
        """See `Views.delete`."""
        self._fail()
        self.deleted.append(sample)
        records = self.views.pop(sample, 0)
        return Deleted(records, (f"{sample}.view",) if records else ())

    def _fail(self) -> None:
        if self.broken is not None:
            raise self.broken

    # --- steps ------------------------------------------------------------------------------------

    def wanted(self, **more: object) -> WantedPlan:
        """A plan, of which some attributes are others."""
        values = {
            "why": WHY,
            "authority": "DCC 2021/17",
            "first_week": WEEK,
            "size": 6,
            "second_party": AUDITOR.name,
        }
        return WantedPlan(**(values | more))  # type: ignore[arg-type]

    def seen(self, reference: str) -> int:
        return self.sampling.get(reference).revision

    def planned(self, *sizes: int, **more: object) -> Plan:
        """A plan with a roster."""
        plan = self.sampling.plan(PSD, self.wanted(**more))
        people = roster(*(sizes or (7, 1, 12)))
        return self.sampling.fix_roster(PSD, plan.reference, seen=1, roster=people)

    def commit(self, plan: Plan, party: Party, by: Actor | None = None) -> Plan:
        """One party's commitment, for the draw that is open."""
        number = self.sampling.draws(plan.reference)[-1].number
        secret = self.secrets.setdefault((number, party), Secret.new(self.entropy))
        actor = by or (PSD if party is Party.PSD else AUDITOR)
        shown = commitment(plan.reference, number, party, secret)
        return self.sampling.commit(
            actor, plan.reference, seen=self.seen(plan.reference), commitment=shown
        )

    def reveal(self, plan: Plan, party: Party, by: Actor | None = None) -> Plan:
        """One party's secret."""
        number = self.sampling.draws(plan.reference)[-1].number
        actor = by or (PSD if party is Party.PSD else AUDITOR)
        return self.sampling.reveal(
            actor,
            plan.reference,
            seen=self.seen(plan.reference),
            secret=self.secrets[number, party],
        )

    def drawn(self, *sizes: int, plan: Plan | None = None, **more: object) -> Plan:
        """A plan that was drawn; `plan` goes on from its open draw."""
        plan = plan or self.planned(*sizes, **more)
        for party in Party:
            self.commit(plan, party)
        for party in Party:
            plan = self.reveal(plan, party)
        return plan
