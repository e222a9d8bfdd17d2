"""Visitors coming, signing in and going: what happens around decisions.

In: connections beginning and ending; requests outside tunnels before they are decided.
Out: a `Visitor`; who it is, or a refusal.
Must never: decide what may be reached; count a connection twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.gate.aftermath import Aftermath
from proxy_addons.gate.facts import RequestFacts, Visitor
from proxy_addons.gate.forwarded import speaks_for_others
from proxy_addons.gate.people import NOBODY
from proxy_addons.gate.rules import RULE_BAD_REQUEST, RULE_NOT_TLS, RULE_OVERLOADED
from proxy_addons.urlkey import UrlKey

if TYPE_CHECKING:
    from proxy_addons.gate.basis import Basis
    from proxy_addons.gate.clients import Clients
    from proxy_addons.gate.facts import Verdict
    from proxy_addons.gate.people import People
    from proxy_addons.gate.signin import Found, SignIn


class Visits(Aftermath):
    """The part of the gate that knows who is there.

    Attributes:
        basis: what decisions rest on.
        people: knows who visitors are.
        signing_in: finds out who sends a request.
        clients: what each client address has open.
        overloaded: why nothing new is taken on just now, or None.
    """

    basis: Basis
    people: People
    signing_in: SignIn
    clients: Clients
    overloaded: str | None

    def connected(
        self, client_ip: str, client_port: int, *, secure: bool = False, balancer: str | None = None
    ) -> Visitor:
        """A client has connected.

        Args:
            client_ip: numeric address of the client, as the kernel or its load balancer gave it.
            client_port: its port.
            secure: whether it speaks TLS with the gateway itself.
            balancer: numeric address of the load balancer that speaks for it, or None.
        """
        basis = self.basis
        visitor = Visitor(client_ip, client_port, NOBODY, basis, secure=secure, balancer=balancer)
        if self._speaks_for_others(client_ip):
            visitor.shared, visitor.counted_as, visitor.balancer = True, client_ip, client_ip
        self.people.know(visitor)
        self.clients.came(visitor)
        return visitor

    def _speaks_for_others(self, address: str) -> bool:
        balancers = self.basis.settings.identity.load_balancers.forwarded_for
        return bool(balancers) and speaks_for_others(address, balancers)

    def disconnected(self, visitor: Visitor) -> None:
        """A client's connection has ended, and all its records are finished."""
        self.signing_in.left(visitor)
        self.clients.left(visitor)

    def turned_away(self) -> None:
        """Record the connections that were closed because their client had too many.

        One record for each client address since the last call, however many they were: a flood
        must not flood the log.
        """
        limit = self.basis.settings.limits.client_connections
        for address, port, number in self.clients.turned_away():
            visitor = Visitor(address, port, NOBODY, self.basis)
            self.people.know(visitor)
            problem = f"{number} connections closed: more than {limit} of one client address"
            facts = RequestFacts("", "", "", 0, "")
            record = self._refuse(visitor, facts, None, RULE_OVERLOADED, problem).transaction
            assert record is not None
            record.finish(status=503)

    def handshake_done(self, visitor: Visitor) -> None:
        """TLS is agreed on inside the visitor's tunnel."""
        self.clients.agreed(visitor)

    def sign_in(self, visitor: Visitor, facts: RequestFacts) -> Found:
        """Who sends a request outside tunnels, or asks for one; to be asked before the others.

        Returns:
            None: go on with `request` or `connect`; a refusal; or a coroutine that gives one of
            both, for as long as which nothing else of the visitor may be decided.
        """
        if self.overloaded is not None:
            facts.login = ""  # refused in a moment, and not worth the work before
            return None
        return self.signing_in.begin(visitor, facts)

    def not_tls(self, visitor: Visitor, found: str) -> Verdict:
        """Something that is neither TLS nor HTTP came inside a tunnel: refused and recorded.

        Args:
            visitor: whose tunnel it is.
            found: what was seen, in a few words of ours (never the client's bytes).
        """
        facts = RequestFacts("CONNECT", "", visitor.connect_host or "", 1, "")
        key = UrlKey("", visitor.connect_host or "", visitor.connect_port or 1)
        return self._refuse(visitor, facts, key, RULE_NOT_TLS, found)

    def bad_request(self, visitor: Visitor, facts: RequestFacts | None, problem: str) -> Verdict:
        """Something came that cannot be treated as a request: refused and recorded.

        Args:
            visitor: whose connection it is.
            facts: its head, where that could be read.
            problem: what is wrong with it, in words of ours (never the client's bytes).
        """
        self.people.know_again(visitor)
        visitor.requests += 1
        facts = facts or RequestFacts("", "", "", 0, "")
        facts.login = ""
        return self._refuse(visitor, facts, None, RULE_BAD_REQUEST, problem)
