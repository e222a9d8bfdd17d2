"""The page of the form of application (Inf/27 4.2.5: "formal application").

In: a visit; what was typed. Out: an application in the register, or the form with what is wrong.
Must never: apply in anybody else's name; name somebody whom the directory does not know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import hdrs, web

from proxy_addons.accesslog.record import FIELDS
from proxy_addons.audit.authority import rules
from proxy_addons.audit.authority.applying import longest
from proxy_addons.audit.authority.colleagues import unit_of
from proxy_addons.audit.authority.model import Kind, Regime, SubjectClass
from proxy_addons.identity.entries import DirectorySettingsError, DirectoryUnavailableError
from proxy_addons.identity.everybody import everybody
from proxy_addons.portal.access import PAGES
from proxy_addons.portal.psd.authority.form import (
    LABELS,
    ORDER,
    PREFILLED,
    RULES,
    TEXTS,
    names_in,
    wanted,
)
from proxy_addons.portal.psd.authority.shown import CLASSES, KINDS, PURPOSES, REGIMES
from proxy_addons.portal.register.forms import Form
from proxy_addons.portal.register.reading import Reading
from proxy_addons.standing.problems import StepRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from proxy_addons.audit.authority.colleagues import Unit
    from proxy_addons.audit.authority.model import Authorisation, Wanted
    from proxy_addons.portal.signin.guard import Guard, Visit
    from proxy_addons.portal.signin.services import Services

_LONGEST: Final = 4000  # characters that an address fills a field with
_MOST_NAMES: Final = 200
_NO_DIRECTORY: Final = (
    "The directory does not say just now who is in the unit. Try again in a minute, or leave the"
    " comparison out."
)
_UNKNOWN: Final = "The directory knows nobody of this login name: "


class Applying:
    """The handlers."""

    def __init__(self, services: Services, guard: Guard) -> None:
        self._services = services
        self._guard = guard
        self._zone = services.settings.policy.time_zone
        self._directory = Reading(services)

    def routes(self) -> list[web.RouteDef]:
        """What is served, and by which handler."""
        page = self._guard.page
        return [
            web.get("/psd/authorisations/new", page(PAGES["authorisations"], self.ask)),
            web.post("/psd/authorisations/new", page(PAGES["authorisations"], self.take)),
        ]

    async def ask(self, request: web.Request, visit: Visit) -> web.Response:
        """The form, empty but for what the address says."""
        if (refused := self._refused(visit)) is not None:
            return refused
        filled = {
            name: [request.query[name][:_LONGEST]] for name in PREFILLED if name in request.query
        }
        given = {
            "regime": [str(Regime.MONITORING)],
            "names_shown": ["names"],
            "row_cap": ["10000"],
            "valid_from": [visit.now.astimezone(self._zone).date().isoformat()],
        }
        return await self._show(visit, Form(given | filled))

    async def take(self, request: web.Request, visit: Visit) -> web.Response:
        """The form was sent."""
        if (refused := self._refused(visit)) is not None:
            return refused
        form = await Form.posted(request)
        known = await self._known(form)
        asked = wanted(form, known, visit.now, self._zone)
        if asked is None:
            return await self._show(visit, form, status=400)

        def write(asked: Wanted = asked) -> Authorisation:
            return self._services.authorisations().apply(
                visit.actor, asked, known=known, unit=self._unit(asked)
            )

        try:
            made = await self._services.threads.run(write)
        except (DirectorySettingsError, DirectoryUnavailableError):
            # As below: a unit of which some are missing is none.
            form.wrong("comparison", _NO_DIRECTORY)
            return await self._show(visit, form, status=400)
        except StepRefusedError as problem:
            # Nothing was applied for: the form comes back with what was typed.
            form.wrong(RULES.get(problem.rule, ""), str(problem))
            return await self._show(visit, form, status=400)
        where = f"/psd/authorisations/{made.reference}?done=request"
        return web.Response(status=303, headers={hdrs.LOCATION: where})

    # --- inside -----------------------------------------------------------------------------

    def _refused(self, visit: Visit) -> web.Response | None:
        try:
            rules.by_professional_standards(visit.actor, "apply to look at the access log")
        except StepRefusedError as problem:
            # Nothing was asked or changed.
            return self._services.answers.show(
                "problem.html",
                status=403,
                visit=visit,
                title="You cannot open this page",
                text=str(problem),
            )
        return None

    def _unit(self, asked: Wanted) -> Unit | None:
        """The unit of the one subject, where a comparison with it is asked for. Blocks."""
        directory = self._services.settings.directory
        if not asked.comparison or len(asked.subjects) != 1 or not directory.servers:
            return None
        (subject,) = asked.subjects
        return unit_of(subject, everybody(directory))

    async def _known(self, form: Form) -> Mapping[str, SubjectClass]:
        """Notes names that nobody has; the classes that the directory says.

        A slip of the pen would be an authority to look at nobody, or at somebody else.
        """
        subjects, investigators = names_in(form)
        if len(subjects) + len(investigators) > _MOST_NAMES:
            return {}  # too many by the register's rules, which say so
        for field, names in (("subjects", subjects), ("investigators", investigators)):
            unknown = await self._unknown(names)
            if unknown:
                form.wrong(field, _UNKNOWN + ", ".join(unknown))
        entries = await self._directory.entries(subjects)
        kinds = {name: (entry.kind or "").strip().casefold() for name, entry in entries.items()}
        return {
            name: SubjectClass(kind) for name, kind in kinds.items() if kind in set(SubjectClass)
        }

    async def _unknown(self, names: Iterable[str]) -> list[str]:
        people = self._services.people
        return [name for name in sorted(names) if not await people.exists(name)]

    async def _show(self, visit: Visit, form: Form, *, status: int = 200) -> web.Response:
        audit = self._services.settings.audit
        catalogue = await self._services.threads.run(self._services.catalogue.read)
        return self._services.answers.show(
            "psd-apply.html",
            status=status,
            visit=visit,
            here="authorisations",
            form=form,
            problems=sorted(form.problems, key=lambda each: ORDER.index(each[0])),
            kinds=KINDS,
            classes=CLASSES,
            purposes=PURPOSES,
            regimes=REGIMES,
            record=FIELDS,
            special=audit.special,
            categories=catalogue,
            texts=TEXTS,
            labels=LABELS,
            audit=audit,
            days=longest(Kind.REACTIVE, audit).days,
            days_live=longest(Kind.LIVE, audit).days,
        )
