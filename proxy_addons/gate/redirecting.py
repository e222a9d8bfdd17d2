"""Redirections: the answer of a rule that leads elsewhere, instead of a page.

In: a redirect's target as the policy has it, the refused request. Out: an address, an answer.
Must never: lead elsewhere than the policy says (what is filled in is percent-encoded, and no host);
have a body sent on to where it was not meant for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from proxy_addons.gate.refusal import Answer

if TYPE_CHECKING:
    from proxy_addons.gate.facts import RequestFacts

_FOUND, _SEE_OTHER = 302, 303  # RFC 9110 15.4.3, 15.4.4
_ASKING = frozenset({"GET", "HEAD"})


def target_of(to: str, *, url: str, host: str, rule: str) -> str:
    """Where a redirect leads.

    Args:
        to: as the policy has it (settings/effect_kinds.py).
        url: that was asked for, as the record has it.
        host: that was asked for.
        rule: id of the rule.
    """
    for name, value in (("{url}", url), ("{host}", host), ("{rule}", rule)):
        if name in to:
            to = to.replace(name, quote(value.encode("utf-8", "surrogateescape"), safe=""))
    return to


def can_lead(facts: RequestFacts) -> bool:
    """Whether whoever asked would follow: not for a tunnel, nor for a WebSocket (RFC 6455 4.1)."""
    return facts.method != "CONNECT" and "websocket" not in facts.upgrade


def answer_to(target: str, method: str) -> Answer:
    """The answer that leads there.

    What is not GET or HEAD becomes GET (303): 307 would have the body sent on to another site.

    Args:
        target: visible ASCII.
        method: of the request.
    """
    headers = (
        ("Location", target),
        ("Cache-Control", "no-store"),
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Proxy-Status", 'watchhouse; error=http_request_denied; details="redirect"'),
        ("Referrer-Policy", "no-referrer"),
    )
    status = _FOUND if method in _ASKING else _SEE_OTHER
    return Answer(status, headers, b"This address leads elsewhere here.\n")
