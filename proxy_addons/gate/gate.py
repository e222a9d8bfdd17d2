"""The gate: every decision point of every lane asks here, and here only.

In: the facts of a decision point (facts.py).
Out: a `Verdict`, and the log record that goes with it.
Must never: let a request pass that was not decided or cannot be logged; contact anything;
know mitmproxy or aiohttp.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from proxy_addons.gate import metrics
from proxy_addons.gate.blockpage import render
from proxy_addons.gate.destinations import Destinations
from proxy_addons.gate.facts import Course, RequestFacts, Verdict, Visitor
from proxy_addons.gate.judge import Judgement, judge
from proxy_addons.gate.refusal import Answer, Refusal
from proxy_addons.identity.addresses import AddressMap
from proxy_addons.policy.cache import Decider
from proxy_addons.policy.model import Action, Moment
from proxy_addons.urlkey import UrlKey, UrlKeyError, authority_key, request_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from zoneinfo import ZoneInfo

    from proxy_addons.accesslog import AccessLog, Transaction
    from proxy_addons.categorisation import CategoryIndex
    from proxy_addons.settings.model import Endpoint, Settings

# Refusals that no rule of the policy makes carry these ids, in the log, on the page and in metrics.
RULE_LOG_UNAVAILABLE = "log-unavailable"
RULE_INDEX_MISSING = "index-missing"
RULE_UNDECIDED = "undecided"
RULE_BAD_REQUEST = "bad-request"
RULE_PORT_DENIED = "port-denied"
RULE_DESTINATION_DENIED = "destination-denied"
RULE_UPSTREAM_FAILED = "upstream-failed"
RULE_NOT_TLS = "not-tls-in-tunnel"
RULE_TUNNEL_WITHOUT_REQUEST = "tunnel-without-request"

_DEFAULT_PORT = {"http": 80, "ws": 80, "https": 443, "wss": 443}


@dataclass(frozen=True, slots=True)
class Basis:
    """What decisions rest on; replaced as a whole, so that no decision mixes two versions.

    Attributes:
        settings: with the compiled policy.
        decider: that policy, with its memory.
        people: who uses which client address.
        destinations: the address check.
        index: category index, or None while there is none (then everything is refused).
    """

    settings: Settings
    decider: Decider
    people: AddressMap
    destinations: Destinations
    index: CategoryIndex | None


def basis_of(
    settings: Settings, index: CategoryIndex | None, own: Iterable[Endpoint] = ()
) -> Basis:
    """The basis for decisions.

    Args:
        settings: with the compiled policy.
        index: category index, or None.
        own: addresses this gateway listens on, where they differ from the settings' (port 0).
    """
    network = settings.network
    return Basis(
        settings=settings,
        decider=Decider(settings.policy),
        people=AddressMap(settings.identity.addresses, settings.policy.strictest_profile),
        destinations=Destinations(
            network.deny_destinations,
            network.intranet_networks,
            (*settings.listen.proxy, *settings.listen.portal, *own),
        ),
        index=index,
    )


class Gate:
    """Decides, explains and records.

    Args:
        basis: what decisions rest on.
        log: the access log of this worker.
        clock: wall-clock seconds since the epoch, UTC.
    """

    def __init__(
        self, basis: Basis, log: AccessLog, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.basis = basis
        self.log = log
        self._clock = clock
        self._moment = Moment(self._local(0.0))
        self._moment_second = 0

    # --- decision points ------------------------------------------------------------------

    def connected(self, client_ip: str, client_port: int) -> Visitor:
        """A client has connected.

        Args:
            client_ip: numeric address of the client, as the kernel gave it.
            client_port: its port.
        """
        basis = self.basis
        return Visitor(client_ip, client_port, basis.people.person(client_ip), basis)

    def _know_again(self, visitor: Visitor) -> Basis:
        """The basis in force; who the visitor is, is looked up anew where it has changed."""
        basis = self.basis
        if visitor.basis is not basis:
            visitor.person = basis.people.person(visitor.client_ip)
            visitor.basis = basis
        return basis

    def connect(self, visitor: Visitor, authority: str, method_accept: str = "") -> Verdict:
        """CONNECT asks for a tunnel to `authority`.

        An allowed or a blockable-with-a-page tunnel is accepted: its requests are judged one by
        one when they can be read. Refused here is what could not be refused later: a port that is
        not allowed, a host that is blocked and must not be decrypted, and what cannot be decided.
        """
        basis = self._know_again(visitor)
        visitor.tunnel_started = self._clock()
        visitor.requests = 0
        visitor.connect_host, visitor.connect_port = None, 0
        visitor.sni = None
        visitor.tls = False
        facts = RequestFacts("CONNECT", authority, authority, 1, "", accept=method_accept)
        try:
            host, port = authority_key(authority, 443)
        except UrlKeyError as problem:
            return self._refuse(visitor, facts, None, "bad-request", RULE_BAD_REQUEST, str(problem))
        key = UrlKey("", host, port, is_address=_is_address(host))
        if port not in basis.settings.network.allow_ports:
            return self._refuse(
                visitor, facts, key, "port-denied", RULE_PORT_DENIED, f"CONNECT to port {port}"
            )
        if key.is_address and (why := basis.destinations.refusal(host, port)):
            return self._refuse(
                visitor, facts, key, "destination-denied", RULE_DESTINATION_DENIED, why
            )
        if basis.index is None:
            # Nothing is known of any site: accept, so that the refusal can be read in the browser.
            visitor.connect_host, visitor.connect_port = host, port
            return Verdict(Course.PASS, host=host, port=port)
        judgement = self._judge(visitor, (key,), "CONNECT")
        if judgement.splice and judgement.decision.action is Action.BLOCK:
            return self._refuse_by_policy(visitor, facts, key, judgement)
        visitor.connect_host, visitor.connect_port = host, port
        return Verdict(Course.PASS, host=host, port=port)

    def client_hello(self, visitor: Visitor, sni: str | None) -> Verdict:
        """A TLS ClientHello came inside the tunnel: splice, inspect or refuse.

        Args:
            visitor: whose tunnel it is.
            sni: server name as the client sent it, or None.
        """
        assert visitor.connect_host is not None
        self._know_again(visitor)
        connect = UrlKey(
            "",
            visitor.connect_host,
            visitor.connect_port,
            is_address=_is_address(visitor.connect_host),
        )
        facts = RequestFacts("CONNECT", "", visitor.connect_host, 1, "")
        keys = [connect]
        if sni:
            try:
                visitor.sni, _ = authority_key(sni, 443)
            except UrlKeyError as problem:
                return self._refuse(
                    visitor,
                    facts,
                    connect,
                    "bad-request",
                    RULE_BAD_REQUEST,
                    f"server name: {problem}",
                )
            if visitor.sni != visitor.connect_host:
                keys.append(
                    UrlKey(
                        "", visitor.sni, visitor.connect_port, is_address=_is_address(visitor.sni)
                    )
                )
        if self.basis.index is None:
            # Decrypted, so that the refusal of each request can be read in the browser.
            return Verdict(Course.INSPECT)
        judgement = self._judge(visitor, keys, "CONNECT")
        if not judgement.splice:
            return Verdict(Course.INSPECT)
        if not self.log.healthy:
            return self._refuse(
                visitor,
                facts,
                connect,
                "log-unavailable",
                RULE_LOG_UNAVAILABLE,
                "the access log cannot be written",
            )
        if judgement.decision.action is Action.BLOCK:
            return self._refuse_by_policy(visitor, facts, connect, judgement)
        transaction = self._begin(visitor, facts, connect, kind="tunnel", handling="spliced")
        self._note(transaction, judgement)
        metrics.count(str(judgement.decision.action), judgement.decision.rule)
        return Verdict(Course.SPLICE, None, transaction, visitor.connect_host, visitor.connect_port)

    def not_tls(self, visitor: Visitor, found: str) -> Verdict:
        """Something that is neither TLS nor HTTP came inside a tunnel: refused and recorded.

        Args:
            visitor: whose tunnel it is.
            found: what was seen, in a few words of ours (never the client's bytes).
        """
        facts = RequestFacts("CONNECT", "", visitor.connect_host or "", 1, "")
        key = UrlKey("", visitor.connect_host or "", visitor.connect_port or 1)
        return self._refuse(visitor, facts, key, "bad-request", RULE_NOT_TLS, found)

    def request(self, visitor: Visitor, facts: RequestFacts) -> Verdict:
        """A request head was read, in the clear or out of an inspected connection."""
        started = time.perf_counter()
        visitor.requests += 1
        basis = self._know_again(visitor)
        if not facts.path.startswith("/") and facts.path != "*":
            # HTTP/2 carries any path. An address in it would be judged in place of the authority,
            # and servers differ on which of the two counts.
            return self._refuse(
                visitor, facts, None, "bad-request", RULE_BAD_REQUEST, "not a path from the root"
            )
        if facts.method == "PRI":
            # The preface of HTTP/2 in the clear: what follows would not be read as requests.
            return self._refuse(
                visitor, facts, None, "bad-request", RULE_BAD_REQUEST, "HTTP/2 in the clear"
            )
        try:
            keys, reached = self._names(visitor, facts)
        except UrlKeyError as problem:
            return self._refuse(visitor, facts, None, "bad-request", RULE_BAD_REQUEST, str(problem))
        asked = keys[0]
        if not self.log.healthy:
            return self._refuse(
                visitor,
                facts,
                asked,
                "log-unavailable",
                RULE_LOG_UNAVAILABLE,
                "the access log cannot be written",
            )
        if basis.index is None:
            return self._refuse(
                visitor, facts, asked, "undecided", RULE_INDEX_MISSING, "no category index"
            )
        if visitor.connect_host is None and not _port_allowed(
            reached.port, basis.settings.network.allow_http_ports
        ):
            return self._refuse(
                visitor, facts, asked, "port-denied", RULE_PORT_DENIED, f"port {reached.port}"
            )
        if reached.is_address and (why := basis.destinations.refusal(reached.host, reached.port)):
            return self._refuse(
                visitor, facts, asked, "destination-denied", RULE_DESTINATION_DENIED, why
            )
        judgement = self._judge(visitor, keys, facts.method.upper())
        if judgement.decision.action is Action.BLOCK:
            verdict = self._refuse_by_policy(visitor, facts, asked, judgement)
        else:
            transaction = self._begin(
                visitor,
                facts,
                asked,
                kind="https" if visitor.tls else "http",
                handling="inspected" if visitor.tls else "plain",
            )
            self._note(transaction, judgement)
            metrics.count(str(judgement.decision.action), judgement.decision.rule)
            verdict = Verdict(Course.PASS, None, transaction, reached.host, reached.port)
        metrics.observe_decision(time.perf_counter() - started)
        return verdict

    def bad_request(self, visitor: Visitor, facts: RequestFacts | None, problem: str) -> Verdict:
        """Something came that cannot be treated as a request: refused and recorded.

        Args:
            visitor: whose connection it is.
            facts: its head, where that could be read.
            problem: what is wrong with it, in words of ours (never the client's bytes).
        """
        self._know_again(visitor)
        visitor.requests += 1
        facts = facts or RequestFacts("", "", "", 0, "")
        return self._refuse(visitor, facts, None, "bad-request", RULE_BAD_REQUEST, problem)

    def destination(self, address: str, port: int) -> str | None:
        """Why a resolved address must not be connected to; None when it may be."""
        return self.basis.destinations.refusal(address, port)

    # --- what became of it ----------------------------------------------------------------

    def undecided(self, visitor: Visitor, facts: RequestFacts, problem: str) -> Verdict:
        """A decision point failed inside. The request in hand is refused and recorded.

        Args:
            visitor: whose request it is.
            facts: what is known of it.
            problem: the kind of failure (an exception's class), never its text: that may quote
                what the client sent.
        """
        visitor.requests += 1  # its record says what became of the tunnel
        return self._refuse(visitor, facts, None, "undecided", RULE_UNDECIDED, problem)

    def upstream_failed(
        self,
        visitor: Visitor,
        facts: RequestFacts,
        transaction: Transaction,
        kind: str,
        problem: str,
    ) -> Answer:
        """An allowed request could not be answered by its server: the page that says so.

        The record keeps the decision and gains the error; a destination refused after name
        resolution becomes a block.
        """
        transaction.error = problem
        if kind == "destination-denied":
            self._denied(transaction)
        metrics.count_refusal(kind)
        return render(
            self._refusal(
                visitor,
                facts,
                transaction.url or "",
                transaction.host or "",
                kind,
                problem,
                transaction.id,
            )
        )

    def tunnel_failed(self, visitor: Visitor, problem: str) -> None:
        """A tunnel that was accepted ended before any request of it could be read: record it."""
        if visitor.connect_host is None:
            return
        facts = RequestFacts("CONNECT", visitor.connect_host, visitor.connect_host, 1, "")
        key = UrlKey("", visitor.connect_host, visitor.connect_port)
        transaction = self._begin(
            visitor, facts, key, kind="connect", handling="none", at=visitor.tunnel_started
        )
        transaction.action = "allow"
        transaction.rule = RULE_TUNNEL_WITHOUT_REQUEST
        transaction.finish(error=problem)

    def tunnel_broke(self, transaction: Transaction, kind: str | None, problem: str) -> None:
        """A spliced tunnel could not be set up, or broke: say so in its record.

        Args:
            transaction: its open record.
            kind: the kind of refusal, where the tunnel was not set up.
            problem: what happened, in words of ours.
        """
        transaction.error = problem
        if kind == "destination-denied":
            self._denied(transaction)

    @staticmethod
    def _denied(transaction: Transaction) -> None:
        """The name resolved to an address that must not be connected to."""
        transaction.action = "block"
        transaction.rule = RULE_DESTINATION_DENIED
        transaction.clause = transaction.reason = None
        metrics.count("block", RULE_DESTINATION_DENIED)

    # --- inside ---------------------------------------------------------------------------

    def _names(self, visitor: Visitor, facts: RequestFacts) -> tuple[list[UrlKey], UrlKey]:
        """All names the request goes by, what was asked for first; and the one connected to."""
        if facts.authorities > 1:
            msg = "more than one Host header"
            raise UrlKeyError(msg)
        if visitor.connect_host is None:
            authority = facts.target_authority or facts.authority
            if not authority:
                msg = "neither the address nor a Host header names a host"
                raise UrlKeyError(msg)
            asked = reached = request_key(facts.scheme, authority, facts.path)
            keys = [asked]
            if facts.authority and facts.authority != authority:
                self._add(keys, facts.authority, 80)
            return keys, reached
        host, port = visitor.connect_host, visitor.connect_port
        authority = facts.authority or (f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        asked = request_key(facts.scheme, authority, facts.path)
        keys = [asked]
        if facts.target_authority:
            self._add(keys, facts.target_authority, port)
        if visitor.sni and visitor.sni != asked.host:
            self._add(keys, visitor.sni, port)
        if asked.host == host and asked.port == port:
            return keys, asked
        reached = replace(asked, host=host, port=port, is_address=_is_address(host))
        if all(key.host != host for key in keys):
            keys.append(reached)
        return keys, reached

    @staticmethod
    def _add(keys: list[UrlKey], authority: str, default_port: int) -> None:
        host, port = authority_key(authority, default_port)
        if all(key.host != host for key in keys):
            keys.append(replace(keys[0], host=host, port=port, is_address=_is_address(host)))

    def _judge(
        self, visitor: Visitor, keys: list[UrlKey] | tuple[UrlKey, ...], method: str
    ) -> Judgement:
        basis = self.basis
        assert basis.index is not None
        return judge(basis.decider, basis.index, visitor.person, keys, method, self._now())

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

    def _begin(
        self,
        visitor: Visitor,
        facts: RequestFacts,
        key: UrlKey | None,
        *,
        kind: str,
        handling: str,
        at: float | None = None,
    ) -> Transaction:
        person = visitor.person
        basis = self.basis
        return self.log.begin(
            at=at,
            person=person.name,
            person_how=person.how,
            claimed=person.claimed,
            client_ip=visitor.client_ip,
            client_port=visitor.client_port,
            kind=kind,
            method=facts.method,
            url=_url(key, facts),
            host=key.host if key else visitor.connect_host,
            port=key.port if key else visitor.connect_port or None,
            sni=visitor.sni,
            profile=person.profile,
            exemption=person.exemption,
            handling=handling,
            list_version=basis.index.version if basis.index else None,
            policy_version=basis.settings.policy_version,
            bytes_up=0,
            bytes_down=0,
        )

    @staticmethod
    def _note(transaction: Transaction, judgement: Judgement) -> None:
        decision = judgement.decision
        transaction.categories = judgement.categories
        transaction.action = str(decision.action)
        transaction.rule = decision.rule
        transaction.clause = decision.clause
        transaction.reason = decision.reason
        transaction.profile = decision.profile

    def _refuse_by_policy(
        self, visitor: Visitor, facts: RequestFacts, key: UrlKey, judgement: Judgement
    ) -> Verdict:
        kind = "connect" if facts.method == "CONNECT" else ("https" if visitor.tls else "http")
        transaction = self._begin(
            visitor,
            facts,
            key,
            kind=kind,
            handling="none" if kind == "connect" else "inspected" if visitor.tls else "plain",
        )
        self._note(transaction, judgement)
        decision = judgement.decision
        refusal = replace(
            self._refusal(visitor, facts, _url(key, facts), key.host, "policy", "", transaction.id),
            decision=decision,
        )
        metrics.count(str(decision.action), decision.rule)
        metrics.count_refusal("policy")
        return Verdict(Course.REFUSE, render(refusal), transaction)

    def _refuse(
        self,
        visitor: Visitor,
        facts: RequestFacts,
        key: UrlKey | None,
        kind: str,
        rule: str,
        problem: str,
    ) -> Verdict:
        record_kind = (
            "connect" if facts.method == "CONNECT" else ("https" if visitor.tls else "http")
        )
        transaction = self._begin(visitor, facts, key, kind=record_kind, handling="none")
        transaction.action = "block"
        transaction.rule = rule
        transaction.error = problem
        metrics.count("block", rule)
        metrics.count_refusal(kind)
        answer = render(
            self._refusal(
                visitor,
                facts,
                _url(key, facts),
                key.host if key else "",
                kind,
                problem,
                transaction.id,
            )
        )
        return Verdict(Course.REFUSE, answer, transaction)

    def _refusal(
        self,
        visitor: Visitor,
        facts: RequestFacts,
        url: str,
        host: str,
        kind: str,
        problem: str,
        reference: str,
    ) -> Refusal:
        return Refusal(
            url=url,
            host=host,
            method=facts.method,
            decision=None,
            kind=kind,
            reference=reference,
            person=visitor.person.name,
            page=self.basis.settings.page,
            moment=self._now().local,
            detail=problem,
            accept=facts.accept,
            sec_fetch_dest=facts.fetch_dest,
        )


def _url(key: UrlKey | None, facts: RequestFacts) -> str:
    """The address for record and page: host in canonical form, the rest as it was sent.

    Userinfo is dropped: it is a credential. A tunnel is `host:port`.
    """
    if key is None:
        authority = (facts.target_authority or facts.authority).rpartition("@")[2]
        return f"{authority}{facts.path}"
    bare = f"[{key.host}]" if ":" in key.host else key.host
    if not key.scheme:
        return f"{bare}:{key.port}"
    port = "" if key.port == _DEFAULT_PORT[key.scheme] else f":{key.port}"
    path = facts.path if facts.path.startswith("/") else key.path
    return f"{key.scheme}://{bare}{port}{path}"


def _is_address(host: str) -> bool:
    """Whether a canonical host is an address: only in those is the last label a number."""
    return ":" in host or host.rpartition(".")[2].isdigit()


def _port_allowed(port: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(first <= port <= last for first, last in ranges)
