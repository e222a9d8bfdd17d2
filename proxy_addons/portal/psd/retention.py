"""What is due to be erased, what is held, what was erased; and a new legal hold.

In: a visit, a form. Out: pages; a hold in the register.
Must never: erase anything; show somebody a hold on records of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiohttp import hdrs, web

from proxy_addons.accesslog.seal.sealing import Seals
from proxy_addons.audit.retention.certificates import Certificates
from proxy_addons.audit.retention.collateral import Collateral
from proxy_addons.audit.retention.details import Details
from proxy_addons.audit.retention.due import Fate, Verdict, due
from proxy_addons.audit.retention.holds import WantedHold
from proxy_addons.audit.retention.inventory import InventoryError, pending, segments
from proxy_addons.audit.retention.schedule import Class, Schedule
from proxy_addons.audit.retention.scope import Scope
from proxy_addons.portal.access import PAGES
from proxy_addons.portal.psd.shown import moment
from proxy_addons.portal.register.forms import Form
from proxy_addons.portal.register.shown import until_words
from proxy_addons.standing.dates import months_later
from proxy_addons.standing.problems import StepRefusedError

if TYPE_CHECKING:
    from datetime import datetime

    from proxy_addons.audit.retention.certificates import Certificate
    from proxy_addons.audit.retention.holds import Hold
    from proxy_addons.portal.signin.guard import Guard, Visit
    from proxy_addons.portal.signin.services import Services

FIELDS: Final = {
    "scope": "persons",
    "name": "persons",
    "authorisation": "authorisation",
    "reason": "why",
    "review": "review",
}
"""Rule → field that its refusal speaks of."""
FATES: Final = {
    Fate.ERASE: "may be erased",
    Fate.PART: "may be erased, but for what is held",
    Fate.HELD: "is held",
}
_MOST: Final = 200
"""Of what is due, or certificates, on a page; the command line has all of them."""


@dataclass(frozen=True, slots=True)
class Overview:
    """What the page of retention shows."""

    verdicts: tuple[Verdict, ...]
    holds: tuple[Hold, ...]
    certificates: tuple[Certificate, ...]
    problem: str | None


def may_see(name: str, hold: Hold) -> bool:
    """Whether somebody may know of a hold: it may be for an investigation of them."""
    return hold.scope.persons is None or name not in hold.scope.persons


def _tells(verdict: Verdict, name: str) -> bool:
    """Whether it names an authorisation that is about somebody: to them there is none."""
    item = verdict.item
    return item.kind is Class.DETAILS and name in (item.persons or ())


class RetentionPages:
    """The handlers."""

    def __init__(self, services: Services, guard: Guard) -> None:
        self._services = services
        self._guard = guard
        self._zone = services.settings.policy.time_zone

    def routes(self) -> list[web.RouteDef]:
        """What is served, and by which handler."""
        page, which = self._guard.page, PAGES["retention"]
        return [
            web.get("/psd/retention", page(which, self.show)),
            web.get("/psd/retention/certificates", page(which, self.certificates)),
            web.get("/psd/retention/new", page(PAGES["hold"], self.ask)),
            web.post("/psd/retention/new", page(PAGES["hold"], self.take)),
        ]

    async def show(self, request: web.Request, visit: Visit) -> web.Response:
        """What is due, and what is held."""
        everything = request.query.get("show") == "all"
        found = await self._services.threads.run(self._read, visit.now)
        holds = [each for each in found.holds if may_see(visit.someone.name, each)]
        hidden = {each.reference for each in found.holds} - {each.reference for each in holds}
        name = visit.someone.name
        verdicts = [each for each in found.verdicts if not _tells(each, name)]
        return self._services.answers.show(
            "psd-retention.html",
            visit=visit,
            here="retention",
            verdicts=[
                {
                    "name": each.item.name,
                    "kind": each.item.kind,
                    "since": moment(each.since, self._zone),
                    "rule": each.rule,
                    "fate": FATES[each.fate],
                    "held": each.fate is not Fate.ERASE,
                    "holds": [
                        hold.reference for hold in each.holds if hold.reference not in hidden
                    ],
                }
                for each in verdicts[:_MOST]
            ],
            number=len(verdicts),
            problem=found.problem,
            holds=[
                {
                    "it": each,
                    "review": until_words(each.review_at, self._zone),
                    "overdue": each.review_is_overdue(visit.now),
                }
                for each in holds
                if everything or each.in_force
            ],
            everything=everything,
            lifted=sum(not each.in_force for each in holds),
            may_place=visit.may_open("hold"),
            erased=len(found.certificates),
        )

    async def certificates(self, request: web.Request, visit: Visit) -> web.Response:
        """What was erased: the newest first."""
        del request
        found = await self._services.threads.run(self._certificates().all)
        return self._services.answers.show(
            "psd-certificates.html",
            visit=visit,
            here="retention",
            rows=[
                {"it": each, "at": moment(each.at, self._zone)} for each in found[: -_MOST - 1 : -1]
            ],
            number=len(found),
        )

    async def ask(self, request: web.Request, visit: Visit) -> web.Response:
        """The empty form of a hold."""
        del request
        typed = {"unknown_too": ["yes"], "owner": [visit.someone.name]}
        return self._form(visit, Form(typed))

    async def take(self, request: web.Request, visit: Visit) -> web.Response:
        """The form was sent."""
        form = await Form.posted(request)
        wanted = self._wanted(form)
        if wanted is None:
            return self._form(visit, form, status=400)
        try:
            made = await self._services.threads.run(
                lambda: self._services.holds().place(visit.actor, wanted)
            )
        except StepRefusedError as problem:
            # Nothing is held by it: the form comes back with what was typed.
            form.wrong(FIELDS.get(problem.rule, ""), str(problem))
            return self._form(visit, form, status=400)
        where = f"/psd/retention/{made.reference}?done=request"
        if not may_see(visit.someone.name, made):
            where = "/psd/retention"
        return web.Response(status=303, headers={hdrs.LOCATION: where})

    # --- inside -----------------------------------------------------------------------------

    def _certificates(self) -> Certificates:
        return Certificates(self._services.store, clock=self._services.now)

    def _read(self, now: datetime) -> Overview:
        services, settings = self._services, self._services.settings
        register, certificates = services.holds(), self._certificates().all()
        decided = pending(Collateral(services.store).all(), certificates)
        schedule = Schedule.of(settings.retention, self._zone)
        details = Details(services.store, schedule, clock=services.now).inventory()
        try:
            inventory = (*segments(Seals(settings.paths.sealed_dir)), *decided, *details)
        except InventoryError as problem:
            # Nothing is called due: what there is is not known.
            return Overview((), register.all(), certificates, str(problem))
        verdicts = due(now, schedule, register.in_force(), inventory)
        return Overview(verdicts, register.all(), certificates, None)

    def _wanted(self, form: Form) -> WantedHold | None:
        persons = form.text("persons").replace(",", " ").split()
        since = until = None
        if form.text("since").strip():
            since = form.begin("since", self._zone, "The first day")
        if form.text("until").strip():
            until = form.end("until", self._zone, "The last day")
        for name, words in (("case", "the reference of the case"), ("owner", "who answers for it"),
                            ("why", "why")):  # fmt: skip
            if not form.text(name).strip():
                form.wrong(name, f"Enter {words}")
        review = form.begin("review", self._zone, "The day of the review")
        if form.problems or review is None:
            return None
        return WantedHold(
            scope=Scope(
                frozenset(persons) or None,
                since,
                until,
                form.text("authorisation").strip() or None,
                form.ticked("unknown_too"),
            ),
            case_reference=form.text("case"),
            owner=form.text("owner"),
            why=form.text("why"),
            review_at=review,
        )

    def _form(self, visit: Visit, form: Form, *, status: int = 200) -> web.Response:
        return self._services.answers.show(
            "psd-hold-new.html",
            status=status,
            visit=visit,
            here="retention",
            form=form,
            problems=form.problems,
            latest=until_words(months_later(visit.now, 12, self._zone), self._zone),
        )
