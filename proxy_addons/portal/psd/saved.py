"""Saved searches: kept, listed, renamed, taken away; each person sees their own alone.

In: a visit, a form. Out: pages; rows of the register (audit/savedsearches.py).
Must never: keep a search that its address would not be taken for; ask one here: a link leads to the
search page, where each opening is a look.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode

from aiohttp import hdrs, web

from proxy_addons.audit.savedsearches import LONGEST, MOST
from proxy_addons.portal.access import PAGES
from proxy_addons.portal.psd.asked import asked
from proxy_addons.portal.register.forms import Form
from proxy_addons.portal.register.shown import moment_words
from proxy_addons.standing.problems import StepRefusedError, UnknownReferenceError
from proxy_addons.standing.tables_searches import SEARCH_NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.audit.savedsearches import Saved, SavedSearches
    from proxy_addons.portal.psd.asked import Asked
    from proxy_addons.portal.signin.guard import Guard, Visit
    from proxy_addons.portal.signin.services import Services

PATH: Final = "/psd/searches"
_DONE: Final = {
    "saved": "The search is saved.",
    "renamed": "It has its new name.",
    "deleted": "The saved search is deleted. What was looked at by it stays recorded.",
}
_LABELS: Final = {
    "since": "from",
    "until": "until",
    "person": "person",
    "host": "site",
    "text": "in the address",
    "category": "category",
    "action": "decided",
    "client": "computer",
    "rule": "rule",
    "file_type": "kind of file",
    "order": "order",
}


class SavedPages:
    """The handlers."""

    def __init__(self, services: Services, guard: Guard) -> None:
        self._services = services
        self._guard = guard
        self._zone = services.settings.policy.time_zone

    def routes(self) -> list[web.RouteDef]:
        """What is served, and by which handler."""
        page, which = self._guard.page, PAGES["search"]
        one = f"{PATH}/{{number:[0-9]{{1,9}}}}"
        return [
            web.get(PATH, page(which, self.show)),
            web.post(PATH, page(which, self.save)),
            web.get(one, page(which, self.ask)),
            web.post(one, page(which, self.change)),
        ]

    async def show(self, request: web.Request, visit: Visit) -> web.Response:
        """All of one's own."""
        found = await self._run(lambda register: register.of(visit.actor))
        return self._services.answers.show(
            "psd-saved.html",
            visit=visit,
            here="search",
            rows=[self._row(each) for each in found],
            done=_DONE.get(request.query.get("done", "")),
            most=MOST,
        )

    async def save(self, request: web.Request, visit: Visit) -> web.Response:
        """The form of the search page was sent."""
        form = await Form.posted(request)
        wanted = self._read(form.text("search"))
        if wanted is None:
            return self._problem(
                visit, 400, "This search cannot be saved",
                "It is none that the search page would take. Ask it there first.",
            )  # fmt: skip
        try:
            await self._run(
                lambda register: register.save(
                    visit.actor, wanted.authorisation, form.text("name"), query_of(wanted)
                )
            )
        except UnknownReferenceError:
            return self._problem(
                visit, 403, "This search cannot be saved",
                "You have no authorisation of this reference by which you may search now.",
            )  # fmt: skip
        except StepRefusedError as problem:
            # Nothing was kept: the form comes back with what was typed.
            form.wrong("name", str(problem))
            return self._form(visit, form, wanted, None)
        return web.Response(status=303, headers={hdrs.LOCATION: f"{PATH}?done=saved"})

    async def ask(self, request: web.Request, visit: Visit) -> web.Response:
        """One: its name can be changed, and it can be deleted."""
        try:
            found = await self._found(request, visit)
        except UnknownReferenceError:
            return self._none(visit)
        return self._form(visit, Form({"name": [found.name]}), self._wanted(found), found)

    async def change(self, request: web.Request, visit: Visit) -> web.Response:
        """It is renamed, or deleted."""
        form = await Form.posted(request)
        try:
            found = await self._found(request, visit)
            if form.text("do") == "delete":
                await self._run(lambda register: register.delete(visit.actor, found.id))
                done = "deleted"
            else:
                name = form.text("name")
                await self._run(lambda register: register.rename(visit.actor, found.id, name))
                done = "renamed"
        except UnknownReferenceError:
            # Gone, somebody else's, or of an authorisation that has ended: nobody is told which.
            return self._none(visit)
        except StepRefusedError as problem:
            # Nothing was changed: the form comes back with what was typed.
            form.wrong("name", str(problem))
            return self._form(visit, form, self._wanted(found), found)
        return web.Response(status=303, headers={hdrs.LOCATION: f"{PATH}?done={done}"})

    # --- inside -----------------------------------------------------------------------------

    async def _run[T](self, work: Callable[[SavedSearches], T]) -> T:
        return await self._services.threads.run(lambda: work(self._services.saved_searches()))

    async def _found(self, request: web.Request, visit: Visit) -> Saved:
        number = int(request.match_info["number"])
        return await self._run(lambda register: register.get(visit.actor, number))

    def _read(self, text: str) -> Asked | None:
        """A search as its address has it; None where the search page would refuse it."""
        if len(text) > LONGEST:
            return None
        wanted = asked(dict(parse_qsl(text)), self._zone)
        return wanted if wanted.authorisation and not wanted.problems else None

    def _wanted(self, found: Saved) -> Asked:
        query = dict(parse_qsl(found.query)) | {"au": found.authorisation}
        return asked(query, self._zone)

    def _row(self, found: Saved) -> dict[str, object]:
        wanted = self._wanted(found)
        return {
            "it": found,
            "opens": wanted.address(),
            "words": words_of(wanted),
            "saved": moment_words(found.saved_at, self._zone),
        }

    def _form(self, visit: Visit, form: Form, wanted: Asked, found: Saved | None) -> web.Response:
        return self._services.answers.show(
            "psd-saved-step.html",
            status=400 if form.problems else 200,
            visit=visit,
            here="search",
            form=form,
            problems=form.problems,
            wanted=wanted,
            words=words_of(wanted),
            it=found,
            longest=SEARCH_NAME,
        )

    def _none(self, visit: Visit) -> web.Response:
        return self._problem(
            visit, 404, "There is no such saved search",
            "There is none of this number that you can use now. Searches under an authorisation"
            " that has ended are not opened any more.",
        )  # fmt: skip

    def _problem(self, visit: Visit, status: int, title: str, text: str) -> web.Response:
        return self._services.answers.show(
            "problem.html", status=status, visit=visit, here="search", title=title, text=text
        )


def query_of(wanted: Asked) -> str:
    """A search as it is kept: its fields as they were typed, without the authorisation."""
    return urlencode({name: value for name, value in wanted.fields.items() if name != "au"})


def words_of(wanted: Asked) -> str:
    """What a search asks for, in a line."""
    told = [f"{words} {wanted.text(name)}" for name, words in _LABELS.items() if wanted.text(name)]
    return ", ".join(told) or "everything that the authorisation covers"
