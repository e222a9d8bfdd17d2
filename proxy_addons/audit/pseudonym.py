"""Pseudonyms: what stands for a person where names are not shown.

In: a key, a canonical name. Out: `P-7KQ2M4XHTC`, always the same for the same two.
Must never: be told apart from chance without the key; spell a word.

Ten symbols of 25: two of 50,000 people share one with a chance of 1 in 75,000.
"""

from __future__ import annotations

import hmac
from typing import Final

PREFIX: Final = "P-"
_SYMBOLS: Final = "23456789CDFGHJKMNPQRTVWXY"
"""No vowels; none of 0 1 B I L O S U Z, which are taken for others."""
_LENGTH: Final = 10


def pseudonym(key: bytes, name: str) -> str:
    """What stands for a name.

    Args:
        key: a secret; another one gives other pseudonyms.
        name: canonical, as records have it.
    """
    number = int.from_bytes(hmac.digest(key, name.encode("utf-8", "surrogatepass"), "sha256"))
    symbols = []
    for _ in range(_LENGTH):
        number, place = divmod(number, len(_SYMBOLS))
        symbols.append(_SYMBOLS[place])
    return PREFIX + "".join(symbols)
