"""What can be asked of the API, and what it answers: types, from which the document is made too.

In: the query of a request. Out: one of these queries; answers that msgspec writes as JSON.
Must never: take a parameter that it does not know (a filter that was misspelt would be none), or
one that is given twice.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - read by msgspec
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from proxy_addons.accesslog.record import FIELDS
from proxy_addons.audit.store import Dimension  # noqa: TC001 - read by msgspec
from proxy_addons.portal.api.problems import ProblemError
from proxy_addons.portal.psd.asked import asked

if TYPE_CHECKING:
    from datetime import tzinfo

    from multidict import MultiMapping

    from proxy_addons.audit.store import Question

type Reference = Annotated[
    str,
    Meta(pattern="^[A-Za-z0-9-]{1,32}$", examples=["AU-2026-0001"]),
]
# `\S`: what is blank would ask for nothing, and so for everything.
type Text = Annotated[str, Meta(pattern=r"\S", max_length=512)]
type Moment = Annotated[
    datetime,
    Meta(tz=True, description="RFC 3339 with a zone; write `+` as `%2B`, or use `Z`."),
]
type After = Annotated[
    str,
    Meta(
        pattern="^[A-Za-z0-9_=:.-]{1,512}$",
        description="`next` of the page before, as it was given.",
    ),
]
MOST: Final = 1000
"""Rows of one page, at most."""


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No parameter."""


class Filters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which records: all that is given must be true of a record."""

    authorisation: Annotated[
        Reference, Meta(description="The authorisation that the token is bound to.")
    ]
    since: Moment | None = None
    until: Moment | None = None
    person: Annotated[
        Text, Meta(description="As records show it: a pseudonym where names are not shown.")
    ] = ""
    client: Annotated[Text, Meta(description="Address of the client.")] = ""
    host: Annotated[Text, Meta(description="This host and its subdomains.")] = ""
    category: Annotated[Text, Meta(description="One of the record's categories.")] = ""
    rule: Annotated[Text, Meta(description="Id of the rule that decided.")] = ""
    file_type: Annotated[Text, Meta(description="Type of a file that was found.")] = ""
    text: Annotated[Text, Meta(description="In the URL, whatever the case.")] = ""
    action: Literal["", "allow", "coach", "redirect", "block"] = ""


class Records(Filters, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A page of records."""

    order: Literal["newest", "oldest"] = "newest"
    limit: Annotated[int, Meta(ge=1, le=MOST, description="Records of one page.")] = 100
    after: After = ""


