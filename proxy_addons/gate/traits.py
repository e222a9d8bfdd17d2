"""Traits: what the form of a request says of it, as categories that rules can name.

In: the facts of a request. Out: names of `policy.model.TRAITS`, which count like categories.
Must never: decide. Whether DNS over HTTPS or a WebSocket is allowed is for the policy to say.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy_addons.gate.facts import RequestFacts

NONE: frozenset[str] = frozenset()
_DNS = frozenset({"dns-over-https"})
_WEBSOCKET = frozenset({"websocket"})

# RFC 8484 6, RFC 9230 (oblivious), and the JSON that some public servers speak.
_DNS_TYPES = re.compile(
    r"application/(?:dns-message|dns-json|oblivious-dns-message|dns-udpwireformat)"
)
_DNS_QUERY = re.compile(r"[?&]dns=([A-Za-z0-9_-]{22,})")
_HEADER = 12  # octets of a DNS message before its question (RFC 1035 4.1.1)


def traits_of(facts: RequestFacts) -> frozenset[str]:
    """The traits of a request; for nearly all of them none.

    Args:
        facts: its head.
    """
    if "dns" in facts.accept.lower() or facts.content_type or "dns=" in facts.path or facts.upgrade:
        found = _DNS if _asks_names(facts) else NONE
        return found | _WEBSOCKET if facts.upgrade == "websocket" else found
    return NONE


def _asks_names(facts: RequestFacts) -> bool:
    """Whether a request is DNS over HTTPS, by its types (POST) or by its query (GET)."""
    if _DNS_TYPES.search(facts.accept.lower()) or _DNS_TYPES.search(facts.content_type.lower()):
        return True
    match = _DNS_QUERY.search(facts.path)
    if match is None:
        return False
    text = match[1]
    try:
        message = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return False  # no base64 and so no DNS message: judged as any other request
    # A query (QR 0, opcode 0) with one question: chance gives that once in some millions.
    return len(message) > _HEADER and not message[2] & 0xF8 and message[4:6] == b"\0\1"
