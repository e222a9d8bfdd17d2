"""Signing in: who sends a request, before anything is decided about it.

In: a visitor, the head of a CONNECT or of a plain request. Out: None (it is known, or need not be),
a refusal, or a coroutine that ends in one of both.
Must never: take a claim for a proof; let credentials that are wrong, or that could not be checked,
pass for any identity; keep, show or record a credential; hold anything for a half-finished
handshake but the connection.

Inside tunnels nobody is asked: there the identity of the CONNECT counts. docs/adr/0011 says why.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Protocol

from proxy_addons.gate import metrics
from proxy_addons.gate.challenge import challenge
from proxy_addons.gate.forwarded import ForwardedError, client_of, speaks_for_others
from proxy_addons.gate.names import host_key_of
from proxy_addons.gate.rules import (
    RULE_BAD_REQUEST,
    RULE_SIGN_IN_FAILED,
    RULE_SIGN_IN_REQUIRED,
    RULE_SIGN_IN_UNAVAILABLE,
)
from proxy_addons.identity.kerberos import decode
from proxy_addons.identity.proof import UNCHECKED, Proof, Rejection
from proxy_addons.urlkey import UrlKeyError, authority_key

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from proxy_addons.gate.facts import RequestFacts, Verdict, Visitor
    from proxy_addons.gate.people import People
    from proxy_addons.gate.recording import Recorder
    from proxy_addons.identity.proof import Outcome
    from proxy_addons.settings.people import Identity
    from proxy_addons.urlkey import UrlKey

type Found = Verdict | Coroutine[Any, Any, Verdict | None] | None

KERBEROS, BASIC, ADDRESSES = "kerberos", "basic", "addresses"
_WAYS = {"negotiate": KERBEROS, "basic": BASIC}
_MOST_FAILURES = 10  # of one connection, which then ends
_LONGEST_BASIC = 4096  # characters; a token of Kerberos may be as long as a head may be
_LONGEST_WAIT = 30.0  # seconds; what is asked has shorter limits of its own
_NOT_OFFERED = Rejection("not-allowed", "a way to sign in that this gateway does not offer")
_IN_THE_CLEAR = Rejection("not-allowed", "passwords are not taken over an unencrypted connection")
_MALFORMED = Rejection("malformed", "credentials that cannot be read")
_TOO_SLOW = Rejection("unavailable", "the credentials could not be checked in time")


class Acceptor(Protocol):
    """Checks Kerberos tokens (identity/kerberos.py)."""

    async def accept(self, token: bytes) -> Outcome:
        """Whose token it is."""


class BasicCheck(Protocol):
    """Checks names and passwords (identity/basic.py)."""

    async def check(self, credentials: str) -> Outcome:
        """Whose they are."""

    def remembered(self, credentials: str) -> Proof | None:
        """The same without waiting, where they were checked lately."""


class SignIn:
    """Finds out who sends a request.

    Args:
        people: knows who has which profile.
        recorder: makes refusals and their records.
        identity: gives the settings in force.
        clock: wall-clock seconds.

    Attributes:
        kerberos: checks tokens; None: not offered.
        basic: checks passwords; None: not offered.
    """

    def __init__(
        self,
        people: People,
        recorder: Recorder,
        identity: Callable[[], Identity],
        clock: Callable[[], float],
    ) -> None:
        self._people = people
        self._recorder = recorder
        self._identity = identity
        self._clock = clock
        self.kerberos: Acceptor | None = None
        self.basic: BasicCheck | None = None

    def begin(self, visitor: Visitor, facts: RequestFacts) -> Found:
        """A request outside any tunnel, or a CONNECT, has come.

        Returns:
            None: it can be decided; a refusal; or a coroutine that gives one of both.
        """
        login, facts.login = facts.login, ""
        identity = self._identity()
        if visitor.lapsed:
            visitor.lapsed = False
            self._people.know(visitor)
        if visitor.shared:
            refused = self._speak_for(visitor, facts, identity)
            if refused is not None:
                return refused
        if not identity.challenges:
            return None
        if visitor.proof is not None and not self._still_counts(visitor, facts):
            if self._says_the_same(visitor, login):
                return None
            self._forget(visitor)
        if login:
            return self._by_credentials(visitor, facts, identity, login)
        if visitor.proof is not None or self._people.by_address(visitor) is not None:
            return None
        return self._ask(visitor, facts, identity)

    def _by_credentials(
        self, visitor: Visitor, facts: RequestFacts, identity: Identity, login: str
    ) -> Found:
        scheme, _, credentials = login.partition(" ")
        way = _WAYS.get(scheme.lower(), "")
        if self._by_address_first(visitor, identity, way):
            return None
        self._forget(visitor)  # whatever comes of them, they replace what was known
        if way == KERBEROS and KERBEROS in identity.order and self.kerberos is not None:
            return self._negotiate(visitor, facts, credentials.strip(" "))
        if way == BASIC and BASIC in identity.order and self.basic is not None:
            if not _may_say_passwords(visitor, identity):
                return self._reject(visitor, facts, way, _IN_THE_CLEAR)
            return self._by_password(visitor, facts, credentials.strip(" "))
        return self._reject(visitor, facts, way or "other", _NOT_OFFERED)

    # --- who it can be without a word -----------------------------------------------------

    def _still_counts(self, visitor: Visitor, facts: RequestFacts) -> bool:
        """Whether the sign-in on this connection is one for further requests, too."""
        return visitor.sticky and not facts.via and self._clock() < visitor.proof_ends

    def _says_the_same(self, visitor: Visitor, login: str) -> bool:
        """Whether a request carries the very password that its client is already known by.

        Browsers send it with each request outside tunnels. Nothing but the password is looked at
        anew then, as long as it is remembered and the settings are those of the request before.
        """
        proof, basis = visitor.proof, visitor.basis
        if proof is None or proof.how != BASIC or self.basic is None or visitor.shared:
            return False
        scheme, _, credentials = login.partition(" ")
        if _WAYS.get(scheme.lower()) != BASIC:
            return False
        if self._people.know_again(visitor) is not basis or visitor.proof is not proof:
            return False
        return self.basic.remembered(credentials.strip(" ")) is proof

    def _by_address_first(self, visitor: Visitor, identity: Identity, way: str) -> bool:
        """Whether the visitor is known by address, and that goes before these credentials."""
        order = identity.order
        if ADDRESSES not in order or self._people.by_address(visitor) is None:
            return False
        before = way not in order or order.index(ADDRESSES) < order.index(way)
        if before and visitor.proof is not None:
            self._forget(visitor)
        return before

    def _speak_for(
        self, visitor: Visitor, facts: RequestFacts, identity: Identity
    ) -> Verdict | None:
        """A load balancer sends this request for somebody."""
        visitor.proof = None  # whoever sent the last one
        visitor.client_ip = visitor.counted_as
        self._people.know(visitor)
        try:
            client = client_of(facts.forwarded_for, identity.load_balancers.forwarded_for)
        except ForwardedError as problem:
            return self._recorder.refuse(
                visitor, facts, None, "bad-request", RULE_BAD_REQUEST, str(problem)
            )
        visitor.client_ip = client
        self._people.know(visitor)
        return None

    def _forget(self, visitor: Visitor) -> None:
        """The visitor is nobody until proven anew, or known by address."""
        if visitor.proof is not None:
            visitor.proof, visitor.sticky = None, False
            self._people.know(visitor)

    # --- credentials ----------------------------------------------------------------------

    def _negotiate(self, visitor: Visitor, facts: RequestFacts, text: str) -> Found:
        token = decode(text)
        if isinstance(token, Rejection):
            return self._reject(visitor, facts, KERBEROS, token)
        assert self.kerberos is not None
        return self._check(visitor, facts, KERBEROS, self.kerberos.accept(token))

    def _by_password(self, visitor: Visitor, facts: RequestFacts, text: str) -> Found:
        if not text or len(text) > _LONGEST_BASIC:
            return self._reject(visitor, facts, BASIC, _MALFORMED)
        assert self.basic is not None
        proof = self.basic.remembered(text)
        if proof is not None and self._nothing_to_ask(proof.name):
            return self._accept(visitor, facts, proof)
        return self._check(visitor, facts, BASIC, self.basic.check(text))

    async def _check(
        self, visitor: Visitor, facts: RequestFacts, way: str, check: Coroutine[Any, Any, Outcome]
    ) -> Verdict | None:
        """Have credentials checked, and the directory asked about whoever it is."""
        try:
            async with asyncio.timeout(_LONGEST_WAIT):
                outcome = await check
        except TimeoutError:
            # Nothing was proven: the request in hand is refused as one that cannot be checked.
            outcome = _TOO_SLOW
        if isinstance(outcome, Rejection):
            return self._reject(visitor, facts, way, outcome)
        if not self._nothing_to_ask(outcome.name):
            await self._ask_directory(outcome.name)
        return self._accept(visitor, facts, outcome)

    def _nothing_to_ask(self, name: str) -> bool:
        """Whether enough is known of somebody to decide without waiting for the directory."""
        directory = self._people.directory
        return directory is None or directory.cached(name) is not None

    async def _ask_directory(self, name: str) -> None:
        directory = self._people.directory
        if directory is None:
            return
        try:
            async with asyncio.timeout(_LONGEST_WAIT):
                await directory.look_up(name)
        except Exception:  # noqa: BLE001 - groups unknown: the strictest profile
            # Whatever it is, their groups are not known: they get the strictest profile. Asked
            # again once a second or so (reconsidering.py).
            metrics.count_sign_in("directory", "unavailable")

    def _accept(self, visitor: Visitor, facts: RequestFacts, proof: Proof) -> Verdict | None:
        """It is proven who sends the request."""
        now = self._clock()
        ends = now + self._identity().lifetime
        if proof.until is not None:
            ends = min(ends, proof.until)
        if ends <= now:
            problem = "the ticket has expired"
            return self._reject(
                visitor, facts, proof.how, Rejection("expired", problem, proof.name)
            )
        # What is for the client (mutual authentication) is not sent: browsers do not look at it.
        visitor.proof = replace(proof, answer=b"") if proof.answer else proof
        visitor.proof_ends = ends
        # RFC 4559 binds Negotiate to the connection: only where nobody else speaks on that.
        visitor.sticky = proof.how == KERBEROS and not visitor.shared and not facts.via
        visitor.challenges = 0
        self._people.know(visitor)
        metrics.count_sign_in(proof.how, "proven")
        return None

    # --- refusals -------------------------------------------------------------------------

    def _reject(
        self, visitor: Visitor, facts: RequestFacts, way: str, rejection: Rejection
    ) -> Verdict:
        """Nothing was proven: asked anew, or told that it could not be checked; recorded."""
        metrics.count_sign_in(way, rejection.kind)
        key = _asked_for(facts)
        basis = self._people.know_again(visitor)
        before = visitor.person
        visitor.person = self._people.nobody(basis, rejection.claimed)
        try:
            if rejection.kind in UNCHECKED:
                return self._recorder.refuse(
                    visitor, facts, key, "sign-in-unavailable", RULE_SIGN_IN_UNAVAILABLE,
                    rejection.problem,
                )  # fmt: skip
            offers = self._offers(visitor, self._identity())
            kind = "sign-in-failed" if offers else "sign-in-impossible"
            verdict = self._recorder.refuse(
                visitor, facts, key, kind, RULE_SIGN_IN_FAILED, rejection.problem
            )
        finally:
            visitor.person = before
        assert verdict.answer is not None
        verdict.answer = challenge(verdict.answer, offers)
        visitor.failures += 1
        verdict.close = visitor.failures >= _MOST_FAILURES
        return verdict

    def _ask(self, visitor: Visitor, facts: RequestFacts, identity: Identity) -> Verdict:
        """Ask who sends a request; no record of it by itself."""
        offers = self._offers(visitor, identity)
        key = _asked_for(facts)
        if not offers:
            metrics.count_sign_in("none", "not-allowed")
            return self._recorder.refuse(
                visitor, facts, key, "sign-in-impossible", RULE_SIGN_IN_REQUIRED,
                _IN_THE_CLEAR.problem,
            )  # fmt: skip
        metrics.count_sign_in("none", "asked")
        visitor.challenges += 1
        visitor.asked_for = facts.method, key
        return self._recorder.ask(visitor, facts, key, offers)

    def _offers(self, visitor: Visitor, identity: Identity) -> tuple[str, ...]:
        """What `Proxy-Authenticate` says, one field each, in the configured order."""
        offers = []
        for way in identity.order:
            if way == KERBEROS and self.kerberos is not None:
                offers.append("Negotiate")
            elif way == BASIC and self.basic is not None and _may_say_passwords(visitor, identity):
                realm = identity.basic.realm.replace("\\", "\\\\").replace('"', '\\"')
                offers.append(f'Basic realm="{realm}", charset="UTF-8"')
        return tuple(offers)

    def left(self, visitor: Visitor) -> None:
        """A visitor has gone: record that nobody ever answered the question who they are."""
        if not visitor.challenges:
            return
        method, key = visitor.asked_for
        self._recorder.never_said(visitor, method, key, visitor.challenges)
        visitor.challenges = 0


def shared(visitor: Visitor, identity: Identity) -> bool:
    """Whether a load balancer speaks on this connection for whoever it likes."""
    return speaks_for_others(visitor.client_ip, identity.load_balancers.forwarded_for)


def _may_say_passwords(visitor: Visitor, identity: Identity) -> bool:
    """Whether nobody can listen in, or the settings do not mind."""
    if visitor.secure or identity.basic.in_the_clear:
        return True
    if visitor.balancer is not None:
        return False  # how the client speaks to it is not known, and it speaks in the clear to us
    return _is_this_machine(visitor.client_ip)


@lru_cache(maxsize=64)
def _is_this_machine(address: str) -> bool:
    """Whether an address is loopback."""
    try:
        numeric = ip_address(address)
    except ValueError:
        return False  # not an address: not this machine's, as far as anybody can tell
    return bool((getattr(numeric, "ipv4_mapped", None) or numeric).is_loopback)


def _asked_for(facts: RequestFacts) -> UrlKey | None:
    """The host that was asked for, for the record; None where it cannot be read."""
    try:
        host, port = authority_key(
            facts.target_authority or facts.authority, 443 if facts.method == "CONNECT" else 80
        )
    except UrlKeyError:
        return None  # the request is refused as it is; its address is recorded as it was sent
    key = host_key_of(host, port)
    return key if facts.method == "CONNECT" else key._replace(scheme="http", path=facts.path)
