"""The register of dip samples against a model: whatever is tried, in whatever order.

The model knows what may be done next, and by whom; the register has to agree each time.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from support.sampling import AUDITOR, PSD, REVIEWER, STAFF, WHY, Office, roster
from support.standing import opened

from proxy_addons.audit.sampling.commitment import Party
from proxy_addons.audit.sampling.plan import Outcome
from proxy_addons.audit.sampling.record import replay
from proxy_addons.standing import StepRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

EVERYBODY = (PSD, REVIEWER, AUDITOR, STAFF)
ACTORS = st.sampled_from(EVERYBODY)
PARTIES = st.sampled_from(list(Party))
CODES = st.sampled_from([each.value for each in Outcome])
SIZE = 4


class Life(RuleBasedStateMachine):
    """One plan of four samples, from its roster to its end."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.context = opened(Path(self.folder.name))
        self.office = Office(self.context.__enter__())
        plan = self.office.sampling.plan(PSD, self.office.wanted(size=SIZE))
        self.plan = plan
        self.draws = 0
        self.committed: dict[Party, str] = {}
        self.revealed: set[Party] = set()
        self.taken: dict[str, str] = {}  # pseudonym → reviewer, of samples without an outcome
        self.done: list[str] = []
        self.left = 0
        self.closed = False

    def teardown(self) -> None:
        self.context.__exit__(None, None, None)
        self.folder.cleanup()

    @property
    def drawn(self) -> bool:
        return self.revealed == set(Party)

    def attempt(self, allowed: bool, act: Callable[[], object]) -> bool:
        try:
            act()
        except StepRefusedError:
            assert not allowed
            return False
        assert allowed
        return True

    @rule(actor=ACTORS)
    def fix(self, actor: object) -> None:
        allowed = actor in {PSD, REVIEWER} and not self.draws
        seen = self.office.seen(self.plan.reference)
        if self.attempt(
            allowed,
            lambda: self.office.sampling.fix_roster(
                actor,  # type: ignore[arg-type]
                self.plan.reference,
                seen=seen,
                roster=roster(3, 2),
            ),
        ):
            self.draws = 1

    @rule(actor=ACTORS)
    def redraw(self, actor: object) -> None:
        allowed = actor in {PSD, REVIEWER} and self.draws > 0 and not self.closed
        seen = self.office.seen(self.plan.reference)
        if self.attempt(
            allowed,
            lambda: self.office.sampling.redraw(
                actor,  # type: ignore[arg-type]
                self.plan.reference,
                seen=seen,
                why=WHY,
                roster=roster(3, 2),
            ),
        ):
            self.draws += 1
            self.committed, self.revealed, self.left = {}, set(), 0

    @rule(actor=ACTORS)
    def commit(self, actor: object) -> None:
        party = Party.SECOND if actor is AUDITOR else Party.PSD
        allowed = (
            actor is not STAFF
            and self.draws > 0
            and party not in self.committed
            and len(self.committed) < len(Party)
            and not self.closed
        )
        if not self.draws:
            return
        if self.attempt(allowed, lambda: self.office.commit(self.plan, party, actor)):  # type: ignore[arg-type]
            self.committed[party] = actor.name  # type: ignore[attr-defined]

    @rule(actor=ACTORS)
    def reveal(self, actor: object) -> None:
        party = Party.SECOND if actor is AUDITOR else Party.PSD
        if (self.draws, party) not in self.office.secrets:
            return
        allowed = (
            len(self.committed) == len(Party)
            and self.committed[party] == actor.name  # type: ignore[attr-defined]
            and party not in self.revealed
        )
        if self.attempt(allowed, lambda: self.office.reveal(self.plan, party, actor)):  # type: ignore[arg-type]
            self.revealed.add(party)
            if self.drawn:
                self.left = SIZE

    @rule(actor=ACTORS)
    def take(self, actor: object) -> None:
        allowed = actor in {PSD, REVIEWER} and self.drawn and not self.closed
        found: list[object] = []
        self.attempt(
            allowed,
            lambda: found.append(self.office.reviewing.take_next(actor, self.plan.reference)),  # type: ignore[arg-type]
        )
        if found:
            assert (found[0] is not None) == (self.left > 0)
            if found[0] is not None:
                self.left -= 1
                self.taken[found[0].pseudonym] = actor.name  # type: ignore[attr-defined]

    @rule(actor=ACTORS, code=CODES, which=st.integers(0, 7))
    def decide(self, actor: object, code: str, which: int) -> None:
        known = [*self.taken, *self.done]
        if not known:
            return
        sample = known[which % len(known)]
        allowed = self.taken.get(sample) == actor.name  # type: ignore[attr-defined]
        if self.attempt(
            allowed,
            lambda: self.office.reviewing.decide(
                actor,  # type: ignore[arg-type]
                sample,
                code=code,
                remark="What was seen there.",
            ),
        ):
            del self.taken[sample]
            self.done.append(sample)

    @rule(steps=st.integers(1, 16), code=CODES)
    def go_on(self, steps: int, code: str) -> None:
        """What would come next, so that not every run stays at its beginning."""
        for _ in range(steps):
            if not self.draws:
                self.fix(PSD)
            elif len(self.committed) < len(Party):
                self.commit(AUDITOR if Party.PSD in self.committed else PSD)
            elif not self.drawn:
                by = {Party.SECOND: AUDITOR.name, **self.committed}
                last = Party.SECOND if Party.PSD in self.revealed else Party.PSD
                self.reveal(next(each for each in EVERYBODY if each.name == by[last]))
            elif self.taken:
                by = next(each for each in EVERYBODY if each.name in self.taken.values())
                names = list(self.taken.values())
                self.decide(by, code, names.index(by.name))
            elif self.left:
                self.take(REVIEWER)

    @rule(actor=ACTORS)
    def close(self, actor: object) -> None:
        ready = self.drawn and not self.closed and not self.left and not self.taken
        allowed = actor in {PSD, REVIEWER} and ready
        seen = self.office.seen(self.plan.reference)
        self.closed |= self.attempt(
            allowed,
            lambda: self.office.sampling.close(actor, self.plan.reference, seen=seen),  # type: ignore[arg-type]
        )

    @invariant()
    def as_the_model_says(self) -> None:
        sampling = self.office.sampling
        plan = sampling.get(self.plan.reference)
        draws = sampling.draws(plan.reference)
        assert len(draws) == self.draws
        assert plan.revision == len(sampling.steps(plan.reference))
        assert (plan.closed_at is not None) == self.closed
        if self.drawn:
            samples = [each for each in sampling.samples(plan.reference) if each.draw == self.draws]
            assert len(samples) == SIZE
            assert sum(each.reviewer is None for each in samples) == self.left
        assert self.office.reviewing.undone() == ()

    @invariant()
    def every_draw_can_be_replayed(self) -> None:
        for draw in self.office.sampling.draws(self.plan.reference):
            if draw.drawn_at is not None:
                record, people = self.office.sampling.record(
                    AUDITOR, self.plan.reference, draw.number
                )
                assert len(replay(record, people)) == SIZE


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