class Counts(Filters, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How many, by one dimension."""

    by: Annotated[Dimension, Meta(description="By what they are counted.")]


class Exported(Filters, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All records as a file."""

    form: Annotated[Literal["csv", "jsonl", "parquet"], Meta(description="Which kind of file.")]
    order: Literal["newest", "oldest"] = "newest"


class Looks(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who looked."""

    person: Annotated[Text, Meta(description="Login name.")] = ""
    authorisation: Annotated[Reference, Meta(description="Of any authorisation.")] = ""
    event: Literal[
        "", "look", "export", "step", "draw", "hold", "disposal", "collateral", "erasure", "alert"
    ] = ""  # fmt: skip
    since: Moment | None = None
    until: Moment | None = None
    after: After = ""


type Query = Nothing | Records | Counts | Exported | Looks


def read[T: Query](wanted: type[T], query: MultiMapping[str]) -> T:
    """A query, read.

    Args:
        wanted: what the route takes.
        query: of the request.

    Raises:
        ProblemError: a parameter is not known, given twice, or not what the document says.
    """
    values: dict[str, Any] = {}
    known = {each.encode_name: each for each in msgspec.structs.fields(wanted)}
    for name, text in query.items():
        if name not in known:
            words = ", ".join(known) or "none"
            raise ProblemError("wrong-query", f"The parameters are: {words}.")
        if name in values:
            raise ProblemError("wrong-query", f"{name} is given twice.")
        if not text:
            # `""` is how a struct says "not given"; whoever writes `person=` means something else.
            raise ProblemError("wrong-query", f"{name} is empty; leave it out.")
        values[name] = int(text) if name == "limit" and _is_number(text) else text
    try:
        found = msgspec.convert(values, wanted)
    except msgspec.ValidationError as problem:
        # It says the name and what was expected, and nothing of what was sent.
        raise ProblemError("wrong-query", f"{problem}.") from None
    since, until = getattr(found, "since", None), getattr(found, "until", None)
    if since is not None and until is not None and since >= until:
        raise ProblemError("wrong-range", "until must be after since.")
    return found


def question_of(found: Filters, zone: tzinfo) -> Question:
    """The question of some filters: as an address of the console would ask it.

    Args:
        found: the filters.
        zone: the force's.
    """
    typed = {
        name: value
        for name, value in msgspec.structs.asdict(found).items()
        if isinstance(value, str)
    }
    wanted = asked(typed, zone)
    if wanted.problems:
        # The types have caught what can be wrong; this is for a rule that only the console has.
        name, words = wanted.problems[0]
        raise ProblemError("wrong-query", f"{name}: {words}.")
    return replace(wanted.question, since=found.since, until=found.until)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10


# --- answers --------------------------------------------------------------------------------------

_TYPES: Final[Mapping[str, Any]] = {
    "string": str,
    "integer": int,
    "number": float,
    "timestamp": Annotated[str, Meta(extra_json_schema={"format": "date-time"})],
    "strings": list[str],
    "boolean": bool,
}

Record = msgspec.defstruct(
    "Record",
    [
        ("segment", Annotated[str, Meta(description="Name of the segment of its line.")]),
        ("line", Annotated[int, Meta(description="Its place in there, from 0.", ge=0)]),
        (
            "masked",
            Annotated[bool, Meta(description="Whether its site is of a special category.")],
        ),
        *(
            (field.name, Annotated[_TYPES[field.type] | None, Meta(description=field.meaning)])
            for field in FIELDS
        ),
    ],
    namespace={"__doc__": "A record. Null: not known, does not apply, or may not be seen."},
)


class Page(msgspec.Struct, frozen=True):
    """A page of records.

    Attributes:
        records: in the order that was asked for.
        next: `after` of the next page; null: this is the last one.
        total: how many records there are, also beyond the cap.
        capped: whether there would be more rows, beyond what the authorisation allows.
        masked: whether sites of special categories are masked.
        pseudonymous: whether names are replaced by pseudonyms.
        fields: that may be seen; others are null.
        since: first moment that the authorisation covers.
        until: first one that it does not any more.
        gaps: what is known to be missing, in words.
    """

    records: list[Any]
    next: str | None
    total: int
    capped: bool
    masked: bool
    pseudonymous: bool
    fields: list[str]
    since: datetime
    until: datetime
    gaps: list[str]


class Counted(msgspec.Struct, frozen=True):
    """Records of one kind.

    Attributes:
        key: a name, a day, an hour by the force's clock, an hour of the week (0: Monday, midnight).
        records: how many.
        refused: of these.
        octets: up and down.
    """

    key: str
    records: int
    refused: int
    octets: int


class CountsFound(msgspec.Struct, frozen=True):
    """How many records there are.

    Attributes:
        by: the dimension.
        counts: the most frequent first, times in their order; at most 2000.
        total: of all.
        masked: whether sites of special categories are masked.
        pseudonymous: whether names are replaced by pseudonyms.
        since: first moment that the authorisation covers.
        until: first one that it does not any more.
        gaps: what is known to be missing, in words.
    """

    by: Dimension
    counts: list[Counted]
    total: Counted
    masked: bool
    pseudonymous: bool
    since: datetime
    until: datetime
    gaps: list[str]


class Right(msgspec.Struct, frozen=True):
    """An authorisation that the token can be used for now.

    Attributes:
        reference: of it.
        kind: what it is for.
        begins: first moment of its records.
        ends: first moment after them.
        valid_until: when it ends, if nobody ends it before.
        token_ends: when the token ends.
    """

    reference: str
    kind: str
    begins: datetime
    ends: datetime
    valid_until: datetime
    token_ends: datetime


class Rights(msgspec.Struct, frozen=True):
    """What the token can be used for.

    Attributes:
        token: its reference, which the trail names.
        role: that it has.
        authorisations: one, or none: for an auditor, or where it does not hold yet.
    """

    token: str
    role: str
    authorisations: list[Right]


class Look(msgspec.Struct, frozen=True):
    """One record of the trail (docs/authority.md).

    Attributes:
        id: its number.
        at: when, RFC 3339.
        event: kind.
        person: who.
        how: the name was known; `token:` and a reference: by the API.
        authorisation: reference, or "".
        question: what was asked.
        outcome: what came of it.
        segment: where its line is.
        line: its place in there, from 0.
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


class Trail(msgspec.Struct, frozen=True):
    """Records of the trail, the newest first.

    Attributes:
        records: of this page.
        next: `after` of the next page; null: this is the last one.
        problems: what could not be read, in words.
    """

    records: list[Look]
    next: str | None
    problems: list[str]
