"""The text of a token: `wh_`, 256 random bits, a checksum.

In: random octets; what a client sent. Out: a token; whether a text has the form of one; its digest.
Must never: make one from less than 256 bits.

The prefix and the checksum (CRC-32) are for scanners of source code, which then know a token that
was left in a file from other text. They say nothing of the rest.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import zlib
from typing import Final

PREFIX: Final = "wh_"
OCTETS: Final = 32
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LONG: Final = 43  # digits of 256 bits at base 62
_CHECK: Final = 6  # digits of 32 bits
_FORM: Final = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_LONG + _CHECK}}}", re.ASCII)


def token_of(octets: bytes) -> str:
    """A token.

    Args:
        octets: 32 random ones.
    """
    assert len(octets) == OCTETS
    body = PREFIX + _digits(int.from_bytes(octets), _LONG)
    return body + _check(body)


def has_form(text: str) -> bool:
    """Whether a text can be a token at all. Anybody can work this out: it protects nothing."""
    if _FORM.fullmatch(text) is None:
        return False
    return hmac.compare_digest(_check(text[:-_CHECK]), text[-_CHECK:])


def digest(token: str) -> str:
    """What is kept of a token: 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def _check(body: str) -> str:
    return _digits(zlib.crc32(body.encode()), _CHECK)


def _digits(number: int, long: int) -> str:
    found = []
    for _ in range(long):
        number, digit = divmod(number, len(_DIGITS))
        found.append(_DIGITS[digit])
    return "".join(reversed(found))
