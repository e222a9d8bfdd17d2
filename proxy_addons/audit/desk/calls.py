"""What can be asked of the desk about records: each call names its authorisation.

In: nothing. Out: types of calls and of their answers (wire.py says how they travel).
Must never: carry bounds: the desk reads the authorisation, and makes them itself.
"""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - read by msgspec
from typing import Any

import msgspec

from proxy_addons.audit.desk.wire import Call
from proxy_addons.audit.store import Count, Dimension, Page, Question, Row


class Found(msgspec.Struct, frozen=True):
    """What a search gave.

    Attributes:
        page: some rows.
        total: of all that fit, also beyond the cap of rows.
        masked: whether sites of special categories are masked.
        pseudonymous: whether names are replaced by pseudonyms.
        fields: that may be seen.
        since: first moment that is covered.
        until: first one that is not any more.
        counts: by each dimension of the call, in its order.
        gaps: what is known to be missing.
    """

    page: Page
    total: Count
    masked: bool
    pseudonymous: bool
    fields: frozenset[str]
    since: datetime
    until: datetime
    counts: tuple[tuple[Count, ...], ...] = ()
    gaps: tuple[str, ...] = ()


class Search(Call[Found], frozen=True):
    """A page of rows, how many there are, and how many by some dimensions: one look."""

    answer = Found
    authorisation: str
    question: Question
    most: int = 100
    after: str = ""
    by: tuple[Dimension, ...] = ()


class Export(Call[Row], frozen=True):
    """All rows, one after the other; `form` goes to the trail."""

    answer = Row
    streams = True
    authorisation: str
    question: Question
    form: str


class Made(msgspec.Struct, frozen=True):
    """A pack, in the folder of packs.

    Attributes:
        name: of the file.
        octets: of it.
        sha256: in hexadecimal digits; "" where it was made before.
        lines: that it shows.
        withheld: lines of which it has the hash alone.
        statement: what it proves, in words.
    """

    name: str
    octets: int
    sha256: str
    lines: int
    withheld: int
    statement: str


class MakePack(Call[Made], frozen=True):
    """An evidence pack of all rows.

    Attributes:
        note: why it is made, for the record of custody.
    """

    answer = Made
    authorisation: str
    question: Question
    note: str


class FetchPack(Call[Made], frozen=True):
    """Whether a pack may be handed out; recorded as that."""

    answer = Made
    authorisation: str
    name: str


class Live(msgspec.Struct, frozen=True):
    """What happened since.

    Attributes:
        rows: the oldest first.
        ends: when the authority ends.
        since: what to ask the next time with.
    """

    rows: tuple[Row, ...]
    ends: datetime
    since: str


class Newer(Call[Live], frozen=True):
    """Records that are new since the last time; under an authorisation for live observation only.

    Attributes:
        since: of the last answer; "" at first, which gives none yet.
    """

    answer = Live
    authorisation: str
    since: str = ""


class Noted(msgspec.Struct, frozen=True):
    """One record of the trail.

    Attributes:
        id: its number.
        at: when.
        event: kind.
        person: who.
        how: the name was known.
        authorisation: reference, or "".
        question: as it was asked.
        outcome: what came of it.
        segment: where its line is.
        line: place in there.
    """

    id: str
    at: str
    event: str
    person: str
    how: str
    authorisation: str
    question: dict[str, Any]
    outcome: dict[str, Any]
    segment: str
    line: int


class TrailFound(msgspec.Struct, frozen=True):
    """Some records of the trail, the newest first; `after` asks the next page."""

    records: tuple[Noted, ...]
    after: str = ""
    problems: tuple[str, ...] = ()


class ReadTrail(Call[TrailFound], frozen=True):
    """Records of the trail: for auditors. Empty fields ask for nothing."""

    answer = TrailFound
    person: str = ""
    authorisation: str = ""
    event: str = ""
    since: datetime | None = None
    until: datetime | None = None
    after: str = ""
