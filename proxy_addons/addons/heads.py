"""Request heads as bytes: what is wrong with one, what the gate is told of it, what is sent on.

In: a head's fields as (name, value) pairs of bytes, as a lane of the engine read them.
Out: a fault in words; the gate's `RequestFacts`; the fields for the next hop.
Must never: decide; quote what a client sent; send on what is between the client and us alone.

Both lanes call these functions, so that no head can be one thing to one lane and another to the
other. What is not sent on, and why:

- fields of this hop (RFC 9110 7.6.1): what `Connection` names, `Keep-Alive`, `Proxy-Connection`,
  upgrades other than to WebSocket with their `HTTP2-Settings`; credentials for us (11.7.2);
- fields in which a proxy says whom it speaks for (`X-Forwarded-For`, `Forwarded` of RFC 7239 and
  their kin). From a client they are forged, or tell the web about addresses inside. Squid adds to
  such a field by default, E2Guardian passes it; this gateway says nothing about its clients;
- fields in which a proxy names another host or path than the request's own (`X-Forwarded-Host`,
  `X-Original-URL` and their kin): servers that heed them answer for an address nobody judged.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from proxy_addons.content.coding import acceptable
from proxy_addons.content.outgoing import SEVERAL
from proxy_addons.gate.facts import RequestFacts

if TYPE_CHECKING:
    from collections.abc import Sequence

type Fields = Sequence[tuple[bytes, bytes]]

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 5.6.2
_CONTENT_LENGTH = re.compile(rb"0|[1-9][0-9]{0,17}")  # below 2**63: no reader overflows
_VERSIONS = frozenset({b"HTTP/1.0", b"HTTP/1.1", b"HTTP/2.0"})
# The codings whose end every HTTP/1.1 reader knows (RFC 9112 6.1): chunked is the last.
_TRANSFER_ENCODINGS = frozenset(
    {b"chunked", b"gzip,chunked", b"deflate,chunked", b"compress,chunked"}
)

# What a field is to us. Fields that are nothing in particular have the role 0.
(
    _PLAIN,
    _UNSOUND,
    _DROPPED,
    _CONNECTION,
    _HOST,
    _CONTENT_LENGTH_FIELD,
    _TRANSFER_ENCODING,
    _UPGRADE,
    _ACCEPT,
    _CONTENT_TYPE,
    _FETCH_DEST,
    _VIA,
    _FETCH_MODE,
    _FETCH_SITE,
    _FETCH_USER,
    _PURPOSE,
    _RANGE,
    _IF_RANGE,
    _CODINGS,
    _LOGIN,
    _FORWARDED_FOR,
    _USER_AGENT,
) = range(22)
_TOLD = (
    _UPGRADE, _ACCEPT, _CONTENT_TYPE, _FETCH_DEST, _VIA, _FETCH_MODE, _FETCH_SITE, _FETCH_USER,
    _PURPOSE, _RANGE, _USER_AGENT,
)  # the gate gets their values  # fmt: skip
_TELLING = _TRANSFER_ENCODING  # greater roles are told
_TO_US = (_LOGIN, _FORWARDED_FOR)  # told where the request is for us, and never sent on
_NOT_SENT_ON = frozenset({_DROPPED, *_TO_US})
_OF_PARTS = frozenset({_RANGE, _IF_RANGE})
_NOT_SENT_ON_BUT_FOR_WEBSOCKETS = _NOT_SENT_ON | {_UPGRADE}

_ROLES = {
    # Of this hop only, or credentials for us (RFC 9110 7.6.1, 11.7.2).
    b"proxy-authorization": _LOGIN,
    b"proxy-connection": _DROPPED,
    b"http2-settings": _DROPPED,
    b"keep-alive": _DROPPED,
    # Whom a proxy speaks for.
    b"forwarded": _DROPPED,
    b"x-forwarded-for": _FORWARDED_FOR,
    b"x-forwarded": _DROPPED,
    b"x-real-ip": _DROPPED,
    b"x-client-ip": _DROPPED,
    b"client-ip": _DROPPED,
    b"true-client-ip": _DROPPED,
    b"x-cluster-client-ip": _DROPPED,
    b"cf-connecting-ip": _DROPPED,
    b"x-originating-ip": _DROPPED,
    b"x-remote-ip": _DROPPED,
    b"x-remote-addr": _DROPPED,
    b"x-forwarded-port": _DROPPED,
    b"x-forwarded-proto": _DROPPED,
    # Another host or path than the one that was judged.
    b"x-forwarded-host": _DROPPED,
    b"x-forwarded-server": _DROPPED,
    b"x-host": _DROPPED,
    b"x-http-host-override": _DROPPED,
    b"x-original-host": _DROPPED,
    b"x-original-url": _DROPPED,
    b"x-rewrite-url": _DROPPED,
    b"connection": _CONNECTION,
    b"upgrade": _UPGRADE,
    b"host": _HOST,
    b"content-length": _CONTENT_LENGTH_FIELD,
    b"transfer-encoding": _TRANSFER_ENCODING,
    b"accept": _ACCEPT,
    b"content-type": _CONTENT_TYPE,
    b"sec-fetch-dest": _FETCH_DEST,
    b"sec-fetch-mode": _FETCH_MODE,
    b"sec-fetch-site": _FETCH_SITE,
    b"sec-fetch-user": _FETCH_USER,
    # What browsers call fetching ahead of any wish, in the order of their age.
    b"x-moz": _PURPOSE,
    b"x-purpose": _PURPOSE,
    b"purpose": _PURPOSE,
    b"sec-purpose": _PURPOSE,
    b"user-agent": _USER_AGENT,
    b"via": _VIA,
    b"range": _RANGE,
    b"if-range": _IF_RANGE,
    b"accept-encoding": _CODINGS,
}
# Not to be taken away by naming them in `Connection`: they say where the request goes and ends,
# or stop loops. `Connection` itself is written anew.
_NOT_OF_A_HOP = frozenset(
    {b"host", b"content-length", b"transfer-encoding", b"via", b"connection", b"upgrade"}
)
# Of requests: also those by which programs say that they send a part of a file (tus, S3).
_OF_SENT_BODIES = frozenset(
    {b"content-type", b"content-encoding", b"content-disposition", b"content-range",
     b"upload-offset"}
)  # fmt: skip
CHALLENGE = 407
"""Status of answers that no server may give: whoever gets it takes it for a question of ours."""
OF_PROXIES = frozenset({b"proxy-authenticate", b"proxy-authentication-info"})
"""Fields of answers between a client and us alone (RFC 9110 11.7.1, 11.7.3), in lower case."""
ASKS_FOR_US = "a challenge to sign in at a proxy (407), which no site may make"

_ORDINARY = frozenset({b"keep-alive", b"Keep-Alive", b"close"})

# Roles by the spelling that was sent: most heads hold the same twenty names, spelt the same. Other
# names, which a client may invent without end, are looked at anew each time.
_REMEMBERED = 4096
_known: dict[bytes, int] = {}


def _role(name: bytes) -> int:
    role = _known.get(name)
    if role is None:
        role = _ROLES.get(name.lower(), _PLAIN) if _TOKEN.fullmatch(name) else _UNSOUND
        if len(_known) < _REMEMBERED and len(name) <= 64:
            _known[name] = role
    return role


def _roles(fields: Fields) -> list[int]:
    """The role of each field. One look into a dict for each: this runs for every request."""
    roles = [_known.get(name) for name, _ in fields]
    if None in roles:
        return [_role(name) for name, _ in fields]
    return cast("list[int]", roles)


def fault_of_head(method: bytes, version: bytes, fields: Fields) -> str | None:
    """What is wrong with a request's head, in words that quote nothing of it; None when sound.

    Sound is what every reader reads the same way: RFC 9110 5.1 and 5.5 (names and values), RFC 9112
    6.1 and 6.3 (the body's length), stricter where they leave a choice.

    Args:
        method: as sent.
        version: `HTTP/1.0`, `HTTP/1.1` or `HTTP/2.0`.
        fields: as sent.
    """
    if version not in _VERSIONS:
        return "a version of HTTP that is unknown"
    if not _TOKEN.fullmatch(method):
        return "a method that is no word"
    if method == b"PRI":
        # The preface of HTTP/2: what follows are no requests of HTTP/1.
        return "HTTP/2 in the clear"
    roles = _roles(fields)
    if _UNSOUND in roles:
        return "invalid header name"
    if roles.count(_LOGIN) > 1:
        return "more than one Proxy-Authorization field"
    values = b"".join([value for _, value in fields])
    if b"\n" in values or b"\r" in values or b"\0" in values:
        return "a line break or NUL in a header field"
    if _CONTENT_LENGTH_FIELD in roles or _TRANSFER_ENCODING in roles:
        fault = _fault_of_length(version, fields, roles)
        if fault is not None:
            return fault
    return _fault_of_host(method, version, fields, roles, ascii_only=values.isascii())


def _fault_of_host(
    method: bytes, version: bytes, fields: Fields, roles: list[int], *, ascii_only: bool
) -> str | None:
    """What is wrong with what a head says of its host, apart from what the gate judges."""
    if not ascii_only and not all(
        field[1].isascii() for field, role in zip(fields, roles, strict=True) if role == _HOST
    ):
        # RFC 3986 3.2.2. One server reads such octets as UTF-8, another as Latin-1.
        return "a Host that is not ASCII"
    if version == b"HTTP/1.1" and _HOST not in roles and method != b"CONNECT":
        # RFC 9112 3.2. Sent on as it is, it would be for whatever site the server has first. A
        # CONNECT is not sent on, and says its host in its target.
        return "no Host field"
    return None


def _fault_of_length(version: bytes, fields: Fields, roles: list[int]) -> str | None:
    """What is wrong with what a head says of its body's length."""
    lengths, codings = roles.count(_CONTENT_LENGTH_FIELD), roles.count(_TRANSFER_ENCODING)
    if lengths and codings:
        return "message with both transfer-encoding and content-length headers"
    if lengths > 1:
        return "multiple content-length headers"
    if lengths:
        length = fields[roles.index(_CONTENT_LENGTH_FIELD)][1]
        return None if _CONTENT_LENGTH.fullmatch(length) else "invalid content-length header"
    if codings > 1:
        return "multiple transfer-encoding headers"
    if version != b"HTTP/1.1":
        return "unexpected HTTP transfer-encoding"
    coding = fields[roles.index(_TRANSFER_ENCODING)][1].lower()
    words = b",".join([word.strip(b" \t") for word in coding.split(b",")])
    return None if words in _TRANSFER_ENCODINGS else "unknown transfer-encoding header"


def facts_of_head(
    fields: Fields,
    *,
    method: str,
    scheme: str,
    path: str,
    target_authority: str = "",
    http2: bool = False,
    to_us: bool = False,
) -> RequestFacts:
    """What the gate is told of a request's head.

    Args:
        fields: as sent.
        method: as sent.
        scheme: `http` or `https`.
        path: origin-form target: path and query.
        target_authority: the authority of an absolute-form target, or `:authority`; else "".
        http2: whether the head is HTTP/2, where `:authority` goes before `Host` (RFC 9113 8.3.1).
        to_us: whether it came outside a tunnel: only there can it say who sends it.
    """
    roles = _roles(fields)
    told = dict.fromkeys(_TOLD, "")
    if to_us:
        told |= dict.fromkeys(_TO_US, "")
    for role, field in zip(roles, fields, strict=True):
        if role > _TELLING and role in told:
            value = field[1].decode("utf-8", "surrogateescape")
            told[role] = f"{told[role]}, {value}" if told[role] else value
    hosts = roles.count(_HOST)
    host = fields[roles.index(_HOST)][1].decode("utf-8", "surrogateescape") if hosts else ""
    authority, other = host, target_authority
    if http2 and target_authority:
        authority, other = target_authority, host
    return RequestFacts(
        method,
        other,
        authority,
        hosts,
        path,
        told[_ACCEPT],
        told[_FETCH_DEST],
        told[_UPGRADE].lower(),
        scheme,
        told[_CONTENT_TYPE],
        told[_VIA],
        told[_LOGIN] if to_us else "",
        told[_FORWARDED_FOR] if to_us else "",
        told[_FETCH_MODE],
        told[_FETCH_SITE],
        told[_FETCH_USER],
        told[_PURPOSE],
        told[_RANGE],
        _body_of(fields, roles, http2=http2),
        told[_USER_AGENT],
        _length_of(fields, roles),
    )


def _length_of(fields: Fields, roles: list[int]) -> int | None:
    """How long a head says the body is; None where it does not."""
    if _CONTENT_LENGTH_FIELD not in roles:
        return None
    length = fields[roles.index(_CONTENT_LENGTH_FIELD)][1]
    return int(length) if _CONTENT_LENGTH.fullmatch(length) else None


def _body_of(fields: Fields, roles: list[int], *, http2: bool) -> dict[str, str] | None:
    """What a head says of the request's body; None where there is none.

    In HTTP/2 a body may come without a word of it in the head.
    """
    if _CONTENT_LENGTH_FIELD in roles:
        if fields[roles.index(_CONTENT_LENGTH_FIELD)][1] == b"0":
            return None
    elif _TRANSFER_ENCODING not in roles and not http2:
        return None
    told: dict[str, str] = {}
    for (name, value), role in zip(fields, roles, strict=True):
        key = name.lower()
        if key in _OF_SENT_BODIES:
            word = key.decode("ascii")
            if word in told:
                told[SEVERAL] = word  # servers differ on which of the two counts
            told[word] = value.decode("utf-8", "surrogateescape")
        elif role == _TRANSFER_ENCODING and b"," in value:
            # Compressed on the way, besides the chunks: what the body is only the next hop reads.
            told["content-encoding"] = value.decode("latin-1")
    return told


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
    roles = _roles(fields)
    unwanted = _NOT_SENT_ON if websocket else _NOT_SENT_ON_BUT_FOR_WEBSOCKETS
    if part is not None:
        unwanted |= _OF_PARTS
    if watched and _CODINGS in roles:
        fields = _with_readable(fields, roles)
    if not unwanted.isdisjoint(roles):
        fields = [field for field, role in zip(fields, roles, strict=True) if role not in unwanted]
        roles = [role for role in roles if role not in unwanted]
    kept = list(fields)
    if host is not None:
        first = roles.index(_HOST) if _HOST in roles else None
        if first is None:
            kept.insert(0, (b"Host", host))
            roles.insert(0, _HOST)
        else:
            # There is one: more are a request that the gate refuses.
            kept[first] = (kept[first][0], host)
    if _CONNECTION in roles and (
        roles.count(_CONNECTION) > 1 or kept[roles.index(_CONNECTION)][1] not in _ORDINARY
    ):
        kept = _without_hop(kept, roles, websocket=websocket)
    if part:
        kept.append((b"Range", part.encode("ascii")))
    if via is not None:
        kept.append((b"Via", via))
    return kept


def _with_readable(fields: Fields, roles: list[int]) -> Fields:
    """The same fields, which ask for codings that can be read only; themselves where they do."""
    first = fields[roles.index(_CODINGS)]
    if roles.count(_CODINGS) == 1 and _readable(first[1]) == first[1]:
        return fields
    return [
        (field[0], _readable(field[1])) if role == _CODINGS else field
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
    connection = b",".join([field[1] for field, role in pairs if role == _CONNECTION])
    words, named = [], set()
    for word in connection.split(b","):
        name = word.strip().lower()
        if name in {b"close", b"keep-alive"} or (name == b"upgrade" and websocket):
            words.append(word.strip())
        elif name not in _NOT_OF_A_HOP:
            named.add(name)
    kept = []
    for field, role in pairs:
        if role != _CONNECTION:
            if field[0].lower() not in named:
                kept.append(field)
        elif words:
            kept.append((field[0], b", ".join(words)))
            words = []  # said once
    return kept
