"""Making an evidence pack of a search, and handing it out.

In: a visit, the address of a search, why. Out: a page; a zip.
Must never: hand a pack to somebody who may not look by its authorisation any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import hdrs, web

from proxy_addons.audit.desk.calls import FetchPack, MakePack
from proxy_addons.audit.desk.wire import Refused
from proxy_addons.portal.access import PAGES
from proxy_addons.portal.psd.asked import asked
from proxy_addons.portal.psd.exported import sent
from proxy_addons.portal.register.forms import Form

if TYPE_CHECKING:
    from proxy_addons.audit.desk.calls import Made
    from proxy_addons.portal.psd.asked import Asked
    from proxy_addons.portal.psd.asking import Asking
    from proxy_addons.portal.signin.guard import Guard, Handler, Visit, VisitHandler

_PATH: Final = "/psd/pack"
_NAME: Final = "{au:[A-Za-z0-9-]{1,32}}/{name:[a-z0-9.-]{1,80}}"


class Packs:
    """The handlers."""

    def __init__(self, asking: Asking, guard: Guard) -> None:
        self._asking = asking
        self._guard = guard
        self._zone = asking.services.settings.policy.time_zone

    def routes(self) -> list[web.RouteDef]:
        """What is served, and by which handler."""

        def page(handler: VisitHandler) -> Handler:
            return self._guard.page(PAGES["search"], self._asking.caught(handler))

        return [
            web.get(_PATH, page(self.ask)),
            web.post(_PATH, page(self.make)),
            web.get(f"/psd/packs/{_NAME}", page(self.fetch)),
        ]

    async def ask(self, request: web.Request, visit: Visit) -> web.Response:
        """The form."""
        return self._show(visit, asked(request.query, self._zone), Form({}))

    async def make(self, request: web.Request, visit: Visit) -> web.Response:
        """The pack is made; the page says what it proves, and where it is."""
        form = await Form.posted(request)
        wanted = asked({name: form.text(name) for name in form.fields}, self._zone)
        for name, words in wanted.problems:
            form.wrong(name, words)
        if not wanted.authorisation:
            form.wrong("", "The search names no authorisation: begin with a search")
        if len(form.text("note").strip()) < 10:
            form.wrong("note", "Say what it is for, in at least 10 characters")
        if form.problems:
            return self._show(visit, wanted, form, status=400)
        try:
            made = await self._asking.ask(
                visit,
                MakePack(
                    authorisation=wanted.authorisation,
                    question=wanted.question,
                    note=form.text("note").strip(),
                ),
            )
        except Refused as problem:
            if problem.kind != "refused":
                raise
            # No pack was made: the form comes back, and says what would help.
            form.wrong("", problem.text)
            return self._show(visit, wanted, form, status=403)
        return self._show(visit, wanted, form, made)

    async def fetch(self, request: web.Request, visit: Visit) -> web.StreamResponse:
        """The zip."""
        reference, name = request.match_info["au"].upper(), request.match_info["name"]
        made = await self._asking.ask(visit, FetchPack(authorisation=reference, name=name))
        file = self._asking.services.settings.paths.packs_dir / made.name
        headers: dict[str, str] = {
            hdrs.CONTENT_TYPE: "application/zip",
            hdrs.CACHE_CONTROL: "no-store",
            hdrs.CONTENT_DISPOSITION: f'attachment; filename="{made.name}"',
        }
        return await sent(request, file, headers)

    def _show(
        self, visit: Visit, wanted: Asked, form: Form, made: Made | None = None, status: int = 200
    ) -> web.Response:
        return self._asking.services.answers.show(
            "psd-pack.html",
            status=status,
            visit=visit,
            here="search",
            wanted=wanted,
            form=form,
            problems=form.problems,
            made=made,
            back=wanted.address(),
        )
