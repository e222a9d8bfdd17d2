"""An application for an authorisation, as a YAML file.

In: the file's bytes, the force's time zone. Out: what is asked for, or every problem with its line.
Must never: take a key that the form does not have; judge what is asked (the register does).
"""

from __future__ import annotations

from argparse import ArgumentTypeError
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from proxy_addons.accesslog.record import NAMES
from proxy_addons.audit.authority.model import UNIT, Kind, Purpose, Regime, SubjectClass, Wanted
from proxy_addons.cli.times import When, when
from proxy_addons.settings.entries import CATEGORY
from proxy_addons.settings.kinds import Choice, Fields, Flag, ListOf, Pattern, Text, Whole
from proxy_addons.settings.people_kinds import LoginName
from proxy_addons.settings.problems import Report
from proxy_addons.settings.tree import Scalar, describe, read

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from proxy_addons.settings.tree import Node

_WORDS = Text("a text", lines=True)


def read_application(data: bytes, name: str, zone: ZoneInfo) -> Wanted:
    """The application in a file.

    Args:
        data: its bytes.
        name: how messages name it.
        zone: the force's, in which days are.

    Raises:
        SettingsError: something is wrong; it lists every problem with file, line and key.
    """
    report = Report()
    root = read(data, name, report)
    if root is None:
        report.raise_if_any()
    assert root is not None
    form = Fields(root, "", report, "a table with the keys of the form")
    nobody: tuple[_Subject, ...] = ()
    names_shown = form.take("names_shown", Flag(), True)  # noqa: FBT003 - its default
    wanted = Wanted(
        kind=Kind(form.need("kind", Choice(tuple(Kind)), Kind.REACTIVE)),
        subjects={
            each.name: each.part for each in form.take("subjects", ListOf(_SubjectKind()), nobody)
        },
        investigators=frozenset(form.take("investigators", ListOf(LoginName(), one=True), ())),
        purpose=Purpose(form.need("purpose", Choice(tuple(Purpose)), Purpose.FACTS)),
        regime=Regime(form.take("regime", Choice(tuple(Regime)), Regime.MONITORING)),
        allegation=form.take("allegation", Text(), ""),
        criminal=form.take("criminal", Flag(), False),  # noqa: FBT003 - its default
        necessity=form.need("necessity", _WORDS, ""),
        proportionality=form.need("proportionality", _WORDS, ""),
        alternatives=form.need("alternatives", _WORDS, ""),
        collateral=form.need("collateral", _WORDS, ""),
        begins=form.need("begins", _WhenKind(), _SOME).begin(zone),
        ends=form.need("ends", _WhenKind(), _SOME).end(zone),
        fields=frozenset(form.take("fields", ListOf(Choice(NAMES), one=True), ())),
        categories=_categories(form),
        unmasked=frozenset(form.take("unmasked", ListOf(CATEGORY, one=True), ())),
        names_shown=names_shown,
        row_cap=form.take("row_cap", Whole(1, 10_000_000), 10_000),
        valid_from=form.take("valid_from", _WhenKind(), When(None, datetime.now(UTC))).begin(zone),
        valid_until=form.need("valid_until", _WhenKind(), _SOME).end(zone),
        review_at=_review(form, zone),
        urgent=form.take("urgent", Flag(), False),  # noqa: FBT003 - its default
        retention=form.take("retention", Pattern("[a-z-]{1,32}", "a class such as criminal"), ""),
        comparison=form.take("comparison", Choice((UNIT,)), ""),
        comparison_why=form.take("comparison_why", _WORDS, ""),
    )
    form.done()
    report.raise_if_any()
    return wanted


_SOME = When(None, datetime(2000, 1, 1, tzinfo=UTC))  # stands in for a problem that is reported


def _categories(form: Fields) -> frozenset[str] | None:
    found = form.take("categories", ListOf(CATEGORY, one=True, least=1), ())
    return frozenset(found) or None


def _review(form: Fields, zone: ZoneInfo) -> datetime | None:
    found = form.take("review_at", _WhenKind(), _SOME)
    return None if found is _SOME else found.begin(zone)


@dataclass(frozen=True, slots=True)
class _Subject:
    name: str
    part: SubjectClass


@dataclass(frozen=True, slots=True)
class _SubjectKind:
    """One entry of `subjects`."""

    wanted: str = "a table with the keys name and class"

    def read(self, node: Node, key: str, report: Report) -> _Subject | None:
        fields = Fields(node, key, report, self.wanted)
        name = fields.need("name", LoginName(), "")
        part = fields.need("class", Choice(tuple(SubjectClass)), "")
        fields.done()
        return _Subject(name, SubjectClass(part)) if name and part else None


@dataclass(frozen=True, slots=True)
class _WhenKind:
    """A day or a time."""

    wanted: str = "a day such as 2026-11-24, or a time such as 2026-11-24T10:30"

    def read(self, node: Node, key: str, report: Report) -> When | None:
        try:
            return when(node.text if isinstance(node, Scalar) else "")
        except ArgumentTypeError:
            # No time: reported, and nothing is applied for.
            report.add(node.place, key, f"{describe(node)}; wanted {self.wanted}")
            return None
