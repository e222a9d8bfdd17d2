"""What is open, judged anew when the person it is open for has changed.

In: a visitor; what people.py knows of them now. Out: why their connection has to end, or None.
Must never: leave open what would be refused now because an address cannot be made out any more.

Access that is withdrawn, an exemption that ends or is revoked, another group in the directory, the
end of a break or of a duty: all show as a person other than before. What was decided for the old
one is decided again by the same policy; whatever of the connection would be refused ends all of it,
as HTTP can end no half.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from proxy_addons.gate.names import host_key_of
from proxy_addons.policy.model import TRAITS, Action
from proxy_addons.urlkey import UrlKeyError, request_key
from proxy_addons.urlkey.carriers import CarriedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from proxy_addons.accesslog import Transaction
    from proxy_addons.gate.facts import Visitor
    from proxy_addons.gate.judge import Judgement
    from proxy_addons.gate.people import People
    from proxy_addons.urlkey import UrlKey

    type Judge = Callable[[Visitor, Sequence[UrlKey], str, frozenset[str]], Judgement]

ENDED = "the sign-in has ended"
_UNKNOWN = "access withdrawn: what is open cannot be judged anew"


def why_to_end(visitor: Visitor, people: People, judge: Judge) -> str | None:
    """Why a visitor's connection has to end now, in words for its records; None: it need not.

    Args:
        visitor: looked up anew here.
        people: knows who they are.
        judge: judges names for a visitor by the policy in force.
    """
    people.look(visitor)
    before, visitor.before = visitor.before, None
    if visitor.lapsed and (visitor.connect_host is not None or _relays(visitor)):
        return ENDED
    if before is None or visitor.person == before or not visitor.open:
        return None
    for transaction in visitor.open.values():
        if transaction.action != Action.ALLOW:
            continue
        try:
            judgement = judge(visitor, _names(visitor, transaction), *_form(transaction))
        except (UrlKeyError, CarriedError, ValueError):
            # It was judged once and cannot be now: what is open for it ends.
            return _UNKNOWN
        if judgement.decision.action is not Action.ALLOW:
            only = replace(visitor.person, states=before.states) == before
            why = "no longer allowed" if only else "access withdrawn"
            return f"{why}: now refused by {judgement.decision.rule}"
    return None


def _relays(visitor: Visitor) -> bool:
    """Whether something lasting is open outside a tunnel."""
    return any(transaction.kind == "websocket" for transaction in visitor.open.values())


def _names(visitor: Visitor, transaction: Transaction) -> list[UrlKey]:
    """The names that a transaction was judged by, out of its record and its connection."""
    keys: list[UrlKey] = []
    if transaction.kind != "tunnel" and transaction.url:
        parts = urlsplit(transaction.url)
        path = parts.path or "/"
        keys.append(
            request_key(
                parts.scheme, parts.netloc, f"{path}?{parts.query}" if parts.query else path
            )
        )
    port = visitor.connect_port or transaction.port or 443
    for host in (visitor.connect_host, visitor.sni, transaction.judged_host):
        if host is not None and all(key.host != host for key in keys):
            other = host_key_of(host, port)
            if keys:
                other = keys[0]._replace(host=host, port=port, is_address=other.is_address)
            keys.append(other)
    return keys


def _form(transaction: Transaction) -> tuple[str, frozenset[str]]:
    """Method and traits that it was judged by."""
    method = "CONNECT" if transaction.kind == "tunnel" else (transaction.method or "").upper()
    return method, TRAITS.intersection(transaction.categories)
