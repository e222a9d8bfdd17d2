"""Proving who somebody is, by a password or a ticket, for signing in and for confirming.

In: what the browser sent. Out: a proven name, or words for the page.
Must never: try a password that a lock-out forbids; say whether a name exists; log a password.
"""

from __future__ import annotations

import base64
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiohttp import hdrs

from proxy_addons.gate.wording import when_words
from proxy_addons.identity.kerberos import decode
from proxy_addons.identity.proof import Proof, Rejection
from proxy_addons.identity.threads import BusyError
from proxy_addons.policy.people import canonical_name
from proxy_addons.portal.signin.transport import client_address
from proxy_addons.standing.lockouts import of_address, of_name

if TYPE_CHECKING:
    from aiohttp import web

    from proxy_addons.portal.signin.services import Services

_LOG = logging.getLogger(__name__)

WRONG: Final = "The name or the password is not right"
_LONGEST = 1024  # characters of a password; argon2 takes more, people do not


@dataclass(frozen=True, slots=True)
class Unproven:
    """Nobody was proven.

    Attributes:
        words: what the page says of it.
        status: HTTP status code.
    """

    words: str
    status: int = 403


async def by_password(
    services: Services, request: web.Request, typed: str, password: str
) -> str | Unproven:
    """The canonical name of a local account whose password this is.

    Args:
        services: accounts and lock-outs.
        request: for the client's address.
        typed: the name as typed.
        password: as typed.

    Raises:
        StandingUnavailableError: no lock-out can be kept, so no password is tried.
    """
    assert services.accounts is not None
    try:
        name = canonical_name(typed)
    except ValueError:
        # No account has such a name; it counts against the address like any other guess.
        name = ""
    address = client_address(request)
    subjects = of_name(name), of_address(address)
    until = await services.threads.run(services.lockouts.attempt, *subjects)
    if until is not None:
        _LOG.warning("sign-in by password from %s: locked out", address)
        now = services.now()
        zone = services.settings.policy.time_zone
        words = when_words(until.astimezone(zone), now)
        return Unproven(f"Too many attempts have failed. You can try again {words}", 429)
    try:
        good = len(password) <= _LONGEST and await services.accounts.check(name, password)
    except BusyError:
        # Not tried, and counted all the same: whoever makes the crowd would else have free tries.
        return Unproven("Too many people are signing in just now. Try again in a minute", 503)
    if not good:
        _LOG.warning("sign-in by password from %s: wrong name or password", address)
        return Unproven(WRONG)
    await services.threads.run(services.lockouts.succeeded, subjects[0], subjects[1:])
    return name


def has_ticket(request: web.Request) -> bool:
    """Whether the browser sent an answer to `Negotiate`."""
    scheme, _, rest = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return scheme.casefold() == "negotiate" and bool(rest.strip())


async def by_ticket(services: Services, request: web.Request) -> Proof | Unproven:
    """Whom a Kerberos ticket proves (RFC 4559).

    Args:
        services: the acceptor.
        request: with a token in `Authorization`.
    """
    assert services.acceptor is not None
    token = decode(request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")[2].strip())
    outcome = token if isinstance(token, Rejection) else await services.acceptor.accept(token)
    if isinstance(outcome, Rejection):
        _LOG.warning("sign-in by kerberos from %s: %s", client_address(request), outcome.kind)
        status = 503 if outcome.kind in {"unavailable", "busy"} else 403
        return Unproven(outcome.problem, status)
    return outcome


def answer_of(proof: Proof) -> dict[str, str]:
    """The header by which the server proves itself to the browser in turn (RFC 4559 5)."""
    if not proof.answer:
        return {}
    return {hdrs.WWW_AUTHENTICATE: "Negotiate " + base64.b64encode(proof.answer).decode()}
