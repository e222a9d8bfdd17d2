"""The record of a draw, and its replay: with the roster, anybody gets the same people.

In: what was written down of a draw; the roster as it was. Out: the people who were drawn, or what
is not as it was written down.
Must never: ask the store: whoever doubts a draw has the record alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from proxy_addons.audit.sampling.commitment import Party, Secret, SecretError, keeps, seed_of
from proxy_addons.audit.sampling.drawing import draw
from proxy_addons.audit.sampling.roster import digest_of, snapshot
from proxy_addons.audit.sampling.strata import weeks_of
from proxy_addons.standing.weeks import Week

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy_addons.audit.sampling.drawing import Drawn
    from proxy_addons.audit.sampling.strata import Entry

VERSION: Final = 1


class ReplayError(ValueError):
    """A draw cannot be replayed, or was not as its record says; the text says where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawRecord:
    """All that a draw follows from, but for the roster's names.

    Attributes:
        plan: reference.
        number: of the draw in the plan, from 1.
        reason: why it was drawn again; "" for the first.
        first_week: of the period.
        weeks: how many.
        size: person-weeks asked for.
        roster_digest: of the roster's hashes.
        roster_salt: hexadecimal digits.
        roster_hashes: one for each person.
        psd_commitment: of professional standards' secret.
        second_commitment: of the second party's.
        psd_secret: as revealed (`Secret.text`).
        second_secret: the same.
        tickets: of the person-weeks that were drawn, in their order.
    """

    plan: str
    number: int
    reason: str
    first_week: Week
    weeks: int
    size: int
    roster_digest: str
    roster_salt: str = field(repr=False)
    roster_hashes: tuple[str, ...] = field(repr=False)
    psd_commitment: str
    second_commitment: str
    psd_secret: str = field(repr=False)
    second_secret: str = field(repr=False)
    tickets: tuple[str, ...] = field(repr=False)

    def as_json(self) -> str:
        """To hand over."""
        said: dict[str, Any] = {
            name: getattr(self, name)
            for name in self.__dataclass_fields__
            if name not in {"first_week", "roster_hashes", "tickets"}
        }
        said |= {
            "version": VERSION,
            "first_week": self.first_week.monday.isoformat(),
            "roster_hashes": list(self.roster_hashes),
            "tickets": list(self.tickets),
        }
        return json.dumps(said, indent=1, sort_keys=True) + "\n"

    @classmethod
    def parse(cls, text: str) -> DrawRecord:
        """From what `as_json` gave.

        Raises:
            ReplayError: it is no record.
        """
        try:
            said = json.loads(text)
            version = said.pop("version")
            said["first_week"] = Week.of(date.fromisoformat(said["first_week"]))
            for name in ("roster_hashes", "tickets"):
                said[name] = tuple(map(str, said[name]))
            found = cls(**said)
        except (ValueError, TypeError, KeyError, AttributeError) as problem:
            # Nothing is replayed.
            raise ReplayError("this is no record of a draw") from problem
        if version != VERSION:
            msg = f"this record has the form {version!r}; this program reads {VERSION}"
            raise ReplayError(msg)
        return found


def replay(record: DrawRecord, roster: Iterable[Entry]) -> tuple[Drawn, ...]:
    """Draw again, and check each promise on the way.

    Args:
        record: of the draw.
        roster: everybody who could be drawn, in any order.

    Returns:
        The person-weeks that were drawn, as `draw` gives them.

    Raises:
        ReplayError: a secret is not the one that was promised, somebody was left out of the roster
            or put in, or the tickets are others than those recorded.
        RosterError: the roster cannot be drawn from.
    """
    entries = tuple(roster)
    secrets = [_revealed(record, party) for party in Party]
    if digest_of(record.roster_hashes) != record.roster_digest:
        raise ReplayError("the record's list of the roster is not the one that was recorded")
    seen = snapshot(entries, bytes.fromhex(record.roster_salt))
    if seen.hashes != record.roster_hashes:
        more = len(set(seen.hashes) - set(record.roster_hashes))
        less = len(set(record.roster_hashes) - set(seen.hashes))
        msg = (
            "this is not the roster that was drawn from:"
            f" {more} of its entries were not in it, and {less} that were are missing"
        )
        raise ReplayError(msg)
    seed = seed_of(record.plan, record.number, *secrets)
    drawn = draw(seed, entries, weeks_of(record.first_week, record.weeks), record.size)
    if tuple(each.ticket for each in drawn) != record.tickets:
        raise ReplayError("other person-weeks are drawn than those recorded")
    return drawn


def _revealed(record: DrawRecord, party: Party) -> Secret:
    shown, text = {
        Party.PSD: (record.psd_commitment, record.psd_secret),
        Party.SECOND: (record.second_commitment, record.second_secret),
    }[party]
    try:
        secret = Secret.parse(text)
    except SecretError as problem:
        # Nothing is replayed.
        msg = f"the secret of the party {party} is not whole"
        raise ReplayError(msg) from problem
    if not keeps(shown, record.plan, record.number, party, secret):
        msg = f"the secret of the party {party} is not the one it committed to"
        raise ReplayError(msg)
    return secret


HOW_TO_REPLAY: Final = """\
How to replay a dip-sample draw, with nothing but SHA-256 and HMAC (RFC 2104)

pack(a, b, ...) is, for each part in turn, its length in octets as 8 octets, the most significant
first, and then its octets; texts are UTF-8. hex is lower case. Numbers are decimal texts.

1. Promises. A revealed secret is 64 octets in hex: first 32 of salt, then 32 of the secret itself.
   The commitment of a party ("psd" or "second") has to be
     SHA-256(pack("watchhouse/dip-sample/commitment/v1", plan, draw, party, salt, secret)).
2. Roster. Each person has a service (officer, staff, other) and a unit. The hash of an entry is
     HMAC-SHA256(roster salt, pack("watchhouse/dip-sample/roster-entry/v1", service, unit, person)).
   Sorted ascending in hex they have to be the record's list, and its digest
     SHA-256(pack("watchhouse/dip-sample/roster/v1", hash, hash, ...)), each hash as its hex text.
3. Seed = SHA-256(pack("watchhouse/dip-sample/seed/v1", plan, draw, PSD's secret, second secret)),
   both without their salts.
4. Shares. A stratum is a service and a unit; its size is its people times the weeks. T is the size
   asked for, but at least the number of strata and at most all person-weeks. N is all
   person-weeks. Every stratum with T x size < N gives one; take one from T and its size from N for
   each, and look again until there is none. Each other gives the whole part of T x size / N; what
   is left of T goes one each by largest remainder, then larger size, then service and unit in order
   of their code points.
5. Tickets. A week is named as in ISO 8601, 2026-W47; it begins on Monday, 00:00 in the force's
   zone. The ticket of a person-week is
     HMAC-SHA256(seed, pack("watchhouse/dip-sample/ticket/v1", week, service, unit, person)).
   The lowest tickets of each stratum are drawn, as many as its share. Sorted by ticket they are the
   samples 1, 2, 3 and so on, and have to be the record's list of tickets.
"""
"""For whoever trusts no program of ours: it says all that the draw does."""
