"""Tokens: proof that a page of ours offered this person this deed, on this host, a moment ago.

In: who, where, which deed; a secret that the workers of a gateway share.
Out: a token; a deed again.
Must never: name the person (the page belongs to the refused site's origin, whose scripts could read
it); count for anybody else, for another host, or for longer than a quarter of an hour.

The key is another one each day, made of the secret; that of the day before still counts.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

LIFE = 15 * 60  # seconds
_DAY = 24 * 60 * 60
_MAC = 16  # bytes
_LONGEST = 6000  # characters; what is longer was not made here
_LONGEST_BACK = 1500  # characters of a path that are kept
_FORGED = "This button is not one that the gateway made for you on this page."
_TOO_OLD = "This page is too old: its buttons work for 15 minutes."


class Deed(NamedTuple):
    """What a click does.

    Attributes:
        action: `start-break` and its kin (actions.py).
        argument: minutes, a rule and a site, a version of the statement, a reason; or "".
        back: path and query that were asked for.
        again: whether something was sent there, which nobody but the person can send again.
    """

    action: str
    argument: str = ""
    back: str = "/"
    again: bool = False


class TokenError(Exception):
    """A token that does not count. Its text is ours, and fit for a page."""


class Tokens:
    """Makes tokens, and reads them.

    Args:
        secret: at least 32 bytes, the same for all workers of a gateway.
        clock: wall-clock seconds.
    """

    __slots__ = ("_clock", "_secret")

    def __init__(self, secret: bytes, clock: Callable[[], float]) -> None:
        self._secret = secret
        self._clock = clock

    def make(self, person: str, host: str, deed: Deed) -> str:
        """A token.

        Args:
            person: canonical name.
            host: canonical host of the page that offers it.
            deed: what it does. A path that is too long is cut to what can be gone back to.
        """
        back = deed.back
        if len(back) > _LONGEST_BACK:
            back = back.partition("?")[0]
        if len(back) > _LONGEST_BACK or not back.startswith("/"):
            back = "/"
        expiry = int(self._clock()) + LIFE
        fields = [expiry, deed.action, deed.argument, back, deed.again]
        content = json.dumps(fields, separators=(",", ":")).encode()
        return _text(content + self._mac(person, host, content, expiry))

    def read(self, person: str, host: str, token: str) -> Deed:
        """The deed that a token is for.

        Raises:
            TokenError: it is nobody's, somebody else's, of another host, or too old.
        """
        try:
            expiry, deed, content, mac = _parts(token)
        except (ValueError, RecursionError, binascii.Error):
            # Nothing is done: whoever sent it gets a page that says so.
            raise TokenError(_FORGED) from None
        if not hmac.compare_digest(mac, self._mac(person, host, content, expiry)):
            raise TokenError(_FORGED)
        now = self._clock()
        if not now < expiry <= now + LIFE + 60:  # a minute for another worker's clock
            raise TokenError(_TOO_OLD)
        return deed

    def _mac(self, person: str, host: str, content: bytes, expiry: int) -> bytes:
        day = (expiry - LIFE) // _DAY
        key = hmac.digest(self._secret, b"day %d" % day, hashlib.sha256)
        said = json.dumps([person, host, content.decode("utf-8", "replace")]).encode()
        return hmac.digest(key, said, hashlib.sha256)[:_MAC]


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def _parts(token: str) -> tuple[int, Deed, bytes, bytes]:
    """Expiry, deed, what is signed, and the signature, none of it believed yet.

    Raises:
        ValueError: it is nothing of ours.
        RecursionError: nor is that.
    """
    if len(token) > _LONGEST:
        raise ValueError
    data = base64.b64decode(
        token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True
    )
    content, mac = data[:-_MAC], data[-_MAC:]
    fields = json.loads(content)
    if type(fields) is not list or [type(field) for field in fields] != [int, str, str, str, bool]:
        raise ValueError
    expiry, *deed = fields
    if not 0 <= expiry < 1 << 40:
        raise ValueError
    return expiry, Deed(*deed), content, mac
