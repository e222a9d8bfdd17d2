"""Request heads as bytes: what is wrong with one, and what the gate is told of it.

In: a head's fields as (name, value) pairs of bytes, as a lane of the engine read them.
Out: a fault in words; the gate's `RequestFacts`.
Must never: decide; quote what a client sent.

Both lanes call these functions, and forwarding.py for what is sent on, so that no head can be one
thing to one lane and another to the other.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from proxy_addons.addons.fieldroles import (
    ACCEPT,
    CONTENT_LENGTH_FIELD,
    CONTENT_TYPE,
    FETCH_DEST,
    FETCH_MODE,
    FETCH_SITE,
    FETCH_USER,
    FORWARDED_FOR,
    HOST,
    LOGIN,
    PURPOSE,
    RANGE,
    TO_US,
    TOKEN,
    TRANSFER_ENCODING,
    UNSOUND,
    UPGRADE,
    USER_AGENT,
    VIA,
    roles_of,
)
from proxy_addons.content.outgoing import SEVERAL
from proxy_addons.gate.facts import RequestFacts

if TYPE_CHECKING:
    from proxy_addons.addons.fieldroles import Fields

_CONTENT_LENGTH = re.compile(rb"0|[1-9][0-9]{0,17}")  # below 2**63: no reader overflows
_VERSIONS = frozenset({b"HTTP/1.0", b"HTTP/1.1", b"HTTP/2.0"})
# The codings whose end every HTTP/1.1 reader knows (RFC 9112 6.1): chunked is the last.
_TRANSFER_ENCODINGS = frozenset(
    {b"chunked", b"gzip,chunked", b"deflate,chunked", b"compress,chunked"}
)

_TOLD = (
    UPGRADE, ACCEPT, CONTENT_TYPE, FETCH_DEST, VIA, FETCH_MODE, FETCH_SITE, FETCH_USER,
    PURPOSE, RANGE, USER_AGENT,
)  # the gate gets their values  # fmt: skip
_TELLING = TRANSFER_ENCODING  # greater roles are told
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
    if not TOKEN.fullmatch(method):
        return "a method that is no word"
    if method == b"PRI":
        # The preface of HTTP/2: what follows are no requests of HTTP/1.
        return "HTTP/2 in the clear"
    roles = roles_of(fields)
    if UNSOUND in roles:
        return "invalid header name"
    if roles.count(LOGIN) > 1:
        return "more than one Proxy-Authorization field"
    values = b"".join([value for _, value in fields])
    if b"\n" in values or b"\r" in values or b"\0" in values:
        return "a line break or NUL in a header field"
    if CONTENT_LENGTH_FIELD in roles or TRANSFER_ENCODING in roles:
        fault = _fault_of_length(version, fields, roles)
        if fault is not None:
            return fault
    return _fault_of_host(method, version, fields, roles, ascii_only=values.isascii())


def _fault_of_host(
    method: bytes, version: bytes, fields: Fields, roles: list[int], *, ascii_only: bool
) -> str | None:
    """What is wrong with what a head says of its host, apart from what the gate judges."""
    if not ascii_only and not all(
        field[1].isascii() for field, role in zip(fields, roles, strict=True) if role == HOST
    ):
        # RFC 3986 3.2.2. One server reads such octets as UTF-8, another as Latin-1.
        return "a Host that is not ASCII"
    if version == b"HTTP/1.1" and HOST not in roles and method != b"CONNECT":
        # RFC 9112 3.2. Sent on as it is, it would be for whatever site the server has first. A
        # CONNECT is not sent on, and says its host in its target.
        return "no Host field"
    return None


def _fault_of_length(version: bytes, fields: Fields, roles: list[int]) -> str | None:
    """What is wrong with what a head says of its body's length."""
    lengths, codings = roles.count(CONTENT_LENGTH_FIELD), roles.count(TRANSFER_ENCODING)
    if lengths and codings:
        return "message with both transfer-encoding and content-length headers"
    if lengths > 1:
        return "multiple content-length headers"
    if lengths:
        length = fields[roles.index(CONTENT_LENGTH_FIELD)][1]
        return None if _CONTENT_LENGTH.fullmatch(length) else "invalid content-length header"
    if codings > 1:
        return "multiple transfer-encoding headers"
    if version != b"HTTP/1.1":
        return "unexpected HTTP transfer-encoding"
    coding = fields[roles.index(TRANSFER_ENCODING)][1].lower()
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
    roles = roles_of(fields)
    told = dict.fromkeys(_TOLD, "")
    if to_us:
        told |= dict.fromkeys(TO_US, "")
    for role, field in zip(roles, fields, strict=True):
        if role > _TELLING and role in told:
            value = field[1].decode("utf-8", "surrogateescape")
            told[role] = f"{told[role]}, {value}" if told[role] else value
    hosts = roles.count(HOST)
    host = fields[roles.index(HOST)][1].decode("utf-8", "surrogateescape") if hosts else ""
    authority, other = host, target_authority
    if http2 and target_authority:
        authority, other = target_authority, host
    return RequestFacts(
        method,
        other,
        authority,
        hosts,
        path,
        told[ACCEPT],
        told[FETCH_DEST],
        told[UPGRADE].lower(),
        scheme,
        told[CONTENT_TYPE],
        told[VIA],
        told[LOGIN] if to_us else "",
        told[FORWARDED_FOR] if to_us else "",
        told[FETCH_MODE],
        told[FETCH_SITE],
        told[FETCH_USER],
        told[PURPOSE],
        told[RANGE],
        _body_of(fields, roles, http2=http2),
        told[USER_AGENT],
        _length_of(fields, roles),
    )


def _length_of(fields: Fields, roles: list[int]) -> int | None:
    """How long a head says the body is; None where it does not."""
    if CONTENT_LENGTH_FIELD not in roles:
        return None
    length = fields[roles.index(CONTENT_LENGTH_FIELD)][1]
    return int(length) if _CONTENT_LENGTH.fullmatch(length) else None


def _body_of(fields: Fields, roles: list[int], *, http2: bool) -> dict[str, str] | None:
    """What a head says of the request's body; None where there is none.

    In HTTP/2 a body may come without a word of it in the head.
    """
    if CONTENT_LENGTH_FIELD in roles:
        if fields[roles.index(CONTENT_LENGTH_FIELD)][1] == b"0":
            return None
    elif TRANSFER_ENCODING not in roles and not http2:
        return None
    told: dict[str, str] = {}
    for (name, value), role in zip(fields, roles, strict=True):
        key = name.lower()
        if key in _OF_SENT_BODIES:
            word = key.decode("ascii")
            if word in told:
                told[SEVERAL] = word  # servers differ on which of the two counts
            told[word] = value.decode("utf-8", "surrogateescape")
        elif role == TRANSFER_ENCODING and b"," in value:
            # Compressed on the way, besides the chunks: what the body is only the next hop reads.
            told["content-encoding"] = value.decode("latin-1")
    return told
