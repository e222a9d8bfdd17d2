"""The pages of an entry with steps: the entry, the form of a step, the step that was sent.

In: a visit, a reference, what was typed. Out: pages; steps in a register.
Must never: take a step itself (the registers of standing/ do, with their rules); take one that
another person's access hangs on without a fresh proof of who takes it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Protocol

from aiohttp import hdrs, web

from proxy_addons.portal.access import PAGES
from proxy_addons.portal.register.forms import Form
from proxy_addons.portal.register.taking import Taken
from proxy_addons.portal.signin import onward
from proxy_addons.standing.problems import StaleViewError, StepRefusedError, UnknownReferenceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from proxy_addons.portal.register.steps import Kind
    from proxy_addons.portal.signin.guard import Guard, Visit
    from proxy_addons.portal.signin.services import Services


class Entry(Protocol):
    """What has steps."""

    @property
    def reference(self) -> str:
        """Its name in addresses."""


class SteppedPages[T: Entry](ABC):
    """The handlers, for an exemption or a review.

    Args:
        services: registers and drafts.
        guard: who may see which page.
    """

    PAGE: ClassVar[str]
    """Its name in access.PAGES."""
    PATH: ClassVar[str]
    """What its addresses begin with."""
    REFERENCE: ClassVar[str]
    """The part of its addresses that is the reference."""
    KINDS: ClassVar[Mapping[str, Kind]]
    """The steps, by name."""
    REQUESTED: ClassVar[str]
    """What is said when it has just been asked for."""

    def __init__(self, services: Services, guard: Guard) -> None:
        self._services = services
        self._guard = guard
        self._zone = services.settings.policy.time_zone

    def routes(self) -> list[web.RouteDef]:
        """What is served, and by which handler."""
        page, which = self._guard.page, PAGES[self.PAGE]
        step = f"{self.PATH}/{self.REFERENCE}/{{step:{'|'.join(self.KINDS)}}}"
        return [
            web.get(f"{self.PATH}/{self.REFERENCE}", page(which, self.show)),
            web.get(step, page(which, self.ask)),
            web.post(step, page(which, self.take)),
        ]

    async def show(self, request: web.Request, visit: Visit) -> web.Response:
        """The page of an entry."""
        try:
            found = await self._found(visit, request.match_info["reference"])
        except UnknownReferenceError:
            return self._none(visit)
        done = request.query.get("done", "")
        said = {"request": self.REQUESTED, **{name: kind.done for name, kind in self.KINDS.items()}}
        return await self._show(visit, found, done=said.get(done))

    async def ask(self, request: web.Request, visit: Visit) -> web.Response:
        """The form of a step."""
        kind = self.KINDS[request.match_info["step"]]
        try:
            found = await self._found(visit, request.match_info["reference"])
        except UnknownReferenceError:
            return self._none(visit)
        problem = self._refusal(kind.name, visit, found)
        if problem is not None:
            return await self._show(visit, found, problem=str(problem), status=403)
        if kind.proven and not visit.has_just_proven:
            raise web.HTTPSeeOther(onward.with_next("/confirm", request.path))
        typed = self._services.drafts.take(visit.someone.name, request.path)
        return await self._step(visit, found, kind, Form(typed or self._filled_in(found)))

    async def take(self, request: web.Request, visit: Visit) -> web.Response:
        """A step was sent."""
        kind = self.KINDS[request.match_info["step"]]
        form = await Form.posted(request)
        try:
            found = await self._found(visit, request.match_info["reference"])
        except UnknownReferenceError:
            return self._none(visit)
        if kind.proven and not visit.has_just_proven:
            self._services.drafts.keep(visit.someone.name, request.path, form.fields)
            where = onward.with_next("/confirm", request.path)
            return web.Response(status=303, headers={hdrs.LOCATION: where})
        seen = form.text("seen")
        # A view that cannot be told is none that was looked at.
        revision = int(seen) if seen.isdecimal() and len(seen) < 10 else -1
        wanted = self._call(
            kind.name, Taken(visit.actor, found.reference, revision, form, self._zone)
        )
        if wanted is None:
            return await self._step(visit, found, kind, form, status=400)
        try:
            await self._services.threads.run(wanted)
        except StaleViewError as problem:
            # Nothing was changed: what is shown now is what to decide on.
            now = await self._found(visit, found.reference)
            return await self._show(visit, now, problem=str(problem), status=409)
        except StepRefusedError as problem:
            # Nothing was changed: the form comes back with what was typed, unless the step itself
            # is not theirs to take, or no longer.
            field = self._field(kind.name, visit, found, problem)
            if field is None:
                return await self._show(visit, found, problem=str(problem), status=403)
            form.wrong(field, str(problem))
            return await self._step(visit, found, kind, form, status=400)
        return web.Response(status=303, headers={hdrs.LOCATION: self._after(found, kind)})

    # --- what differs -----------------------------------------------------------------------------

    @abstractmethod
    async def _found(self, visit: Visit, reference: str) -> T:
        """The entry; `UnknownReferenceError` where there is none that the visitor may see."""

    @abstractmethod
    def _refusal(self, name: str, visit: Visit, found: T) -> StepRefusedError | None:
        """Why the visitor may not take a step now; None if they may."""

    @abstractmethod
    def _call(self, name: str, taken: Taken) -> Callable[[], object] | None:
        """The register's step, which blocks; None, noted in the form, where it is not filled in."""

    @abstractmethod
    def _field(self, name: str, visit: Visit, found: T, problem: StepRefusedError) -> str | None:
        """The field that a refusal speaks of ("": the whole form); None: no form would help."""

    @abstractmethod
    async def _show(
        self,
        visit: Visit,
        found: T,
        *,
        done: str | None = None,
        problem: str | None = None,
        status: int = 200,
    ) -> web.Response:
        """The entry's page."""

    @abstractmethod
    async def _step(
        self, visit: Visit, found: T, kind: Kind, form: Form, *, status: int = 200
    ) -> web.Response:
        """The page of a step's form."""

    @abstractmethod
    def _none(self, visit: Visit) -> web.Response:
        """There is no such entry, or it is not theirs to see."""

    def _after(self, found: T, kind: Kind) -> str:
        """Where a step that was taken leads."""
        return f"{self.PATH}/{found.reference}?done={kind.name}"

    def _filled_in(self, found: T) -> dict[str, list[str]]:
        """What a form says before anything was typed."""
        del found
        return {}
