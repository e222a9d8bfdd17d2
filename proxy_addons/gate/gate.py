"""The gate: every decision point of every lane asks here, and here only.

In: the facts of a decision point (facts.py).
Out: a `Verdict`, and the log record that goes with it.
Must never: let a request pass that was not decided or cannot be logged; contact anything;
know mitmproxy or aiohttp.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from proxy_addons.gate import metrics
from proxy_addons.gate.actions import Actions, is_ours
from proxy_addons.gate.basis import Basis, basis_of
from proxy_addons.gate.changes import changes_of, head_changes, names_of_changes
from proxy_addons.gate.clients import Clients
from proxy_addons.gate.facts import Course, RequestFacts, Verdict, Visitor
from proxy_addons.gate.judge import Judgement, judge
from proxy_addons.gate.looking import Looking
from proxy_addons.gate.names import host_key_of, names_of, with_carried, with_resolved
from proxy_addons.gate.parts import Seen
from proxy_addons.gate.people import NOTHING_READ, People
from proxy_addons.gate.personal import Personal
from proxy_addons.gate.reconsidering import why_to_end
from proxy_addons.gate.recording import Recorder
from proxy_addons.gate.resolved import Resolved
from proxy_addons.gate.rules import (
    RULE_BAD_REQUEST,
    RULE_DESTINATION_DENIED,
    RULE_INDEX_MISSING,
    RULE_INNER_ADDRESS,
    RULE_LOG_UNAVAILABLE,
    RULE_LOOP,
    RULE_METHOD_DENIED,
    RULE_OVERLOADED,
    RULE_PORT_DENIED,
    RULE_SIGN_IN_REQUIRED,
    RULE_STANDING_UNAVAILABLE,
)
from proxy_addons.gate.signin import SignIn
from proxy_addons.gate.traits import NONE as NO_TRAITS
from proxy_addons.gate.traits import traits_of
from proxy_addons.policy.model import Moment
from proxy_addons.urlkey import UrlKeyError, authority_key
from proxy_addons.urlkey.carriers import CarriedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from zoneinfo import ZoneInfo

    from proxy_addons.accesslog import AccessLog, Transaction
    from proxy_addons.gate.loops import Loops
    from proxy_addons.gate.people import Standing
    from proxy_addons.policy.effects import Change
    from proxy_addons.urlkey import UrlKey

_LOG_FAULT = "the access log cannot be written"
_NO_INDEX = "no category index"
_NOTHING_STANDS = "exemptions and withdrawals could not be read yet"
_NOBODY = "nobody has signed in on this connection"
_LAPSED = "the sign-in of this tunnel has ended"
_ASKING = frozenset({"GET", "HEAD"})  # RFC 9110 9.3.1, 9.3.2: a body has no meaning

__all__ = ["Basis", "Gate", "basis_of"]


class Gate(Looking):
    """Decides, explains and records.

    Args:
        basis: what decisions rest on.
        log: the access log of this worker.
        clock: wall-clock seconds since the epoch, UTC.
        loops: marks requests that are sent on, and knows them again; None: they are not marked.
        resolved: which names addresses lately stood for.
        standing: exemptions and withdrawals in force.

    Attributes:
        people: knows who visitors are.
        signing_in: finds out who sends a request.
        personal: what personal use asks of requests, and offers people.
        actions: does what buttons of pages ask for.
        clients: what each client address has open.
        overloaded: why nothing new is taken on just now, or None. Set by the worker.
    """

    def __init__(
        self,
        basis: Basis,
        log: AccessLog,
        *,
        clock: Callable[[], float] = time.time,
        loops: Loops | None = None,
        resolved: Resolved | None = None,
        standing: Standing = NOTHING_READ,
    ) -> None:
        self.basis = basis
        self.resolved = resolved or Resolved(time.monotonic)
        self.seen = Seen(time.monotonic)
        self.bodies = None
        self._loops = loops
        self.log = log
        self.overloaded: str | None = None
        self.clients = Clients(lambda: self.basis.settings.limits, self._speaks_for_others)
        self._clock = clock
        super().__init__(Recorder(log, lambda: self.basis, self._now, self._used))
        self.people = People(lambda: self.basis, clock, standing)
        self.signing_in = SignIn(
            self.people, self._recorder, lambda: self.basis.settings.identity, clock
        )
        self.personal = Personal(self.people, lambda: self.basis)
        self.actions = Actions(self._recorder, self._asked_now)
        self._moment = Moment(self._local(0.0))
        self._moment_second = 0

    # --- decision points ------------------------------------------------------------------

    def reconsider(self, visitor: Visitor) -> str | None:
        """Why a connection has to end, as its person has changed; None: it need not."""
        if self.basis.index is None:
            return None  # nothing is let through, and what is open was judged
        return why_to_end(visitor, self.people, self._judge)

    def connect(
        self, visitor: Visitor, authority: str, method_accept: str = "", user_agent: str = ""
    ) -> Verdict:
        """CONNECT asks for a tunnel to `authority`.

        An allowed or a blockable-with-a-page tunnel is accepted: its requests are judged one by
        one when they can be read. Refused here is what could not be refused later: a port that is
        not allowed, a host that is blocked and must not be decrypted, and what cannot be decided.
        """
        basis = self.people.know_again(visitor)
        visitor.tunnel_started = self._clock()
        visitor.requests = 0
        visitor.connect_host, visitor.connect_port = None, 0
        visitor.sni = None
        visitor.tls = False
        visitor.agent = user_agent or None  # who says nothing here may say more in the tunnel
        facts = RequestFacts("CONNECT", authority, authority, 1, "", accept=method_accept)
        try:
            host, port = authority_key(authority, 443)
        except UrlKeyError as problem:
            return self._refuse(visitor, facts, None, RULE_BAD_REQUEST, str(problem))
        key = host_key_of(host, port)
        if why := self.overloaded or self.clients.too_many(visitor):
            return self._refuse(visitor, facts, key, RULE_OVERLOADED, why)
        if port not in basis.settings.network.allow_ports:
            return self._refuse(visitor, facts, key, RULE_PORT_DENIED, f"CONNECT to port {port}")
        if why := basis.destinations.refusal_of(key):
            return self._refuse(visitor, facts, key, RULE_DESTINATION_DENIED, why)
        if basis.index is None:
            # Which sites must not be decrypted is not known either: refused here, unseen.
            return self._refuse(visitor, facts, key, RULE_INDEX_MISSING, _NO_INDEX)
        try:
            judgement = self._judge(visitor, (key,), "CONNECT")
        except CarriedError as problem:
            return self._refuse(visitor, facts, key, RULE_INNER_ADDRESS, str(problem))
        if judgement.splice and (refused := self._refuse_unseen(visitor, facts, key, judgement)):
            return refused
        visitor.connect_host, visitor.connect_port = host, port
        self.clients.tunnelled(visitor)
        return Verdict(Course.PASS, host=host, port=port)

    def client_hello(self, visitor: Visitor, sni: str | None) -> Verdict:
        """A TLS ClientHello came inside the tunnel: splice, inspect or refuse.

        Args:
            visitor: whose tunnel it is.
            sni: server name as the client sent it, or None.
        """
        assert visitor.connect_host is not None
        self.people.know_again(visitor)
        connect = host_key_of(visitor.connect_host, visitor.connect_port)
        facts = RequestFacts("CONNECT", "", visitor.connect_host, 1, "")
        keys = [connect]
        if sni:
            try:
                visitor.sni, _ = authority_key(sni, 443)
            except UrlKeyError as problem:
                return self._refuse(
                    visitor, facts, connect, RULE_BAD_REQUEST, f"server name: {problem}"
                )
            if visitor.sni != visitor.connect_host:
                keys.append(host_key_of(visitor.sni, visitor.connect_port))
        unready = self._unready(visitor)
        if unready is not None and (self.overloaded is not None or self.basis.index is None):
            return self._refuse(visitor, facts, connect, *unready)
        try:
            judgement = self._judge(visitor, keys, "CONNECT")
        except CarriedError as problem:
            return self._refuse(visitor, facts, connect, RULE_INNER_ADDRESS, str(problem))
        if not judgement.splice:
            return Verdict(Course.INSPECT)
        if unready is not None:
            return self._refuse(visitor, facts, connect, *unready)
        if refused := self._refuse_unseen(visitor, facts, connect, judgement):
            return refused
        transaction = self._recorder.begin(
            visitor, facts, connect, kind="tunnel", handling="spliced"
        )
        self._recorder.note(transaction, judgement)
        metrics.count(str(judgement.decision.action), judgement.decision.rule)
        self.clients.agreed(visitor)
        return Verdict(Course.SPLICE, None, transaction, visitor.connect_host, visitor.connect_port)

    def request(self, visitor: Visitor, facts: RequestFacts) -> Verdict:
        """A request head was read, in the clear or out of an inspected connection."""
        started = time.perf_counter()
        visitor.requests += 1
        visitor.agent = facts.user_agent
        if visitor.half_open:
            self.clients.agreed(visitor)
        self.people.know_again(visitor)
        if not facts.path.startswith("/") and facts.path != "*":
            # HTTP/2 carries any path. An address in it would be judged in place of the authority,
            # and servers differ on which of the two counts.
            return self._refuse(visitor, facts, None, RULE_BAD_REQUEST, "not a path from the root")
        try:
            keys, reached = names_of(visitor, facts)
        except UrlKeyError as problem:
            return self._refuse(visitor, facts, None, RULE_BAD_REQUEST, str(problem))
        asked = keys[0]
        if (refused := self._refuse_unjudged(visitor, facts, asked, reached)) is not None:
            return refused
        if is_ours(facts.path):
            # A page of ours leads here; `act` has not taken it. It is for no site, in any case.
            return self.actions.unknown(visitor, facts, asked)
        try:
            method, traits = facts.method.upper(), traits_of(facts)
            judgement = self._judge(visitor, keys, method, traits, agent=facts.user_agent)
        except CarriedError as problem:
            return self._refuse(visitor, facts, asked, RULE_INNER_ADDRESS, str(problem))
        refused = self._refuse_judged(visitor, facts, asked, judgement)
        if refused is not None:
            verdict = refused
        else:
            transaction = self._recorder.begin(
                visitor,
                facts,
                asked,
                kind="https" if visitor.tls else "http",
                handling="inspected" if visitor.tls else "plain",
            )
            self._recorder.note(transaction, judgement)
            metrics.count(str(judgement.decision.action), judgement.decision.rule)
            verdict = Verdict(Course.PASS, None, transaction, reached.host, reached.port)
            if judgement.looks or facts.body is not None:
                verdict = self._look(visitor, facts, judgement, verdict)
            if verdict.course is Course.PASS:
                _change(verdict, transaction, changes_of(judgement, keys))
                self._goes_on(visitor, facts, judgement, verdict)
        metrics.observe_decision(time.perf_counter() - started)
        return verdict

    def _goes_on(
        self, visitor: Visitor, facts: RequestFacts, judgement: Judgement, verdict: Verdict
    ) -> None:
        """Count the minute of a request that goes on, if it is personal use; now, or by and by."""
        # In HTTP/2 any request may have a body: these hardly ever do, and then are not waited for.
        if verdict.sending is not None and facts.method not in _ASKING:
            # What is refused for what it sends was no use of the web.
            verdict.sending.passes = partial(self._count, visitor, facts, judgement, verdict)
        else:
            self._count(visitor, facts, judgement, verdict)

    def _count(
        self, visitor: Visitor, facts: RequestFacts, judgement: Judgement, verdict: Verdict
    ) -> None:
        assert verdict.transaction is not None
        at = self._now().local
        verdict.transaction.counted = self.personal.count(visitor, facts, judgement, at)

    def _refuse_unjudged(
        self, visitor: Visitor, facts: RequestFacts, asked: UrlKey, reached: UrlKey
    ) -> Verdict | None:
        """Refuse what the policy is not asked about; None when it is."""
        basis = self.basis
        if (unready := self._unready(visitor)) is not None:
            return self._refuse(visitor, facts, asked, *unready)
        network = basis.settings.network
        if visitor.connect_host is None and not _port_allowed(
            reached.port, network.allow_http_ports
        ):
            return self._refuse(visitor, facts, asked, RULE_PORT_DENIED, f"port {reached.port}")
        if why := basis.destinations.refusal_of(reached):
            return self._refuse(visitor, facts, asked, RULE_DESTINATION_DENIED, why)
        if facts.method not in network.allow_methods:
            why = "a method that network.allow_methods does not name"
            return self._refuse(visitor, facts, asked, RULE_METHOD_DENIED, why)
        if facts.via and self._loops is not None and self._loops.is_ours(facts.via):
            why = "this request has been through this gateway before"
            return self._refuse(visitor, facts, asked, RULE_LOOP, why)
        return None

    def _unready(self, visitor: Visitor) -> tuple[str, str] | None:
        """Rule and reason for which nothing of a visitor may pass; None when all is as it must."""
        if self.overloaded is not None:
            return RULE_OVERLOADED, self.overloaded
        if not self.log.healthy:
            return RULE_LOG_UNAVAILABLE, _LOG_FAULT
        if self.basis.index is None:
            return RULE_INDEX_MISSING, _NO_INDEX
        if not self.people.stands:
            return RULE_STANDING_UNAVAILABLE, _NOTHING_STANDS
        if visitor.lapsed:
            return RULE_SIGN_IN_REQUIRED, _LAPSED
        if visitor.person.name is None and self.basis.settings.identity.challenges:
            # No lane may forget to ask, and no tunnel outlive new settings that demand it.
            return RULE_SIGN_IN_REQUIRED, _NOBODY
        return None

    def _refuse_unseen(
        self, visitor: Visitor, facts: RequestFacts, key: UrlKey, judgement: Judgement
    ) -> Verdict | None:
        """Refuse a tunnel that must not be decrypted, and so gets no page; None when it may be."""
        unready = self._unready(visitor)
        if unready is not None and unready[0] != RULE_LOG_UNAVAILABLE:  # that is for later
            return self._refuse(visitor, facts, key, *unready)
        return self._refuse_judged(visitor, facts, key, judgement)

    def destination(self, address: str, port: int) -> str | None:
        """Why a resolved address must not be connected to; None when it may be."""
        return self.basis.destinations.refusal(address, port)

    # --- inside ---------------------------------------------------------------------------

    def _judge(
        self,
        visitor: Visitor,
        keys: Sequence[UrlKey],
        method: str,
        traits: frozenset[str] = NO_TRAITS,
        findings: frozenset[str] = frozenset(),
        agent: str | None = None,
    ) -> Judgement:
        """Judge by all names, also those inside others and those that an address stood for.

        Raises:
            CarriedError: an address inside another cannot be read. The request is refused.
        """
        basis = self.basis
        assert basis.index is not None
        keys = with_carried(keys, basis.settings.carriers)
        keys = with_resolved(keys, self.resolved)
        person, today, now = visitor.person, self.people.today, self._now()
        about = self._about(visitor, agent)
        return judge(
            basis.decider, basis.index, person, keys, method, now, traits, today, findings, about
        )

    def via(self, visitor: Visitor, *, http2: bool) -> bytes | None:
        """What a request that is sent on says of us in `Via`; None for nothing.

        Nothing is said on a way out of its own (`network.egress`): servers would see by the
        pseudonym that it is the same gateway as on the usual one.

        Args:
            visitor: whose request it is.
            http2: whether it came over HTTP/2.
        """
        egress = self.basis.settings.network.egress
        if self._loops is None or any(each.profile == visitor.person.profile for each in egress):
            return None
        return self._loops.via(http2=http2)

    def _used(self, reference: str) -> None:
        self.people.standing.note_use(reference)

    def _local(self, seconds: float) -> datetime:
        zone: ZoneInfo = self.basis.settings.policy.time_zone
        return datetime.fromtimestamp(seconds, UTC).astimezone(zone)

    def _now(self) -> Moment:
        """The present moment, made once a second: rules have no finer grain than a minute."""
        now = self._clock()
        second = int(now)
        if second != self._moment_second:
            self._moment = Moment(self._local(now))
            self._moment_second = second
        return self._moment


def _change(verdict: Verdict, transaction: Transaction, changes: Sequence[Change]) -> None:
    """What rules change about a request that is let through, for the lane and for the record."""
    if changes:
        verdict.changes = head_changes(changes)
        transaction.changed = names_of_changes(changes)


def _port_allowed(port: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(first <= port <= last for first, last in ranges)
