"""A subject access export: somebody's own records, to be read, without what is about others.

In: rows that an authorisation of kind `subject-access` gave, names of the subject and of others.
Out: a page, a table, JSON; in each of them what was cut, and why.
Must never: show a record of somebody else; show of others what a rule names; cut without saying so.

What is cut of addresses (UK GDPR Article 15(4): the copy does not affect the rights of others):
    sign-in     what stands before an @ in front of the host, and is not the subject's
    e-mail      e-mail addresses that are not the subject's, also percent-encoded
    name        login names of others, where they stand as a word by themselves; and what somebody
                wrote down besides: a word, or several that follow each other (`Kim Smith`)
    encoding    what is percent-encoded five times and more
    address     what is no address
Where a parameter's value has any of these, the whole value is cut; a part of a path likewise.
Words of the explanation (`reason`) go by the same rules. Rules find what has such a form and no
more: somebody reads the export before it goes out.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus, urlsplit, urlunsplit

from proxy_addons.policy.people import canonical_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from zoneinfo import ZoneInfo

    from proxy_addons.audit.store import Row

CUT: Final = "[cut: {}]"
COLUMNS: Final[Mapping[str, str]] = {
    "start": "When",
    "host": "Site",
    "url": "Address",
    "categories": "Kind of site",
    "action": "What the proxy did",
    "reason": "Why",
    "method": "Kind of request",
    "status": "Answer",
    "bytes_up": "Octets sent",
    "bytes_down": "Octets received",
    "client_ip": "Your computer's address",
}
"""Fields that are given, and what they are called. Others are about how the proxy works."""
EXPLAINED: Final = (
    (
        "These are the records that the force's web proxy kept of requests made with your sign-in,"
        " for the time shown. A request is not always something that you did: pages load pictures"
        " and advertisements of other sites by themselves, and programs ask for updates."
    ),
    (
        "Records are kept for a set time and then erased; what was erased before this copy was made"
        " cannot be given."
    ),
    (
        "Parts of addresses that name other people were cut to protect them, and are marked"
        " [cut: ...] with the rule by which they were."
    ),
    "You may ask for a review of what was cut, and complain to the Information Commissioner.",
)
_EMAIL: Final = re.compile(r"[^\s/?&=;:,<>()\[\]\"']+@[^\s/?&=;:,<>()\[\]\"'@]+\.[^\s/?&=;:,@]{2,}")
_WORD: Final = re.compile(r"[^\W_]+(?:[.'-][^\W_]+)*")
_PART: Final = re.compile(r"[^\W_]+")
SHOWN: Final = 200
"""Addresses from which something was cut that are told one by one."""
_DEEP: Final = 5
"""So many times something may be percent-encoded."""


class SubjectAccessError(ValueError):
    """The export is not made. The text says why."""


@dataclass(frozen=True)
class Subject:
    """Whose export it is.

    Attributes:
        name: canonical login name.
        own: e-mail addresses and other identifiers of theirs, which are not cut.
        others: login names of other people, and other words about them, which are.
    """

    name: str
    own: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()

    @cached_property
    def mine(self) -> frozenset[str]:
        """What is the subject's, whatever its case."""
        return frozenset(each.casefold() for each in (self.name, *self.own))

    @cached_property
    def words(self) -> frozenset[str]:
        """What is one word of others."""
        return frozenset(each.casefold() for each in self.others if _WORD.fullmatch(each))

    @cached_property
    def phrases(self) -> tuple[str, ...]:
        """What is more than a word, as its parts with a space around each."""
        several = (each for each in self.others if not _WORD.fullmatch(each))
        return tuple(sorted({parts for each in several if (parts := _parts(each)).strip()}))


@dataclass(frozen=True, slots=True)
class Cut:
    """One address from which something was cut.

    Attributes:
        when: its record began, as the export says it.
        recorded: the address, or the explanation, as it is recorded.
        given: as it is given.
    """

    when: str
    recorded: str
    given: str


@dataclass(frozen=True, slots=True)
class Export:
    """What is given.

    Attributes:
        files: by name: `records.html`, `records.csv`, `records.json`.
        records: how many.
        cut: how often each rule cut something.
        cuts: where, of the first ones.
    """

    files: Mapping[str, bytes]
    records: int
    cut: Mapping[str, int]
    cuts: tuple[Cut, ...] = ()


def export(
    rows: Iterable[Row],
    subject: Subject,
    authorisation: str,
    zone: ZoneInfo,
    period: tuple[datetime, datetime] | None = None,
) -> Export:
    """Make an export.

    Args:
        rows: that the authorisation gave, with names.
        subject: whose.
        authorisation: its reference.
        zone: in which times are shown.
        period: first moment that it covers, and the first that it does not any more.

    Raises:
        SubjectAccessError: a row is not the subject's, or does not say whose it is.
    """
    cut: Counter[str] = Counter()
    made: list[dict[str, Any]] = []
    cuts: list[Cut] = []
    for row in rows:
        person = row.values.get("person")
        if not isinstance(person, str) or canonical_name(person) != canonical_name(subject.name):
            # Nothing is given out: the authorisation, or the question, was another one.
            raise SubjectAccessError(f"{row.at.segment}, line {row.at.line}: not the subject's")
        made.append(_said(row, subject, zone, cut, cuts))
    head = {"authorisation": authorisation, "records": len(made), "cut": dict(cut)}
    if period is not None:
        head |= dict(zip(("since", "until"), (_moment(each, zone) for each in period), strict=True))
    files = {
        "records.html": _html(made, head),
        "records.csv": _csv(made),
        "records.json": json.dumps(
            {**head, "explained": EXPLAINED, "rows": made}, indent=1
        ).encode(),
    }
    return Export(files, len(made), dict(cut), tuple(cuts))


