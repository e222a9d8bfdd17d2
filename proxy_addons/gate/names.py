"""All the names that one request goes by: CONNECT host, SNI, Host, :authority, URL, and more.

In: the visitor and the facts of a request. Out: canonical keys, to be judged by the strictest.
Must never: leave a name out because another one agrees with the policy.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from proxy_addons.urlkey import UrlKey, UrlKeyError, authority_key, other_reading, request_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy_addons.gate.facts import RequestFacts, Visitor
    from proxy_addons.gate.resolved import Resolved
    from proxy_addons.urlkey.carriers import Carriers


def names_of(visitor: Visitor, facts: RequestFacts) -> tuple[list[UrlKey], UrlKey]:
    """All names a request goes by, what was asked for first; and the one connected to.

    Args:
        visitor: whose connection it came on.
        facts: its head.

    Raises:
        UrlKeyError: one of them has no single meaning. The request is refused.
    """
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
            _add(keys, facts.authority, 80)
        return keys, reached
    host, port = visitor.connect_host, visitor.connect_port
    authority = facts.authority or (f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    asked = request_key(facts.scheme, authority, facts.path)
    keys = [asked]
    if facts.target_authority:
        _add(keys, facts.target_authority, port)
    if visitor.sni and visitor.sni != asked.host:
        _add(keys, visitor.sni, port)
    if asked.host == host and asked.port == port:
        return keys, asked
    reached = asked._replace(host=host, port=port, is_address=is_address(host))
    # By its port, too: a Host that says another must not be what rules on ports look at.
    if all((key.host, key.port) != (host, port) for key in keys):
        keys.append(reached)
    return keys, reached


def _add(keys: list[UrlKey], authority: str, default_port: int) -> None:
    host, port = authority_key(authority, default_port)
    if all(key.host != host for key in keys):
        keys.append(keys[0]._replace(host=host, port=port, is_address=is_address(host)))


def with_carried(keys: Sequence[UrlKey], carriers: Carriers) -> Sequence[UrlKey]:
    """The names, the address in another reading, and the addresses that they carry.

    Raises:
        CarriedError: one of those cannot be read (urlkey/carriers.py). The request is refused.
    """
    other = other_reading(keys[0].path)
    if other is not None:
        keys = (*keys, keys[0]._replace(path=other))
    if len(keys) == 1:  # nearly always
        inner = carriers.inside(keys[0])
        return (*keys, *inner) if inner else keys
    if not any(found := [carriers.inside(key) for key in keys]):
        return keys
    return tuple(dict.fromkeys((*keys, *chain.from_iterable(found))))


def with_resolved(keys: Sequence[UrlKey], resolved: Resolved) -> Sequence[UrlKey]:
    """The names, and those that an address among them lately stood for."""
    more = [
        key._replace(host=name, is_address=False)
        for key in keys
        if key.is_address
        for name in resolved.names(key.host)
    ]
    return (*keys, *more) if more else keys


def host_key_of(host: str, port: int) -> UrlKey:
    """The key of a host alone, as a tunnel names it."""
    return UrlKey("", host, port, is_address=is_address(host))


def is_address(host: str) -> bool:
    """Whether a canonical host is an address: only in those is the last label a number."""
    return ":" in host or host.rpartition(".")[2].isdigit()
