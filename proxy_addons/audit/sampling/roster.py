"""What a roster was, without its names: a salted hash of each entry, and one of them all.

In: a roster, a salt. Out: hashes to keep; whether somebody, or a whole roster, is as it was.
Must never: be made after a secret was revealed: somebody could then be left out who would be drawn.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from proxy_addons.audit.sampling.octets import packed
from proxy_addons.audit.sampling.strata import strata_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy_addons.audit.sampling.strata import Entry

SALT: Final = 32  # octets
_ENTRY: Final = "watchhouse/dip-sample/roster-entry/v1"
_ROSTER: Final = "watchhouse/dip-sample/roster/v1"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A roster as it was.

    Attributes:
        salt: 32 random octets. Whoever has it can try names.
        hashes: one for each entry, in ascending order, 64 hexadecimal digits each.
        digest: of all of them.
    """

    salt: bytes = field(repr=False)
    hashes: tuple[str, ...] = field(repr=False)
    digest: str

    def has(self, entry: Entry) -> bool:
        """Whether somebody was in it, in that stratum."""
        return _hash(self.salt, entry) in self.hashes


def snapshot(roster: Iterable[Entry], salt: bytes) -> Snapshot:
    """Of a roster.

    Raises:
        RosterError: it cannot be drawn from.
    """
    entries = tuple(roster)
    strata_of(entries)
    hashes = tuple(sorted(_hash(salt, entry) for entry in entries))
    return Snapshot(salt, hashes, digest_of(hashes))


def digest_of(hashes: Iterable[str]) -> str:
    """The hash of all hashes, in ascending order."""
    return sha256(packed(_ROSTER, *sorted(hashes))).hexdigest()


def _hash(salt: bytes, entry: Entry) -> str:
    parts = packed(_ENTRY, entry.stratum.service, entry.stratum.unit, entry.person)
    return hmac.digest(salt, parts, "sha256").hex()