def redacted(url: str, subject: Subject, cut: Counter[str]) -> str:
    """An address without what is about others.

    Args:
        url: as recorded.
        subject: whose record it is.
        cut: counts what was cut, by rule.
    """
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")
    except ValueError:
        # No address that could be taken apart: all of it may be anything.
        cut["address"] += 1
        return CUT.format("address")
    where = parts.netloc
    if host[1] and _rule(host[0].partition(":")[0], subject, sign_in=True):
        cut["sign-in"] += 1
        where = CUT.format("sign-in") + "@" + host[2]
    elif ":" in host[0]:
        where = host[0].partition(":")[0] + "@" + host[2]  # a password is nobody's to read
    path = "/".join(_piece(each, subject, cut) for each in parts.path.split("/"))
    query = "&".join(_pair(each, subject, cut) for each in parts.query.split("&"))
    fragment = "&".join(_pair(each, subject, cut) for each in parts.fragment.split("&"))
    return urlunsplit((parts.scheme, where, path, query, fragment))


def named(text: str, subject: Subject) -> frozenset[str]:
    """Which of the words about others stand in a text that is not encoded."""
    words = {each.casefold() for each in _WORD.findall(text)}
    found = (words - subject.mine) & subject.words
    if subject.phrases:
        parts = _parts(text)
        found |= {each.strip() for each in subject.phrases if each in parts}
    return frozenset(found)


def _pair(text: str, subject: Subject, cut: Counter[str]) -> str:
    key, equals, value = text.partition("=")
    return _piece(key, subject, cut) + equals + _piece(value, subject, cut)


def _piece(text: str, subject: Subject, cut: Counter[str]) -> str:
    rule = _rule(text, subject)
    if not rule:
        return text
    cut[rule] += 1
    return CUT.format(rule)


def _rule(text: str, subject: Subject, *, sign_in: bool = False) -> str:
    """The rule by which a piece is cut; "": by none."""
    for _ in range(_DEEP):
        plain = unquote_plus(text)
        if plain == text:
            break
        text = plain
    else:
        return "encoding"
    own = subject.mine
    if sign_in:
        return "" if text.casefold() in own else "sign-in"
    if any(each.casefold() not in own for each in _EMAIL.findall(text)):
        return "e-mail"
    return "name" if named(text, subject) else ""


def _parts(text: str) -> str:
    """Its letters and digits, whatever stands between them: ` kim smith `."""
    return f" {' '.join(each.casefold() for each in _PART.findall(text))} "


def _moment(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).isoformat(sep=" ", timespec="seconds")


def _said(
    row: Row, subject: Subject, zone: ZoneInfo, cut: Counter[str], cuts: list[Cut]
) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for name in COLUMNS:
        value = row.values.get(name)
        if isinstance(value, datetime):
            value = _moment(value, zone)
        elif name in {"url", "reason"} and isinstance(value, str):
            how = redacted if name == "url" else _piece
            given = how(value, subject, cut)
            if given != value and len(cuts) < SHOWN:
                cuts.append(Cut(str(said.get("start") or ""), value, given))
            value = given
        elif isinstance(value, tuple):
            value = ", ".join(value)
        said[name] = value
    return said


def _csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS.values())
    writer.writerows([_cell(row[name]) for name in COLUMNS] for row in rows)
    return text.getvalue().encode("utf-8-sig")


def _cell(value: object) -> str:
    """A cell; one that a spreadsheet would take for a formula stands behind an apostrophe."""
    text = "" if value is None else str(value)
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


def _html(rows: list[dict[str, Any]], head: dict[str, Any]) -> bytes:
    heads = "".join(f'<th scope="col">{escape(each)}</th>' for each in COLUMNS.values())
    body = "\n".join(
        "<tr>" + "".join(f"<td>{escape(_shown(row[name]))}</td>" for name in COLUMNS) + "</tr>"
        for row in rows
    )
    cut = "".join(f"<li>{escape(rule)}: {count}</li>" for rule, count in head["cut"].items())
    explained = "".join(f"<p>{escape(each)}</p>" for each in EXPLAINED)
    period = f" From {head['since']} until before {head['until']}." if "since" in head else ""
    return (
        '<!doctype html>\n<html lang="en-GB"><head><meta charset="utf-8">'
        "<title>Your records</title></head><body><main><h1>Your records</h1>"
        f"<p>Reference {escape(head['authorisation'])}; {head['records']} records."
        f"{escape(period)}</p>{explained}"
        f"<h2>What was cut</h2><ul>{cut or '<li>nothing</li>'}</ul><h2>Records</h2>"
        f"<table><thead><tr>{heads}</tr></thead><tbody>\n{body}\n</tbody></table></main></body></html>\n"
    ).encode()


def _shown(value: object) -> str:
    return "" if value is None else str(value)
