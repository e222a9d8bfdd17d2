"""Withdrawing web access and giving it back: my people, all withdrawals, and the two forms.

In: a visit, a person, what was typed. Out: pages; steps in the register of withdrawals.
Must never: take a step itself (withdrawals.py does, with its rules), or without a fresh proof.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from aiohttp import hdrs, web

from proxy_addons.policy.people import canonical_name
from proxy_addons.portal.access import PAGES
from proxy_addons.portal.register.forms import Form
from proxy_addons.portal.register.reading import Reading
from proxy_addons.portal.register.shown import moment_words
from proxy_addons.portal.signin import onward
from proxy_addons.standing import rules
from proxy_addons.standing.problems import StepRefusedError

if TYPE_CHECKING:
    from proxy_addons.portal.register.shown import Shown
    from proxy_addons.portal.signin.guard import Guard, Visit
    from proxy_addons.portal.signin.services import Services
    from proxy_addons.standing.exemption import Exemption
    from proxy_addons.standing.withdrawals import Withdrawal

_DONE = {
    "withdrawn": "Web access is withdrawn. It holds within two seconds, also for pages that are "
    "open already.",
    "given-back": "Web access is given back.",
}
_SHOWN = 200  # withdrawals that were given back, on one page


@dataclass(frozen=True, slots=True)
class Member:
    """One of somebody's people, for the page.

    Attributes:
        name: canonical.
        display: name for people.
        unit: or None.
        withdrawal: in force, or None.
        live: their live exemption, in words, or None.
        lifts: whether this reader may give the access back.
    """

    name: str
    display: str
    unit: str | None
    withdrawal: Withdrawal | None
    live: Shown | None
    lifts: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One withdrawal, for the page.

    Attributes:
        it: the withdrawal.
        display: the person's name for people.
        when: it was withdrawn, in words.
        lifted: when it was given back, in words; None while it holds.
        lifts: whether this reader may give the access back.
    """

    it: Withdrawal
    display: str
    when: str
    lifted: str | None
    lifts: bool


