"""What each field of a request's head is to us, by its name.

In: names of fields as bytes. Out: roles.
Must never: take a name that is none (RFC 9110 5.1) for a field without a role.

What is not sent on, and why:

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
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

type Fields = Sequence[tuple[bytes, bytes]]

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 5.6.2

# What a field is to us. Fields that are nothing in particular have the role 0. Those from UPGRADE
# on are told (heads.py).
(
    PLAIN,
    UNSOUND,
    DROPPED,
    CONNECTION,
    HOST,
    CONTENT_LENGTH_FIELD,
    TRANSFER_ENCODING,
    UPGRADE,
    ACCEPT,
    CONTENT_TYPE,
    FETCH_DEST,
    VIA,
    FETCH_MODE,
    FETCH_SITE,
    FETCH_USER,
    PURPOSE,
    RANGE,
    IF_RANGE,
    CODINGS,
    LOGIN,
    FORWARDED_FOR,
    USER_AGENT,
) = range(22)
TO_US = (LOGIN, FORWARDED_FOR)  # told where the request is for us, and never sent on

ROLES = {
    # Of this hop only, or credentials for us (RFC 9110 7.6.1, 11.7.2).
    b"proxy-authorization": LOGIN,
    b"proxy-connection": DROPPED,
    b"http2-settings": DROPPED,
    b"keep-alive": DROPPED,
    # Whom a proxy speaks for.
    b"forwarded": DROPPED,
    b"x-forwarded-for": FORWARDED_FOR,
    b"x-forwarded": DROPPED,
    b"x-real-ip": DROPPED,
    b"x-client-ip": DROPPED,
    b"client-ip": DROPPED,
    b"true-client-ip": DROPPED,
    b"x-cluster-client-ip": DROPPED,
    b"cf-connecting-ip": DROPPED,
    b"x-originating-ip": DROPPED,
    b"x-remote-ip": DROPPED,
    b"x-remote-addr": DROPPED,
    b"x-forwarded-port": DROPPED,
    b"x-forwarded-proto": DROPPED,
    # Another host or path than the one that was judged.
    b"x-forwarded-host": DROPPED,
    b"x-forwarded-server": DROPPED,
    b"x-host": DROPPED,
    b"x-http-host-override": DROPPED,
    b"x-original-host": DROPPED,
    b"x-original-url": DROPPED,
    b"x-rewrite-url": DROPPED,
    b"connection": CONNECTION,
    b"upgrade": UPGRADE,
    b"host": HOST,
    b"content-length": CONTENT_LENGTH_FIELD,
    b"transfer-encoding": TRANSFER_ENCODING,
    b"accept": ACCEPT,
    b"content-type": CONTENT_TYPE,
    b"sec-fetch-dest": FETCH_DEST,
    b"sec-fetch-mode": FETCH_MODE,
    b"sec-fetch-site": FETCH_SITE,
    b"sec-fetch-user": FETCH_USER,
    # What browsers call fetching ahead of any wish, in the order of their age.
    b"x-moz": PURPOSE,
    b"x-purpose": PURPOSE,
    b"purpose": PURPOSE,
    b"sec-purpose": PURPOSE,
    b"user-agent": USER_AGENT,
    b"via": VIA,
    b"range": RANGE,
    b"if-range": IF_RANGE,
    b"accept-encoding": CODINGS,
}
# Roles by the spelling that was sent: most heads hold the same twenty names, spelt the same. Other
# names, which a client may invent without end, are looked at anew each time.
_REMEMBERED = 4096
_known: dict[bytes, int] = {}


def _role(name: bytes) -> int:
    role = _known.get(name)
    if role is None:
        role = ROLES.get(name.lower(), PLAIN) if TOKEN.fullmatch(name) else UNSOUND
        if len(_known) < _REMEMBERED and len(name) <= 64:
            _known[name] = role
    return role


def roles_of(fields: Fields) -> list[int]:
    """The role of each field. One look into a dict for each: this runs for every request."""
    roles = [_known.get(name) for name, _ in fields]
    if None in roles:
        return [_role(name) for name, _ in fields]
    return cast("list[int]", roles)
