"""Records and refusals: what a decision leaves in the access log and shows to the person.

In: a visitor, the facts of a request, a judgement or a problem.
Out: open log records; verdicts with their page.
Must never: decide; refuse without a record.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from proxy_addons.accesslog.transaction import unrecorded
from proxy_addons.gate import metrics
from proxy_addons.gate.blockpage import render
from proxy_addons.gate.challenge import STATUS, challenge, for_tunnel
from proxy_addons.gate.facts import Course, RequestFacts, Verdict
from proxy_addons.gate.judge import in_order
from proxy_addons.gate.masking import is_masked, without_query
from proxy_addons.gate.own_doing import is_own_doing
from proxy_addons.gate.refusal import NO_HELP, Refusal
from proxy_addons.gate.rules import RULE_SIGN_IN_REQUIRED
from proxy_addons.identity.addresses import UNIDENTIFIED
from proxy_addons.policy.model import Action

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.accesslog import AccessLog, Transaction
    from proxy_addons.gate.basis import Basis
    from proxy_addons.gate.facts import Visitor
    from proxy_addons.gate.judge import Judgement
    from proxy_addons.gate.refusal import Answer, Help
    from proxy_addons.policy.model import Moment
    from proxy_addons.urlkey import UrlKey

# Of a tunnel nobody knows what the person did in it.
_OF_REQUESTS = frozenset({"http", "https", "websocket"})
_DEFAULT_PORT = {"http": 80, "ws": 80, "https": 443, "wss": 443}


class Recorder:
    """Begins records, and makes refusals.

    Args:
        log: the access log of this worker.
        basis: gives the basis in force.
        now: gives the present moment.
        used: told when a decision rests on an exemption, by its reference.
    """

    def __init__(
        self,
        log: AccessLog,
        basis: Callable[[], Basis],
        now: Callable[[], Moment],
        used: Callable[[str], None],
    ) -> None:
        self._used = used
        self._log = log
        self._basis = basis
        self._now = now

    def begin(
        self,
        visitor: Visitor,
        facts: RequestFacts,
        key: UrlKey | None,
        *,
        kind: str,
        handling: str,
        at: float | None = None,
    ) -> Transaction:
        """Begin the record of a request or tunnel."""
        person = visitor.person
        basis = self._basis()
        index = basis.index
        transaction = self._log.begin(at=at)
        # One by one: by keyword, each name would be looked up once more.
        transaction.person = person.name
        transaction.person_how = person.how
        transaction.claimed = person.claimed
        transaction.client_ip = visitor.client_ip
        transaction.client_port = visitor.client_port
        transaction.balancer_ip = visitor.balancer
        transaction.states = in_order(person.states)
        transaction.kind = kind
        transaction.method = facts.method
        transaction.url = self._url_unjudged(key, facts, basis)
        transaction.host = key.host if key else visitor.connect_host
        transaction.port = key.port if key else visitor.connect_port or None
        transaction.sni = visitor.sni
        transaction.profile = person.profile
        transaction.exemption = person.exemption
        transaction.handling = handling
        if key is not None and kind in _OF_REQUESTS:
            transaction.opened = is_own_doing(facts)
        transaction.list_version = index.version if index else None
        transaction.policy_version = basis.settings.policy_version
        transaction.bytes_up = transaction.bytes_down = 0
        return transaction

    def note(self, transaction: Transaction, judgement: Judgement) -> None:
        """Put a judgement into a record."""
        decision = judgement.decision
        transaction.categories = judgement.categories
        transaction.action = str(decision.action)
        transaction.rule = decision.rule
        transaction.clause = decision.clause
        transaction.reason = decision.reason
        transaction.profile = decision.profile
        if not decision.exempted:
            transaction.exemption = None  # without it the same would have been decided
        elif transaction.exemption is not None:
            self._used(transaction.exemption)
        if transaction.url is not None:
            transaction.url = self.recordable(transaction.url, judgement)
        if decision.action is not Action.ALLOW:
            transaction.would_block = None
        elif would := judgement.would_block:
            self.tried(transaction, would)
        if judgement.host != transaction.host:
            transaction.judged_host = judgement.host

    @staticmethod
    def tried(transaction: Transaction, rule: str) -> None:
        """A rule on trial would not have let pass what does. The first that shows stays."""
        if transaction.would_block is None:
            transaction.would_block = rule
            metrics.count_would_block(rule)

    def refuse_by_policy(
        self,
        visitor: Visitor,
        facts: RequestFacts,
        key: UrlKey,
        judgement: Judgement,
        page: str = "policy",
        offer: Help = NO_HELP,
        transaction: Transaction | None = None,
    ) -> Verdict:
        """Refuse what a rule of the policy does not let through.

        Args:
            visitor: whose request it is.
            facts: its head.
            key: its canonical address.
            judgement: of it.
            page: which to give (refusal.py).
            offer: what the person can do about it.
            transaction: its record, where it was let through and what came back is refused.
        """
        transaction = self._refused(visitor, facts, key, judgement, transaction)
        decision = judgement.decision
        refusal = replace(
            self.refusal(visitor, facts, full_url(key, facts), key.host, page, "", transaction.id),
            decision=decision,
            help=offer,
            judged=judgement.host if judgement.host != key.host else "",
        )
        metrics.count_refusal(page)
        return Verdict(Course.REFUSE, render(refusal), transaction)

    def lead(
        self,
        visitor: Visitor,
        facts: RequestFacts,
        key: UrlKey,
        judgement: Judgement,
        answer: Answer,
        transaction: Transaction | None = None,
    ) -> Verdict:
        """Refuse what a rule of the policy redirects, with the answer that leads elsewhere.

        Args:
            visitor: whose request it is.
            facts: its head.
            key: its canonical address.
            judgement: of it.
            answer: that leads elsewhere.
            transaction: as of `refuse_by_policy`.
        """
        transaction = self._refused(visitor, facts, key, judgement, transaction)
        metrics.count_refusal("redirect")
        return Verdict(Course.REFUSE, answer, transaction)

    def _refused(
        self,
        visitor: Visitor,
        facts: RequestFacts,
        key: UrlKey,
        judgement: Judgement,
        transaction: Transaction | None,
    ) -> Transaction:
        """The record of what a rule does not let through."""
        if transaction is None:
            kind = "connect" if facts.method == "CONNECT" else ("https" if visitor.tls else "http")
            transaction = self.begin(
                visitor,
                facts,
                key,
                kind=kind,
                handling="none" if kind == "connect" else "inspected" if visitor.tls else "plain",
            )
        self.note(transaction, judgement)
        metrics.count(str(judgement.decision.action), judgement.decision.rule)
        return transaction

    def url_of(self, key: UrlKey, facts: RequestFacts, judgement: Judgement) -> str:
        """The address of a judged request as its record has it."""
        return self.recordable(full_url(key, facts), judgement)

    def recordable(self, url: str, judgement: Judgement) -> str:
        """An address of a judged request as a record may have it."""
        policy = self._basis().decider.policy
        if policy.masks and is_masked(policy, judgement.categories, judgement.keys):
            return without_query(url)
        return url

    def _url_unjudged(self, key: UrlKey | None, facts: RequestFacts, basis: Basis) -> str:
        """The address for the record of a request that is not judged yet, or never will be."""
        url, policy = full_url(key, facts), basis.decider.policy
        if not policy.masks or "?" not in url:
            return url
        if key is None or basis.index is None:
            return without_query(url)  # nobody can tell what site it is of
        masked = is_masked(policy, basis.index.lookup(key), (key,))
        return without_query(url) if masked else url

    def refuse(
        self,
        visitor: Visitor,
        facts: RequestFacts,
        key: UrlKey | None,
        kind: str,
        rule: str,
        problem: str,
    ) -> Verdict:
        """Refuse what no rule of the policy decided.

        Args:
            visitor: whose request it is.
            facts: what is known of it.
            key: its canonical address, where it has one.
            kind: which page to give (refusal.py).
            rule: id of ours for record and metrics.
            problem: what is wrong, in words of ours; shown, so without anything secret.
        """
        record_kind = (
            "connect" if facts.method == "CONNECT" else ("https" if visitor.tls else "http")
        )
        transaction = self.begin(visitor, facts, key, kind=record_kind, handling="none")
        transaction.action = "block"
        transaction.rule = rule
        transaction.error = problem
        metrics.count("block", rule)
        metrics.count_refusal(kind)
        answer = render(
            self.refusal(
                visitor,
                facts,
                full_url(key, facts),
                key.host if key else "",
                kind,
                problem,
                transaction.id,
            )
        )
        return Verdict(Course.REFUSE, answer, transaction)

    def ask(
        self, visitor: Visitor, facts: RequestFacts, key: UrlKey | None, offers: tuple[str, ...]
    ) -> Verdict:
        """Ask who sends a request. Nothing is decided, and no record is kept of the asking."""
        metrics.count_refusal("sign-in-required")
        if facts.method == "CONNECT":
            answer = for_tunnel(offers, self._basis().settings.page.contact)
        else:
            page = self.refusal(
                visitor,
                facts,
                full_url(key, facts),
                key.host if key else "",
                "sign-in-required",
                "",
                "",
            )
            answer = challenge(render(page), offers)
        return Verdict(Course.REFUSE, answer, unrecorded())

    def never_said(self, visitor: Visitor, method: str, key: UrlKey | None, times: int) -> None:
        """Record that a client went without ever saying who it is."""
        facts = RequestFacts(method, "", "", 1, key.path if key else "")
        kind = "connect" if method == "CONNECT" else "http"
        transaction = self.begin(visitor, facts, key, kind=kind, handling="none")
        transaction.action, transaction.rule = "block", RULE_SIGN_IN_REQUIRED
        transaction.person = transaction.exemption = None
        transaction.person_how = UNIDENTIFIED
        metrics.count("block", RULE_SIGN_IN_REQUIRED)
        said = "once" if times == 1 else f"{times} times"
        transaction.finish(status=STATUS, error=f"asked {said} to sign in; no answer")

    def refusal(
        self,
        visitor: Visitor,
        facts: RequestFacts,
        url: str,
        host: str,
        kind: str,
        problem: str,
        reference: str,
    ) -> Refusal:
        """What the page says, without a decision of the policy."""
        return Refusal(
            url=url,
            host=host,
            method=facts.method,
            decision=None,
            kind=kind,
            reference=reference,
            person=visitor.person.name,
            page=self._basis().settings.page,
            moment=self._now().local,
            detail=problem,
            accept=facts.accept,
            sec_fetch_dest=facts.fetch_dest,
        )


def full_url(key: UrlKey | None, facts: RequestFacts) -> str:
    """The whole address, for pages: host in canonical form, the rest as it was sent.

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
