"""Two secrets, each promised before either is known: the seed that nobody chose.

In: random octets; what a party reveals. Out: a commitment; whether it is kept; the seed.
Must never: let one party's promise serve for another party, draw or plan: who copies somebody's
commitment, and later their secret, would otherwise take part without a secret of their own.

A commitment is SHA-256 over a salted secret. Nobody can find the secret from it, nor another
secret that fits it. Both are made before either is revealed, so that neither party can choose its
secret by the other's.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from proxy_addons.audit.sampling.octets import packed

if TYPE_CHECKING:
    from collections.abc import Callable

OCTETS: Final = 32
"""Of a secret, and of its salt."""
_COMMITMENT: Final = "watchhouse/dip-sample/commitment/v1"
_SEED: Final = "watchhouse/dip-sample/seed/v1"


class Party(StrEnum):
    """Who has a secret."""

    PSD = "psd"
    SECOND = "second"
    """The auditor, the Federation: whom the plan names."""


class SecretError(ValueError):
    """A text is no secret as `Secret.text` has it. The message does not repeat it."""


@dataclass(frozen=True, slots=True)
class Secret:
    """What a party keeps to itself until it is revealed.

    Attributes:
        salt: 32 random octets.
        secret: 32 random octets.
    """

    salt: bytes = field(repr=False)
    secret: bytes = field(repr=False)

    @classmethod
    def new(cls, entropy: Callable[[int], bytes]) -> Secret:
        """A new one. `entropy` gives so many random octets (`secrets.token_bytes`)."""
        return cls(entropy(OCTETS), entropy(OCTETS))

    @classmethod
    def parse(cls, text: str) -> Secret:
        """From what `text` gave; white space counts for nothing.

        Raises:
            SecretError: it is none.
        """
        try:
            octets = bytes.fromhex("".join(text.split()).replace("-", ""))
        except ValueError as problem:
            # Nothing is revealed.
            raise SecretError("a secret is 128 digits 0-9 and a-f") from problem
        if len(octets) != 2 * OCTETS:
            msg = f"a secret is 128 digits 0-9 and a-f; these are {2 * len(octets)}"
            raise SecretError(msg)
        return cls(octets[:OCTETS], octets[OCTETS:])

    @property
    def text(self) -> str:
        """As its party keeps it: 128 hexadecimal digits, salt first."""
        return self.salt.hex() + self.secret.hex()


def commitment(plan: str, draw: int, party: Party, secret: Secret) -> str:
    """What a party shows before anything is revealed.

    Args:
        plan: reference.
        draw: its number in the plan.
        party: whose it is.
        secret: which is not shown.

    Returns:
        64 hexadecimal digits.
    """
    parts = packed(_COMMITMENT, plan, str(draw), party, secret.salt, secret.secret)
    return sha256(parts).hexdigest()


def keeps(shown: str, plan: str, draw: int, party: Party, secret: Secret) -> bool:
    """Whether a secret is the one that was promised."""
    return hmac.compare_digest(shown, commitment(plan, draw, party, secret))


def seed_of(plan: str, draw: int, psd: Secret, second: Secret) -> bytes:
    """The seed: 32 octets that follow from both secrets, and from nothing that either chose."""
    return sha256(packed(_SEED, plan, str(draw), psd.secret, second.secret)).digest()
