"""What of a request's head goes on to the next hop, for both lanes.

In: the fields of a head without a fault (heads.py); what the gate said of it.
Out: the fields as they are sent.
Must never: send on what is between the client and us alone (fieldroles.py says what that is).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from proxy_addons.addons.fieldroles import (
    CODINGS,
    CONNECTION,
    DROPPED,
    HOST,
    IF_RANGE,
    RANGE,
    TO_US,
    UPGRADE,
    roles_of,
)
from proxy_addons.content.coding import acceptable

if TYPE_CHECKING:
    from proxy_addons.addons.fieldroles import Fields

_NOT_SENT_ON = frozenset({DROPPED, *TO_US})
_NOT_SENT_ON_BUT_FOR_WEBSOCKETS = _NOT_SENT_ON | {UPGRADE}
_OF_PARTS = frozenset({RANGE, IF_RANGE})
# Not to be taken away by naming them in `Connection`: they say where the request goes and ends,
# or stop loops. `Connection` itself is written anew.
_NOT_OF_A_HOP = frozenset(
    {b"host", b"content-length", b"transfer-encoding", b"via", b"connection", b"upgrade"}
)
_ORDINARY = frozenset({b"keep-alive", b"Keep-Alive", b"close"})


def forward_fields(
    fields: Fields,
    *,
    websocket: bool,
    via: bytes | None,
    host: bytes | None = None,
    watched: bool = False,
    part: str | None = None,
) -> list[tuple[bytes, bytes]]:
    """The fields that a request has on the next hop, in the order they came.

    Args:
        fields: as sent, without a fault (`fault_of_head`).
        websocket: whether this is an upgrade to WebSocket that is let through.
        via: what we say of ourselves in `Via` (RFC 9110 7.6.3), such as `1.1 pseudonym`, or None.
        host: what `Host` has to say, where that is not what the client said (RFC 9112 3.2.2: a
            proxy sends that of the target). None leaves it.
        watched: whether the answer is looked at: then only codings are asked for that can be read.
        part: the `Range` to send in place of the client's; "" for none; None for the client's own.
    """
    roles = roles_of(fields)
    unwanted = _NOT_SENT_ON if websocket else _NOT_SENT_ON_BUT_FOR_WEBSOCKETS
    if part is not None:
        unwanted |= _OF_PARTS
    if watched and CODINGS in roles:
        fields = _with_readable(fields, roles)
    if not unwanted.isdisjoint(roles):
        fields = [field for field, role in zip(fields, roles, strict=True) if role not in unwanted]
        roles = [role for role in roles if role not in unwanted]
    kept = list(fields)
    if host is not None:
        first = roles.index(HOST) if HOST in roles else None
        if first is None:
            kept.insert(0, (b"Host", host))
            roles.insert(0, HOST)
        else:
            # There is one: more are a request that the gate refuses.
            kept[first] = (kept[first][0], host)
    if CONNECTION in roles and (
        roles.count(CONNECTION) > 1 or kept[roles.index(CONNECTION)][1] not in _ORDINARY
    ):
        kept = _without_hop(kept, roles, websocket=websocket)
    if part:
        kept.append((b"Range", part.encode("ascii")))
    if via is not None:
        kept.append((b"Via", via))
    return kept


def _with_readable(fields: Fields, roles: list[int]) -> Fields:
    """The same fields, which ask for codings that can be read only; themselves where they do."""
    first = fields[roles.index(CODINGS)]
    if roles.count(CODINGS) == 1 and _readable(first[1]) == first[1]:
        return fields
    return [
        (field[0], _readable(field[1])) if role == CODINGS else field
        for field, role in zip(fields, roles, strict=True)
    ]


@lru_cache(maxsize=256)
def _readable(codings: bytes) -> bytes:
    return acceptable(codings.decode("latin-1")).encode("latin-1")


def _without_hop(
    fields: list[tuple[bytes, bytes]], roles: list[int], *, websocket: bool
) -> list[tuple[bytes, bytes]]:
    """Takes out what `Connection` names, and says anew what of it holds for the next hop."""
    pairs = list(zip(fields, roles, strict=True))
    connection = b",".join([field[1] for field, role in pairs if role == CONNECTION])
    words, named = [], set()
    for word in connection.split(b","):
        name = word.strip().lower()
        if name in {b"close", b"keep-alive"} or (name == b"upgrade" and websocket):
            words.append(word.strip())
        elif name not in _NOT_OF_A_HOP:
            named.add(name)
    kept = []
    for field, role in pairs:
        if role != CONNECTION:
            if field[0].lower() not in named:
                kept.append(field)
        elif words:
            kept.append((field[0], b", ".join(words)))
            words = []  # said once
    return kept
