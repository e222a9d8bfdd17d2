"""The handlers of the API: each asks the desk in its caller's name, and says what came back.

In: requests. Out: JSON, files, problem details.
Must never: answer without the desk, which bounds and records; answer a cookie; be kept by a cache.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiohttp import HttpVersion11, hdrs, web

from proxy_addons.audit.desk import calls
from proxy_addons.audit.desk.client import DeskClient
from proxy_addons.audit.desk.wire import Refused
from proxy_addons.portal.api import shapes
from proxy_addons.portal.api.document import document
from proxy_addons.portal.api.door import Door
from proxy_addons.portal.api.problems import REFUSALS, ProblemError, answer
from proxy_addons.portal.api.routes import BASE, JSON, ROUTES
from proxy_addons.portal.api.streamed import CutOffError, streamed, while_held
from proxy_addons.portal.psd.exported import FORMS, columns_of, exported
from proxy_addons.standing.problems import StandingUnavailableError

if TYPE_CHECKING:
    from proxy_addons.audit.store import Question
    from proxy_addons.portal.api.door import Caller
    from proxy_addons.portal.api.limits import Limits
    from proxy_addons.portal.api.routes import Route
    from proxy_addons.portal.api.tokens import Tokens
    from proxy_addons.portal.signin.guard import Handler
    from proxy_addons.portal.signin.services import Services

_LOG = logging.getLogger("watchhouse.portal.api")

_LATER: Final = {"Retry-After": "30"}  # seconds
_NOT_NOW: Final = "It cannot be known just now whether the token holds. Try again in a minute."
_FAULT: Final = "The portal's log names it. Nothing was shown."
_OFTEN: Final = (
    "Wait as long as Retry-After says; RateLimit says what is left before it is too late."
)
_BUSY: Final = "Wait until the other export of this token has ended."


@dataclass(frozen=True, slots=True)
class Asked:
    """A call that was let in.

    Attributes:
        request: as it came.
        query: read.
        caller: who; None where the route is open.
        headers: of every answer to it.
    """

    request: web.Request
    query: Any
    caller: Caller | None
    headers: dict[str, str]


class Serving:
    """The handlers.

    Args:
        services: of the portal.
        tokens: of its store.
        limits: how often a token may ask.
    """

    def __init__(self, services: Services, tokens: Tokens, limits: Limits) -> None:
        self._services = services
        self._door = Door(services, tokens)
        self._limits = limits
        self._desk = DeskClient(services.settings.paths.desk_socket)
        self._zone = services.settings.policy.time_zone
        self._exporting: set[str] = set()
        self._document = document()

    def routes(self) -> list[web.RouteDef]:
        """What is served, by the table; and an answer to everything else below its address."""
        return [
            *(
                web.get(BASE + route.path, self._guarded(route), allow_head=False)
                for route in ROUTES
            ),
            web.route("*", "/api", self._none),
            web.route("*", "/api/{rest:.*}", self._none),
        ]

    # --- what every call goes through -------------------------------------------------------------

    def _guarded(self, route: Route) -> Handler:
        handler = getattr(self, route.operation)

        async def guarded(request: web.Request) -> web.StreamResponse:
            headers: dict[str, str] = {}
            try:
                self._door.safe(request)
                caller = await self._door.caller(request) if route.roles else None
                if caller is not None:
                    self._counted(caller, headers)
                query = shapes.read(route.query, request.query)
                found: web.StreamResponse = await handler(Asked(request, query, caller, headers))
            except ProblemError as problem:
                return answer(problem, headers)
            except Refused as problem:
                # Nothing was shown, and the trail says that it was asked.
                more = _LATER if problem.kind == "unavailable" else {}
                return answer(ProblemError(REFUSALS[problem.kind], problem.text, more), headers)
            except StandingUnavailableError as problem:
                _LOG.error("%s", problem)
                return answer(ProblemError("unavailable", _NOT_NOW, _LATER), headers)
            except Exception:  # noqa: BLE001 - the outermost handler
                # A defect of ours: this call is told so, the next one has a new chance. The record
                # names the route, never what the client sent.
                _LOG.exception("%s failed", route.operation)
                return answer(ProblemError("fault", _FAULT), headers)
            return found

        guarded.__name__ = f"api_{route.operation}"
        return guarded

    def _counted(self, caller: Caller, headers: dict[str, str]) -> None:
        grant = self._limits.take(caller.token.reference)
        headers |= self._limits.headers(grant)
        if not grant.granted:
            raise ProblemError("too-often", _OFTEN)

    @staticmethod
    async def _none(request: web.Request) -> web.Response:
        """No route, or another method than GET."""
        if request.path in {BASE + route.path for route in ROUTES}:
            detail, allow = "The API changes nothing: every route is GET.", {"Allow": "GET"}
            return answer(ProblemError("method", detail, allow), {})
        return answer(ProblemError("unknown", f"{BASE}/openapi.json has what there is."), {})

    # --- the routes, by the operation's name ------------------------------------------------------

    async def document(self, asked: Asked) -> web.Response:
        """The document. It holds nothing that is not in docs/api.md, and needs no token."""
        return _answer(self._document, asked)

    async def authorisations(self, asked: Asked) -> web.Response:
        """What the token can be used for. No records: it is no look."""
        caller = asked.caller
        assert caller is not None
        token, found = caller.token, caller.authorisation
        rights = []
        if found is not None:
            rights.append(
                shapes.Right(
                    found.reference,
                    found.kind,
                    found.begins,
                    found.ends,
                    found.valid_until,
                    token.ends,
                )
            )
        return _answer(shapes.Rights(token.reference, token.role, rights), asked)

    async def records(self, asked: Asked) -> web.Response:
        """A page of records."""
        query: shapes.Records = asked.query
        found = await self._searched(asked, most=query.limit, after=query.after)
        page = shapes.Page(
            [columns_of(row) for row in found.page.rows],
            found.page.after or None,
            found.total.records,
            found.page.capped,
            found.masked,
            found.pseudonymous,
            sorted(found.fields),
            found.since,
            found.until,
            list(found.gaps),
        )
        return _answer(page, asked)

    async def counts(self, asked: Asked) -> web.Response:
        """How many, by one dimension."""
        query: shapes.Counts = asked.query
        found = await self._searched(asked, most=0, by=(query.by,))
        (counts,) = found.counts
        told = shapes.CountsFound(
            query.by,
            [_figures(each) for each in counts],
            _figures(found.total),
            found.masked,
            found.pseudonymous,
            found.since,
            found.until,
            list(found.gaps),
        )
        return _answer(told, asked)

    async def export(self, asked: Asked) -> web.StreamResponse:
        """All records as a file."""
        caller, query = asked.caller, asked.query
        assert caller is not None
        if caller.token.reference in self._exporting:
            raise ProblemError("busy", _BUSY)
        self._exporting.add(caller.token.reference)
        try:
            return await self._exported(asked, caller, query)
        finally:
            self._exporting.discard(caller.token.reference)

    async def trail(self, asked: Asked) -> web.Response:
        """Who looked."""
        caller, query = asked.caller, asked.query
        assert caller is not None
        call = calls.ReadTrail(
            person=query.person.strip(),
            authorisation=query.authorisation.strip().upper(),
            event=query.event,
            since=query.since,
            until=query.until,
            after=query.after,
        )
        try:
            found = await self._desk.ask(caller.who, call)
        except Refused as problem:
            # There is one thing that can make no sense to the desk here.
            kind = "unknown" if problem.kind == "wrong" else problem.kind
            raise Refused(kind, problem.text) from problem
        told = shapes.Trail(
            [msgspec.convert(each, shapes.Look, from_attributes=True) for each in found.records],
            found.after or None,
            list(found.problems),
        )
        return _answer(told, asked)

    # --- inside -----------------------------------------------------------------------------------

    def _question(self, query: shapes.Filters) -> Question:
        return shapes.question_of(query, self._zone)

    async def _searched(self, asked: Asked, **more: Any) -> calls.Found:
        caller, query = asked.caller, asked.query
        assert caller is not None
        reference = query.authorisation.strip().upper()
        call = calls.Search(authorisation=reference, question=self._question(query), **more)
        return await self._desk.ask(caller.who_for(reference), call)

    async def _exported(
        self, asked: Asked, caller: Caller, query: shapes.Exported
    ) -> web.StreamResponse:
        reference, form = query.authorisation.strip().upper(), FORMS[query.form]
        call = calls.Export(authorisation=reference, question=self._question(query), form=form.name)

        async def may_go_on() -> bool:
            return await self._door.still(caller)

        rows = while_held(self._desk.stream(caller.who_for(reference), call), may_go_on)
        named = (reference, self._services.now())
        try:
            if form.name == "parquet" or asked.request.version < HttpVersion11:
                # Parquet is no stream, and HTTP/1.0 knows no chunks: as a whole, or not at all.
                return await exported(asked.request, form, rows, *named, headers=asked.headers)
            return await streamed(asked.request, form, rows, named=named, headers=asked.headers)
        except CutOffError:
            raise self._door.nobody(sent=True) from None  # nothing was sent


def _figures(count: Any) -> shapes.Counted:
    return shapes.Counted(count.key, count.records, count.refused, count.octets)


def _answer(found: Any, asked: Asked) -> web.Response:
    body = found if isinstance(found, bytes) else msgspec.json.encode(found)
    headers = {**asked.headers, hdrs.CONTENT_TYPE: JSON, hdrs.CACHE_CONTROL: "no-store"}
    return web.Response(body=body, headers=headers)
