"""Who calls: from a token to its owner, as they are now.

In: a request. Out: a `Caller`, or a problem that is the same for every token that does not hold.
Must never: take a token that came a way on which others read along, or a cookie in its place; let
one outlive its owner's role, their access, or its authorisation; log one.

Nothing of it is kept between calls but the bucket of calls: what is revoked is refused at the next
one. Roles from groups follow the directory within `directory.ttl`, as they do in sessions.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Final

from aiohttp import hdrs

from proxy_addons.audit.authority.compiled import looks_by
from proxy_addons.audit.desk.wire import Who
from proxy_addons.portal.api.problems import ProblemError
from proxy_addons.portal.signin.transport import is_safe
from proxy_addons.standing.actor import Actor

if TYPE_CHECKING:
    from ipaddress import IPv4Address

    from aiohttp import web

    from proxy_addons.audit.authority.model import Authorisation
    from proxy_addons.portal.api.tokens import Token, Tokens
    from proxy_addons.portal.signin.services import Services

_LOG = logging.getLogger("watchhouse.portal.api")

_CHALLENGE: Final = 'Bearer realm="watchhouse"'
_NOT_SECURE: Final = (
    "Ask by https. A token that was sent over plain HTTP may have been read by others: revoke it."
)
_NOBODY: Final = (
    "Send a token that holds, in `Authorization: Bearer`. Tokens are made in the portal, on the"
    " page API tokens."
)
_LONGEST: Final = 100  # characters of a token


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls.

    Attributes:
        token: by which.
        authorisation: the token's, if it holds now; None for an auditor's.
    """

    token: Token
    authorisation: Authorisation | None

    @property
    def who(self) -> Who:
        """Who asks the desk: the owner, with the token's one role."""
        return Who(self.token.person, frozenset({self.token.role}), self._how)

    def who_for(self, reference: str) -> Who:
        """The same, for one authorisation: for another than the token's, with no role at all.

        The desk then refuses and records it, as it does for everybody who has no part in it.
        """
        if reference.upper() == (self.token.authorisation or ""):
            return self.who
        return Who(self.token.person, frozenset(), self._how)

    @property
    def _how(self) -> str:
        return f"token:{self.token.reference}"


class Door:
    """Lets callers in.

    Args:
        services: of the portal.
        tokens: of its store.
    """

    def __init__(self, services: Services, tokens: Tokens) -> None:
        self._services = services
        self._tokens = tokens

    @staticmethod
    def safe(request: web.Request) -> None:
        """Nobody reads along.

        Raises:
            ProblemError: somebody could.
        """
        if not is_safe(request):
            if hdrs.AUTHORIZATION in request.headers:
                _LOG.warning("a token was sent over plain HTTP, from another machine")
            raise ProblemError("not-secure", _NOT_SECURE)

    @staticmethod
    def nobody(*, sent: bool) -> ProblemError:
        """What is said of every token that does not hold (RFC 6750 3), or of none."""
        error = ', error="invalid_token"' if sent else ""
        return ProblemError("no-token", _NOBODY, {"WWW-Authenticate": _CHALLENGE + error})

    async def caller(self, request: web.Request) -> Caller:
        """Who calls.

        Raises:
            ProblemError: nobody with a token that holds.
            StandingUnavailableError: it is not known whether it does.
        """
        text = _sent(request)
        found = None if text is None else await self.known(text, _address(request))
        if found is None:
            raise self.nobody(sent=text is not None)
        await self._services.threads.run(self._tokens.used, found.token)
        return found

    async def known(self, text: str, address: IPv4Address | IPv6Address | None) -> Caller | None:
        """Whose token a text is, if it holds from this address, by everything that holds it.

        Raises:
            StandingUnavailableError: it is not known.
        """
        token = await self._services.threads.run(self._tokens.find, text)
        if token is None or not token.is_for(address):
            return None
        return await self._now(token)

    async def still(self, caller: Caller) -> bool:
        """Whether a caller who was let in would be let in again.

        Raises:
            StandingUnavailableError: it is not known.
        """
        token = await self._services.threads.run(self._tokens.again, caller.token.reference)
        return token is not None and await self._now(token) is not None

    async def _now(self, token: Token) -> Caller | None:
        services = self._services
        someone = await services.people.someone(token.person)
        if someone is None or token.role not in someone.roles:
            return None
        return await services.threads.run(self._held, token)

    def _held(self, token: Token) -> Caller | None:
        services = self._services
        if services.withdrawals.in_force(token.person) is not None:
            return None
        if token.authorisation is None:
            return Caller(token, None)
        found = services.authorisations().find(token.authorisation)
        actor = Actor(token.person, frozenset({token.role}))
        if found is None or not looks_by(actor, found) or not found.holds(services.now()):
            return None
        return Caller(token, found)


def _sent(request: web.Request) -> str | None:
    """The token of a request; None: there is none, or more than one header."""
    sent = request.headers.getall(hdrs.AUTHORIZATION, [])
    scheme, _, text = (sent[0] if len(sent) == 1 else "").partition(" ")
    if scheme.casefold() != "bearer" or not 0 < len(text.strip()) <= _LONGEST:
        return None
    return text.strip()


def _address(request: web.Request) -> IPv4Address | IPv6Address | None:
    """The address that the connection came from; a mapped one is the IPv4 address that it is."""
    peer = request.get_extra_info("peername")
    try:
        found = ip_address(str(peer[0]).partition("%")[0])
    except (TypeError, IndexError, ValueError):
        return None  # no TCP connection, or one that has ended: of no network
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found
