"""One plan of dip sampling: its page, its steps, and the two commitments.

In: a visit, a plan, a form. Out: pages; steps in the register; a secret, on one page, once.
Must never: keep a secret that was made here, or show one a second time; show a name.
"""

from __future__ import annotations

import secrets
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final, override

from aiohttp import hdrs, web

from proxy_addons.audit.sampling.commitment import Party, Secret, SecretError, commitment
from proxy_addons.audit.sampling.gathering import from_csv, from_directory, sizes
from proxy_addons.audit.sampling.plan import DrawState
from proxy_addons.audit.sampling.strata import RosterError
from proxy_addons.identity.entries import DirectorySettingsError, DirectoryUnavailableError
from proxy_addons.identity.everybody import everybody
from proxy_addons.portal.access import PAGES
from proxy_addons.portal.psd.plansteps import (
    COMMIT,
    KINDS,
    Planned,
    may_review,
    open_to,
    refusal,
)
from proxy_addons.portal.register.forms import Form
from proxy_addons.portal.register.shown import shown_step
from proxy_addons.portal.register.stepped import SteppedPages
from proxy_addons.standing.problems import (
    StaleViewError,
    StepRefusedError,
    UnknownReferenceError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from proxy_addons.audit.sampling.strata import Entry, Stratum
    from proxy_addons.portal.register.shown import ShownStep
    from proxy_addons.portal.register.steps import Kind
    from proxy_addons.portal.register.taking import Taken
    from proxy_addons.portal.signin.guard import Guard, Visit
    from proxy_addons.portal.signin.services import Services
    from proxy_addons.standing.steps import Step

_NONE: Final = "There is no plan of dip sampling of this reference."
_ROSTERS: Final = frozenset({"roster", "redraw"})
_FIELDS: Final = {"reason": "why", "roster": "csv", "commitment": "secret", "secret": "secret"}
_WORDS: Final = {
    "plan": "Planned",
    "roster": "Roster fixed",
    "redraw": "Drawn again",
    "commitment": "Committed",
    "reveal": "Secret revealed",
    "draw": "Drawn",
    "record-seen": "Record of the draw looked at",
    "closing": "Closed",
}
"""Steps of the history; those of single samples are counted above it."""
_COMMITMENT: Final = 64  # hexadecimal digits


class OnePlan(SteppedPages[Planned]):
    """The handlers.

    Args:
        services: registers.
        guard: who may see which page.
        entropy: gives so many random octets, for secrets.
    """

    PAGE = "sampling"
    PATH = "/psd/sampling"
    REFERENCE = "{reference:[A-Za-z]{2}-[0-9]{4}-[0-9]{1,8}}"
    KINDS = KINDS
    REQUESTED = "The sample is planned. Its roster comes next."

    def __init__(
        self,
        services: Services,
        guard: Guard,
        entropy: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        super().__init__(services, guard)
        self._entropy = entropy

    @override
    def routes(self) -> list[web.RouteDef]:
        page, which = self._guard.page, PAGES[self.PAGE]
        path = f"{self.PATH}/{self.REFERENCE}/{COMMIT.name}"
        return [
            *super().routes(),
            web.get(path, page(which, self.ask_commitment)),
            web.post(path, page(which, self.commit)),
        ]

    @override
    async def take(self, request: web.Request, visit: Visit) -> web.Response:
        name = request.match_info["step"]
        form = await Form.posted(request)
        if name not in _ROSTERS or not form.ticked("preview"):
            return await super().take(request, visit)
        try:
            found = await self._found(visit, request.match_info["reference"])
        except UnknownReferenceError:
            return self._none(visit)
        if (problem := refusal(name, visit.actor, found)) is not None:
            return await self._show(visit, found, problem=str(problem), status=403)
        try:
            roster = await self._services.threads.run(self._roster, form)
            preview = sizes(roster)
        except StepRefusedError as wrong:
            # Nothing was fixed: the form comes back and says why.
            form.wrong("csv", str(wrong))
            return await self._step(visit, found, KINDS[name], form, status=400)
        return await self._step(visit, found, KINDS[name], form, preview=preview)

    async def ask_commitment(self, request: web.Request, visit: Visit) -> web.Response:
        """The form of a commitment."""
        try:
            found = await self._found(visit, request.match_info["reference"])
        except UnknownReferenceError:
            return self._none(visit)
        if (problem := refusal(COMMIT.name, visit.actor, found)) is not None:
            return await self._show(visit, found, problem=str(problem), status=403)
        return await self._step(visit, found, COMMIT, Form({}))

    async def commit(self, request: web.Request, visit: Visit) -> web.Response:
        """The form was sent: a commitment, a secret, or the wish for one."""
        form = await Form.posted(request)
        try:
            found = await self._found(visit, request.match_info["reference"])
        except UnknownReferenceError:
            return self._none(visit)
        if (problem := refusal(COMMIT.name, visit.actor, found)) is not None:
            return await self._show(visit, found, problem=str(problem), status=403)
        draw = found.draw
        assert draw is not None  # or it would have been refused
        second = visit.actor.name == found.plan.second_party
        party = Party.SECOND if second else Party.PSD
        typed = "".join(form.text("secret").split())
        made: Secret | None = None
        try:
            if len(typed) == _COMMITMENT:
                shown = typed
            else:
                secret = Secret.parse(typed) if typed else Secret.new(self._entropy)
                made = None if typed else secret
                shown = commitment(found.reference, draw.number, party, secret)
            await self._services.threads.run(
                lambda: self._services.sampling().commit(
                    visit.actor, found.reference, seen=_seen(form), commitment=shown
                )
            )
        except SecretError as wrong:
            # Nothing was committed to: the form comes back, without what was typed.
            form.wrong("secret", f"{str(wrong).capitalize()}, or a commitment, which has 64")
            return await self._step(visit, found, COMMIT, form, status=400)
        except StaleViewError as stale:
            # Nothing was changed: what is shown now is what to decide on.
            now = await self._found(visit, found.reference)
            return await self._show(visit, now, problem=str(stale), status=409)
        except StepRefusedError as wrong:
            # As above.
            form.wrong("secret", str(wrong))
            return await self._step(visit, found, COMMIT, form, status=400)
        if made is None:
            where = f"{self.PATH}/{found.reference}?done={COMMIT.name}"
            return web.Response(status=303, headers={hdrs.LOCATION: where})
        return self._services.answers.show(
            "psd-secret.html",
            visit=visit,
            here="sampling",
            it=found,
            secret=made.text,
            commitment=shown,
        )

    # --- what differs -----------------------------------------------------------------------

    @override
    async def _found(self, visit: Visit, reference: str) -> Planned:
        def read() -> Planned:
            sampling = self._services.sampling()
            return Planned(sampling.get(reference), sampling.draws(reference))

        return await self._services.threads.run(read)

    @override
    def _refusal(self, name: str, visit: Visit, found: Planned) -> StepRefusedError | None:
        return refusal(name, visit.actor, found)

    @override
    def _call(self, name: str, taken: Taken) -> Callable[[], object] | None:
        form, common = taken.form, {"seen": taken.seen}
        sampling = self._services.sampling()
        if name == "reveal":
            try:
                secret = Secret.parse(form.text("secret"))
            except SecretError as problem:
                # Nothing is revealed: the form comes back.
                form.wrong("secret", str(problem).capitalize())
                return None
            return lambda: sampling.reveal(taken.actor, taken.reference, secret=secret, **common)
        if name == "close":
            return lambda: sampling.close(taken.actor, taken.reference, remark=taken.why, **common)
        if name == "redraw":
            taken.needs_why()
            if form.problems:
                return None
            return lambda: sampling.redraw(
                taken.actor, taken.reference, why=taken.why, roster=self._roster(form), **common
            )
        return lambda: sampling.fix_roster(
            taken.actor, taken.reference, roster=self._roster(form), **common
        )

    @override
    def _field(
        self, name: str, visit: Visit, found: Planned, problem: StepRefusedError
    ) -> str | None:
        if name == "reveal" and problem.rule == "reveal":
            return "secret"
        if name == "close" and problem.rule == "state":
            return ""
        return _FIELDS.get(problem.rule)

    @override
    async def _show(
        self,
        visit: Visit,
        found: Planned,
        *,
        done: str | None = None,
        problem: str | None = None,
        status: int = 200,
    ) -> web.Response:
        services = self._services

        def read() -> tuple[tuple[Step, ...], Counter[str], list[str], list[str]]:
            sampling, name = services.sampling(), visit.someone.name
            samples = sampling.samples(found.reference)
            number = found.draw.number if found.draw else 0
            counted = Counter(
                "not reviewed yet" if each.outcome is None else str(each.outcome)
                for each in samples
                if each.draw == number
            )
            mine = [each for each in samples if each.reviewer == name]
            return (
                sampling.steps(found.reference),
                counted,
                [each.pseudonym for each in mine if each.outcome is None],
                [each.pseudonym for each in mine if each.outcome == "concern"],
            )

        steps, counted, mine, concerns = await services.threads.run(read)
        today = visit.now.astimezone(self._zone).date()
        not_yet = may_review(visit.actor, found, today)
        return services.answers.show(
            "psd-plan.html",
            path=self.PATH,
            status=status,
            visit=visit,
            here="sampling",
            it=found,
            steps=open_to(visit.actor, found),
            counted=sorted(counted.items()),
            mine=mine,
            concerns=concerns,
            # Whether any is free is not told: one that is left, and not given, is one's own.
            may_review=not_yet is None,
            not_yet=str(not_yet) if not_yet is not None and not_yet.rule == "period" else None,
            drawn=found.draw is not None and found.draw.state is DrawState.DRAWN,
            history=[self._step_words(step) for step in steps if step.kind in _WORDS],
            done=_DONE.get(done or "", done),
            problem=problem,
        )

    @override
    async def show(self, request: web.Request, visit: Visit) -> web.Response:
        done = request.query.get("done", "")
        if done in _DONE:  # of what is no step in `KINDS`
            try:
                found = await self._found(visit, request.match_info["reference"])
            except UnknownReferenceError:
                return self._none(visit)
            return await self._show(visit, found, done=done)
        return await super().show(request, visit)

    @override
    async def _step(
        self,
        visit: Visit,
        found: Planned,
        kind: Kind,
        form: Form,
        *,
        status: int = 200,
        preview: Mapping[Stratum, int] | None = None,
    ) -> web.Response:
        return self._services.answers.show(
            "psd-plan-step.html",
            status=status,
            visit=visit,
            here="sampling",
            kind=kind,
            it=found,
            form=form,
            problems=form.problems,
            rosters=_ROSTERS,
            preview=preview,
            has_directory=bool(self._services.settings.directory.servers),
        )

    @override
    def _none(self, visit: Visit) -> web.Response:
        return self._services.answers.show(
            "problem.html",
            status=404,
            visit=visit,
            here="sampling",
            title="There is no such plan",
            text=_NONE,
        )

    # --- inside -----------------------------------------------------------------------------

    def _step_words(self, step: Step) -> ShownStep:
        return replace(shown_step(step, self._zone), what=_WORDS[step.kind])

    def _roster(self, form: Form) -> tuple[Entry, ...]:
        """The roster that a form names. Blocks: asks the directory for everybody.

        Raises:
            StepRefusedError: there is none, with a sentence that says why.
        """
        settings = self._services.settings.directory
        try:
            if form.text("source") == "directory" and settings.servers:
                return from_directory(everybody(settings))
            return from_csv(form.text("csv"))
        except RosterError as problem:
            # Nothing is fixed.
            raise StepRefusedError("roster", f"{problem}.") from problem
        except (DirectorySettingsError, DirectoryUnavailableError) as problem:
            # As above: half of everybody would be a draw that leaves people out.
            raise StepRefusedError("roster", f"The directory gives nobody: {problem}.") from problem


_DONE: Final = {
    "commit": "You have committed. Keep your secret until both have.",
    "none-left": "There is no sample left for you.",
    "reviewed": "The outcome is recorded, and what there was of the sample is deleted.",
}


def _seen(form: Form) -> int:
    text = form.text("seen")
    return int(text) if text.isdecimal() and len(text) < 10 else -1