class Withdrawing:
    """The handlers."""

    def __init__(self, services: Services, guard: Guard) -> None:
        self._services = services
        self._guard = guard
        self._reading = Reading(services)
        self._zone = services.settings.policy.time_zone

    def routes(self) -> list[web.RouteDef]:
        """What is served, and by which handler."""
        page = self._guard.page
        return [
            web.get("/team", page(PAGES["team"], self.team)),
            web.get("/withdrawals", page(PAGES["withdrawals"], self.listed)),
            web.get("/withdraw", page(PAGES["withdraw"], self.ask)),
            web.post("/withdraw", page(PAGES["withdraw"], self.withdraw)),
            web.get("/give-back", page(PAGES["withdraw"], self.ask)),
            web.post("/give-back", page(PAGES["withdraw"], self.give_back)),
        ]

    async def team(self, request: web.Request, visit: Visit) -> web.Response:
        """A line manager's own people."""

        def read() -> tuple[dict[str, Withdrawal], list[Exemption]]:
            withdrawn = {each.person: each for each in self._services.withdrawals.all()
                         if each.in_force}  # fmt: skip
            manages = visit.someone.manages
            return withdrawn, [
                each for each in self._services.register().all() if each.person in manages
            ]

        withdrawn, exemptions = await self._services.threads.run(read)
        rows = await self._reading.in_words(visit, exemptions)
        live = {row.it.person: row for row in rows if row.words == "Live"}
        members = []
        for entry in sorted(visit.someone.team, key=lambda each: each.display or each.name):
            found = withdrawn.get(entry.name)
            lifts = found is not None and _may_lift(visit, found)
            display = entry.display or entry.name
            exemption = live.get(entry.name)
            members.append(Member(entry.name, display, entry.unit, found, exemption, lifts))
        return self._services.answers.show(
            "team.html",
            visit=visit,
            here="team",
            members=members,
            done=_DONE.get(request.query.get("done", "")),
        )

    async def listed(self, request: web.Request, visit: Visit) -> web.Response:
        """All withdrawals: those in force, then those that were."""
        found = await self._services.threads.run(self._services.withdrawals.all)
        entries = await self._reading.entries({each.person for each in found[-_SHOWN:]})
        rows = [
            Row(
                each,
                getattr(entries.get(each.person), "display", None) or each.person,
                moment_words(each.withdrawn_at, self._zone),
                moment_words(each.lifted_at, self._zone) if each.lifted_at else None,
                each.in_force and visit.may_open("withdraw") and _may_lift(visit, each),
            )
            for each in reversed(found)
        ]
        return self._services.answers.show(
            "withdrawals.html",
            visit=visit,
            here="withdrawals",
            now=[row for row in rows if row.it.in_force],
            past=[row for row in rows if not row.it.in_force][:_SHOWN],
            withdraws=visit.may_open("withdraw"),
            done=_DONE.get(request.query.get("done", "")),
        )

    async def ask(self, request: web.Request, visit: Visit) -> web.Response:
        """The form to withdraw or give back."""
        path = _with_person(request.path, request.query.get("person", ""))
        if not visit.has_just_proven:
            raise web.HTTPSeeOther(onward.with_next("/confirm", path))
        form = Form(
            self._services.drafts.take(visit.someone.name, request.path)
            or {"person": [request.query.get("person", "")]}
        )
        return await self._form(request, visit, form)

    async def withdraw(self, request: web.Request, visit: Visit) -> web.Response:
        """Withdraw."""
        form = await Form.posted(request)
        if (away := self._unproven(request, visit, form)) is not None:
            return away
        name = self._checked(form)
        if name is not None and not await self._services.people.exists(name):
            form.wrong("person", "The directory knows nobody of this login name")
        if form.problems:
            return await self._form(request, visit, form, status=400)
        return await self._take(request, visit, form, "withdrawn")

    async def give_back(self, request: web.Request, visit: Visit) -> web.Response:
        """Give back."""
        form = await Form.posted(request)
        if (away := self._unproven(request, visit, form)) is not None:
            return away
        self._checked(form)
        if form.problems:
            return await self._form(request, visit, form, status=400)
        return await self._take(request, visit, form, "given-back")

    # --- inside -----------------------------------------------------------------------------

    def _unproven(self, request: web.Request, visit: Visit, form: Form) -> web.Response | None:
        if visit.has_just_proven:
            return None
        self._services.drafts.keep(visit.someone.name, request.path, form.fields)
        path = _with_person(request.path, form.text("person"))
        return web.Response(status=303, headers={hdrs.LOCATION: onward.with_next("/confirm", path)})

    @staticmethod
    def _checked(form: Form) -> str | None:
        name = None
        if not form.text("person").strip():
            form.wrong("person", "Enter whose access it is")
        else:
            try:
                name = canonical_name(form.text("person"))
            except ValueError as problem:
                # Said below the field.
                form.wrong("person", f"This is no login name: {problem}")
        if not form.text("why").strip():
            form.wrong("why", "Enter why")
        return name

    async def _take(
        self, request: web.Request, visit: Visit, form: Form, done: str
    ) -> web.Response:
        withdrawals = self._services.withdrawals
        actor, person, why = visit.actor, form.text("person"), form.text("why")
        try:
            if done == "withdrawn":
                await self._services.threads.run(withdrawals.withdraw, actor, person, why)
            else:
                seen = form.text("seen")
                await self._services.threads.run(withdrawals.lift, actor, person, why, seen=seen)
        except StepRefusedError as problem:
            # Nothing was changed: the form comes back with what was typed.
            field = "person" if problem.rule in {"own", "role", "state", "name"} else "why"
            form.wrong(field, str(problem))
            return await self._form(request, visit, form, status=400)
        where = "/team" if visit.may_open("team") else "/withdrawals"
        return web.Response(status=303, headers={hdrs.LOCATION: f"{where}?done={done}"})

    async def _form(
        self, request: web.Request, visit: Visit, form: Form, *, status: int = 200
    ) -> web.Response:
        withdrawal = entry = None
        try:
            name = canonical_name(form.text("person"))
        except ValueError:
            # None is chosen yet: the form asks for it.
            name = None
        if name is not None:
            withdrawal = await self._services.threads.run(self._services.withdrawals.in_force, name)
            entry = await self._services.people.entry(name)
        return self._services.answers.show(
            "withdraw.html",
            status=status,
            visit=visit,
            here="team" if visit.may_open("team") else "withdrawals",
            gives_back=request.path == "/give-back",
            path=request.path,
            form=form,
            problems=form.problems,
            name=name,
            display=(entry.display if entry else None) or name,
            withdrawal=withdrawal,
            when=moment_words(withdrawal.withdrawn_at, self._zone) if withdrawal else None,
            team=visit.someone.team,
        )


def _may_lift(visit: Visit, withdrawal: Withdrawal) -> bool:
    try:
        rules.may_withdraw(visit.actor, withdrawal.person, "give access back")
        rules.may_lift(visit.actor, withdrawal.by_right)
    except StepRefusedError:
        # Then the page offers no button.
        return False
    return True


def _with_person(path: str, person: str) -> str:
    return f"{path}?{urlencode({'person': person}, quote_via=quote)}" if person else path
