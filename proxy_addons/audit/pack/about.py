"""What a pack is about: what its maker knows and the sealed log does not say.

In: nothing. Out: the types that a pack is made of.
Must never: hold a record; decide what may be seen (that is done before: authority, desk).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from proxy_addons.audit.store import At

SECRET: Final = 32
"""Octets of the secret that salts of details are made from."""
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


class PackError(Exception):
    """No pack was made. The text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Whole:
    """Whose records of which time a pack is to be complete for.

    Attributes:
        since: first moment, aware.
        until: first moment that is outside again.
        person: canonical name; "": `client` is given.
        client: address, of records of which no person is known.
    """

    since: datetime
    until: datetime
    person: str = ""
    client: str = ""

    @property
    def who(self) -> dict[str, str]:
        """As a record would say it."""
        return {"person": self.person} if self.person else {"client_ip": self.client}


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that befell the records on their way into the pack.

    Attributes:
        at: when, RFC 3339.
        who: did it.
        what: in words.
    """

    at: str
    who: str
    what: str


@dataclass(frozen=True, slots=True)
class About:
    """What is said beside the records.

    Attributes:
        id: of the pack: letters, digits, `.`, `_` and `-`.
        title: of the report, in a few words.
        authorisation: reference of the authorisation.
        details: of the authorisation, by field; each can be withheld by itself.
        question: what was asked, and with which parameters.
        counts: what the engine counted, by name.
        maker: who made the pack.
        software: version of Watchhouse.
        engine: what answered the question, with its version.
        list_versions: of category lists in force.
        policy_versions: in force.
        identity: how a request became a person's, in words.
        clock: state of the clock, in words.
        custody: what befell the records, oldest first.
        limitations: further known limitations, each a sentence.
    """

    id: str
    title: str
    authorisation: str
    maker: str
    software: str
    engine: str
    identity: str
    clock: str
    details: Mapping[str, Any] = field(default_factory=dict)
    question: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    list_versions: tuple[str, ...] = ()
    policy_versions: tuple[str, ...] = ()
    custody: tuple[Event, ...] = ()
    limitations: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise PackError(f"{self.id[:80]!r} is no name of a pack: letters, digits, . _ and -")


@dataclass(frozen=True, slots=True)
class Redactions:
    """What is withheld.

    Attributes:
        lines: of which only the hash is given.
        fields: of records: a line in which one of them says something is withheld, and what its
            other fields say stands in `extracts.jsonl`.
        details: of the authorisation: only a salted hash is given.
    """

    lines: frozenset[At] = frozenset()
    fields: frozenset[str] = frozenset()
    details: frozenset[str] = frozenset()
