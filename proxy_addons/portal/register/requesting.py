"""The form that asks for an exemption.

In: a visit; what was typed. Out: a request in the register, or the form with what is wrong with it.
Must never: decide what a request must hold: rules.py does, and the form says it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import hdrs, web

from proxy_addons.policy.people import canonical_name
from proxy_addons.portal.access import PAGES
from proxy_addons.portal.register.forms import Form
from proxy_addons.portal.register.shown import until_words
from proxy_addons.standing import rules
from proxy_addons.standing.dates import months_later
from proxy_addons.standing.exemption import Exemption, Wanted
from proxy_addons.standing.problems import StepRefusedError

if TYPE_CHECKING:
    from proxy_addons.portal.signin.guard import Guard, Visit
    from proxy_addons.portal.signin.services import Services

# Which field a rule of the register speaks of.
FIELDS: Final = {
    "name": "person",
    "reason": "why",
    "length": "why",
    "text": "why",
    "what": "scope",
    "category": "scope",
    "period": "ends",
    "extension": "ends",
    "review": "review",
    "escalation": "escalated_to",
}


class Requesting:
    """The handlers."""

    def __init__(self, services: Services, guard: Guard) -> None:
        self._services = services
        self._guard = guard
        self._zone = services.settings.policy.time_zone

    def routes(self) -> list[web.RouteDef]:
        """What is served, and by which handler."""
        page = self._guard.page
        return [
            web.get("/exemptions/new", page(PAGES["request"], self.ask)),
            web.post("/exemptions/new", page(PAGES["request"], self.take)),
        ]

    async def ask(self, request: web.Request, visit: Visit) -> web.Response:
        """The empty form."""
        today = visit.now.astimezone(self._zone).date()
        # Who has people of their own mostly asks for one of them.
        own = "" if visit.someone.team else visit.someone.name
        for_whom = request.query.get("person", own)
        begins = today.isoformat()
        return await self._show(visit, Form({"person": [for_whom], "begins": [begins]}))

    async def take(self, request: web.Request, visit: Visit) -> web.Response:
        """The form was sent."""
        form = await Form.posted(request)
        wanted = await self._wanted(form)
        if wanted is None:
            return await self._show(visit, form, status=400)

        def write(wanted: Wanted = wanted) -> Exemption:
            return self._services.register().request(visit.actor, wanted)

        try:
            made = await self._services.threads.run(write)
        except StepRefusedError as problem:
            # Nothing was changed: the form comes back with what was typed.
            form.wrong(FIELDS.get(problem.rule, ""), str(problem))
            return await self._show(visit, form, status=400)
        where = f"/exemptions/{made.reference}?done=request"
        return web.Response(status=303, headers={hdrs.LOCATION: where})

    # --- inside -----------------------------------------------------------------------------

    async def _wanted(self, form: Form) -> Wanted | None:
        await self._check_person(form)
        scope = form.text("scope")
        if scope not in {"everything", "categories"}:
            form.wrong("scope", "Say what it is for: everything, or categories by name")
        threats = set(self._services.settings.policy.by_name_only)
        named = set(form.all("threat")) & threats
        if scope == "categories":
            named |= set(form.all("category"))
            typed = form.text("other_categories").replace(",", " ").split()
            named |= {each.casefold() for each in typed}
        if not form.text("why").strip():
            form.wrong("why", "Enter what it is needed for")
        begins = form.begin("begins", self._zone, "The first day")
        ends = form.end("ends", self._zone, "The last day")
        review = None
        if form.text("review").strip():
            review = form.begin("review", self._zone, "The day of the review")
        if form.problems or begins is None or ends is None:
            return None
        return Wanted(
            person=form.text("person"),
            why=form.text("why"),
            begins=begins,
            ends=ends,
            everything=scope == "everything",
            categories=frozenset(named),
            force_reference=form.text("force_reference") or None,
            significant=form.ticked("significant"),
            review_at=review,
        )

    async def _check_person(self, form: Form) -> None:
        """A slip of the pen in a name would be an exemption for nobody, which nobody notices."""
        typed = form.text("person")
        if not typed.strip():
            form.wrong("person", "Enter for whom it is")
            return
        try:
            name = canonical_name(typed)
        except ValueError as problem:
            # Said below the field.
            form.wrong("person", f"This is no login name: {problem}")
            return
        people = self._services.people
        if not await people.exists(name):
            form.wrong("person", "The directory knows nobody of this login name")

    async def _show(self, visit: Visit, form: Form, *, status: int = 200) -> web.Response:
        catalogue = await self._services.threads.run(self._services.catalogue.read)
        threats = sorted(self._services.settings.policy.by_name_only)
        known = catalogue or {}
        latest = until_words(months_later(visit.now, rules.MONTHS, self._zone), self._zone)
        return self._services.answers.show(
            "request.html",
            status=status,
            visit=visit,
            here="exemptions",
            form=form,
            problems=form.problems,
            team=visit.someone.team,
            categories=[(name, words) for name, words in known.items() if name not in threats],
            threats=[
                (name, known.get(name, ""))
                for name in threats
                if catalogue is None or name in known
            ],
            has_catalogue=catalogue is not None,
            latest=latest,
        )
