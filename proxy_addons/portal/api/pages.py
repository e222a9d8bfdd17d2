"""One's own tokens: the list, making one, revoking one.

In: a visit, what was typed. Out: pages; a token's text, once.
Must never: show a token again, or somebody else's; make one without a fresh proof of who asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from aiohttp import hdrs, web

from proxy_addons.audit.authority.compiled import looks_by
from proxy_addons.portal.access import PAGES
from proxy_addons.portal.api.tokens import LONGEST, networks_of
from proxy_addons.portal.register.forms import Form
from proxy_addons.portal.register.shown import moment_words
from proxy_addons.portal.signin import onward
from proxy_addons.portal.signin.roles import AUDITOR, PSD, WORDS
from proxy_addons.standing.problems import StepRefusedError, UnknownReferenceError

if TYPE_CHECKING:
    from datetime import datetime

    from proxy_addons.audit.authority.model import Authorisation
    from proxy_addons.portal.api.tokens import Network, Token, Tokens
    from proxy_addons.portal.signin.guard import Guard, Visit
    from proxy_addons.portal.signin.services import Services

PATH: Final = "/psd/tokens"
_USUAL: Final = timedelta(days=30)
_OWN_FIELDS: Final = frozenset({"label", "ends", "networks"})


@dataclass(frozen=True, slots=True)
class Row:
    """One token, for the page.

    Attributes:
        it: the token.
        right: role and authorisation, in words.
        ends: in words.
        used: in words.
        words: whether it holds.
        look: class of that.
        holds: the same.
    """

    it: Token
    right: str
    ends: str
    used: str
    words: str
    look: str
    holds: bool


class TokenPages:
    """The handlers."""

    def __init__(self, services: Services, guard: Guard, tokens: Tokens) -> None:
        self._services = services
        self._guard = guard
        self._tokens = tokens
        self._zone = services.settings.policy.time_zone

    def routes(self) -> list[web.RouteDef]:
        """What is served, and by which handler."""
        page, which = self._guard.page, PAGES["tokens"]
        return [
            web.get(PATH, page(which, self.show)),
            web.get(f"{PATH}/new", page(which, self.ask)),
            web.post(f"{PATH}/new", page(which, self.make)),
            web.post(f"{PATH}/revoke", page(which, self.revoke)),
        ]

    async def show(self, request: web.Request, visit: Visit) -> web.Response:
        """The list."""
        done = "The token is revoked." if request.query.get("done") == "revoked" else None
        return await self._listed(visit, done=done)

    async def ask(self, request: web.Request, visit: Visit) -> web.Response:
        """The form."""
        if not visit.has_just_proven:
            raise web.HTTPSeeOther(onward.with_next("/confirm", request.path))
        typed = self._services.drafts.take(visit.someone.name, request.path)
        held = (await self._rights(visit)).values()
        until = [each.valid_until for each in held if each is not None]
        usual = min([visit.now + _USUAL, *until]).astimezone(self._zone).date()
        return await self._form(visit, Form(typed or {"ends": [usual.isoformat()]}))

    async def make(self, request: web.Request, visit: Visit) -> web.Response:
        """The form was sent."""
        form = await Form.posted(request)
        if not visit.has_just_proven:
            self._services.drafts.keep(visit.someone.name, request.path, form.fields)
            where = onward.with_next("/confirm", request.path)
            return web.Response(status=303, headers={hdrs.LOCATION: where})
        rights = await self._rights(visit)
        chosen = form.text("right")
        authorisation = rights.get(chosen)
        if chosen not in rights:
            form.wrong("right", "Choose what the token is for")
        ends = self._ends(form, authorisation, visit.now)
        networks = _networks(form)
        if form.problems or ends is None:
            return await self._form(visit, form, status=400)
        services = self._services
        try:
            text, made = await services.threads.run(
                self._tokens.make,
                visit.actor,
                AUDITOR if authorisation is None else PSD,
                label=form.text("label"),
                ends=ends,
                authorisation=None if authorisation is None else authorisation.reference,
                networks=networks,
                register=services.authorisations(),
            )
        except StepRefusedError as problem:
            # There is no token: the form comes back with what was typed.
            form.wrong(problem.rule if problem.rule in _OWN_FIELDS else "right", str(problem))
            return await self._form(visit, form, status=400)
        return await self._listed(visit, text=text, made=made)

    async def revoke(self, request: web.Request, visit: Visit) -> web.Response:
        """A token of one's own is to end."""
        form = await Form.posted(request)
        try:
            await self._services.threads.run(
                self._tokens.revoke, visit.someone.name, form.text("reference")[:32]
            )
        except UnknownReferenceError:
            # None of theirs: the list says which are.
            raise web.HTTPNotFound from None
        return web.Response(status=303, headers={hdrs.LOCATION: f"{PATH}?done=revoked"})

    # --- inside -----------------------------------------------------------------------------

    async def _rights(self, visit: Visit) -> dict[str, Authorisation | None]:
        """What one can make a token for now: an authorisation, or None: an auditor's."""
        services, actor = self._services, visit.actor

        def read() -> dict[str, Authorisation | None]:
            found: dict[str, Authorisation | None] = {
                each.reference: each
                for each in services.authorisations().all(actor)
                if looks_by(actor, each) and each.holds(visit.now)
            }
            return found | ({AUDITOR: None} if AUDITOR in actor.roles else {})

        return await services.threads.run(read)

    def _ends(
        self, form: Form, authorisation: Authorisation | None, now: datetime
    ) -> datetime | None:
        """The end of the last day; on the day on which it has to end, that moment."""
        ends = form.end("ends", self._zone, "The last day")
        begins = form.begin("ends", self._zone, "The last day") if ends is not None else None
        if ends is None or begins is None:
            return None
        latest, why = now + LONGEST, f"A token holds for {LONGEST.days} days at most"
        if authorisation is not None and authorisation.valid_until < latest:
            latest = authorisation.valid_until
            why = f"{authorisation.reference} ends {moment_words(latest, self._zone)}"
        if ends <= now:
            form.wrong("ends", "The last day is over already")
        elif begins >= latest:
            form.wrong("ends", why)
        return min(ends, latest)

    async def _form(self, visit: Visit, form: Form, *, status: int = 200) -> web.Response:
        rights = await self._rights(visit)
        return self._services.answers.show(
            "psd-token.html",
            status=status,
            visit=visit,
            here="tokens",
            form=form,
            problems=form.problems,
            rights=[
                (name, _right(each.reference if each is not None else None))
                for name, each in rights.items()
            ],
        )

    async def _listed(
        self,
        visit: Visit,
        *,
        done: str | None = None,
        text: str | None = None,
        made: Token | None = None,
    ) -> web.Response:
        found = await self._services.threads.run(self._tokens.of, visit.someone.name)
        return self._services.answers.show(
            "psd-tokens.html",
            visit=visit,
            here="tokens",
            rows=[self._row(each, visit.now) for each in found],
            done=done,
            text=text,
            made=None if made is None else self._row(made, visit.now),
        )

    def _row(self, token: Token, now: datetime) -> Row:
        holds = token.holds(now)
        words = "Holds" if holds else "Revoked" if token.revoked_at is not None else "Ended"
        used: Any = token.used_at
        return Row(
            token,
            _right(token.authorisation),
            moment_words(token.ends, self._zone),
            moment_words(used, self._zone) if used is not None else "Not yet",
            words,
            "good" if holds else "",
            holds,
        )


def _right(authorisation: str | None) -> str:
    if authorisation is None:
        return f"{WORDS[AUDITOR]}: who looked"
    return f"{WORDS[PSD]}: records by {authorisation}"


def _networks(form: Form) -> tuple[Network, ...]:
    try:
        return networks_of(form.text("networks"))
    except ValueError as problem:
        # Said below the field; no token is made.
        form.wrong("networks", str(problem))
        return ()
