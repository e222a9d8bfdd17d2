"""The form of application, read: what is asked for, or what is wrong with it, field by field.

In: what was typed, what the directory says of people, the time. Out: a `Wanted`, or None with the
problems noted in the form.
Must never: decide what an application must hold (audit/authority/applying.py does, and the form
says it); widen what was typed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from proxy_addons.audit.authority.model import Kind, Purpose, Regime, SubjectClass, Wanted
from proxy_addons.policy.people import canonical_name
from proxy_addons.standing.dates import last_day
from proxy_addons.standing.problems import StepRefusedError
from proxy_addons.standing.rules import REASON_LEAST, WHY_LEAST, reason

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, tzinfo
    from enum import StrEnum

    from proxy_addons.portal.register.forms import Form

RULES: Final = {
    "own": "subjects",
    "subjects": "subjects",
    "class": "subjects",
    "name": "subjects",
    "period": "ends",
    "validity": "valid_until",
    "fields": "fields",
    "names": "names_shown",
    "special": "unmasked",
    "categories": "categories",
    "rows": "row_cap",
    "review": "review_at",
    "comparison": "comparison",
    "urgent": "urgent",
    "allegation": "allegation",
    "length": "allegation",
    "text": "allegation",
}
"""Rule of the register → the field that it speaks of."""
TEXTS: Final = {
    "necessity": WHY_LEAST,
    "proportionality": WHY_LEAST,
    "alternatives": REASON_LEAST,
    "collateral": REASON_LEAST,
}
"""What is written in words → the fewest characters of it."""
LABELS: Final = {
    "necessity": "Necessity",
    "proportionality": "Proportionality",
    "alternatives": "Alternatives",
    "collateral": "Intrusion on others",
}
"""The same → what the form calls it."""
PREFILLED: Final = (
    *("kind", "subjects", "investigators", "purpose", "regime", "allegation", "criminal"),
    *("begins", "ends", "necessity"),
)
"""Fields that an address can fill in: a concern of a dip sample leads to its request so."""

ORDER: Final = (
    *("kind", "subjects", "investigators", "purpose", "regime", "allegation", *TEXTS),
    *("begins", "ends", "fields", "categories", "unmasked", "names_shown", "row_cap"),
    *("comparison", "comparison_why", "valid_from", "valid_until", "review_at", "urgent", ""),
)
"""Fields as the page has them, so that the summary leads from the top to the bottom."""

_TO_COME: Final = frozenset({Kind.LIVE, Kind.DIP_SAMPLE})
_BETWEEN: Final = re.compile(r"[,;\r\n]")


def subjects_of(form: Form, known: Mapping[str, SubjectClass]) -> dict[str, SubjectClass]:
    """The subjects, one a line: `jane, officer`. Without a class: what the directory says.

    Args:
        form: what was typed; lines that say nothing clear are noted in it.
        known: canonical name → class, of those of whom the directory says it.
    """
    found: dict[str, SubjectClass] = {}
    for line in filter(None, map(str.strip, form.text("subjects").splitlines())):
        text, written = _parts(line)
        name = _name(text)
        if name is None:
            form.wrong("subjects", f"{_quoted(line)} is not a login name, a comma and a class")
            continue
        if not written and name in known:
            found[name] = known[name]
        elif written not in set(SubjectClass):
            form.wrong("subjects", f"{name}: write officer, staff or other after the name")
        elif name in found:
            form.wrong("subjects", f"{name} is there twice")
        else:
            found[name] = SubjectClass(written)
    return found


def names_in(form: Form) -> tuple[set[str], set[str]]:
    """Canonical names of subjects and investigators, as far as they are names."""
    subjects = {_name(_parts(line)[0]) for line in form.text("subjects").splitlines()}
    investigators = {_name(each) for each in _several(form.text("investigators"))}
    return {each for each in subjects if each}, {each for each in investigators if each}


def wanted(
    form: Form, known: Mapping[str, SubjectClass], now: datetime, zone: tzinfo
) -> Wanted | None:
    """The application as it was typed.

    Args:
        form: it; what is wrong is noted in it.
        known: classes that the directory says.
        now: aware.
        zone: the force's, in which days are.
    """
    kind = _chosen(form, "kind", Kind, "Choose what it is for")
    subjects = subjects_of(form, known)
    investigators = _investigators(form)
    purpose = _chosen(form, "purpose", Purpose, "Choose the purpose")
    regime = _chosen(form, "regime", Regime, "Choose the law")
    _check_texts(form)
    if form.ticked("comparison"):
        _check_text(form, "comparison_why", WHY_LEAST, "The comparison")
    begins = form.begin("begins", zone, "The first day of the records")
    ends = form.end("ends", zone, "The last day of the records")
    names = form.text("names_shown")
    if names not in {"names", "pseudonyms"}:
        form.wrong("names_shown", "Choose names or pseudonyms")
    rows = form.text("row_cap").strip()
    if rows and not (rows.isascii() and rows.isdecimal() and len(rows) < 9):
        form.wrong("row_cap", "Write a number of rows, such as 10000")
    valid_from = _first_day(form, now, zone)
    valid_until = form.end("valid_until", zone, "The last day of its use")
    review_at = None
    if form.text("review_at").strip():
        review_at = form.begin("review_at", zone, "The day of the review")
    if form.problems or None in {kind, purpose, regime, begins, ends, valid_until}:
        return None
    assert kind is not None
    assert purpose is not None
    assert regime is not None
    assert begins is not None
    assert ends is not None
    assert valid_until is not None
    if kind not in _TO_COME and begins < now < ends and _day(now, zone) == last_day(ends, zone):
        ends = now  # of today there is nothing more yet
    return Wanted(
        kind=kind,
        subjects=subjects,
        investigators=frozenset(investigators),
        purpose=purpose,
        regime=regime,
        allegation=form.text("allegation").strip(),
        criminal=form.ticked("criminal"),
        necessity=form.text("necessity"),
        proportionality=form.text("proportionality"),
        alternatives=form.text("alternatives"),
        collateral=form.text("collateral"),
        begins=begins,
        ends=ends,
        fields=frozenset(form.all("field")),
        categories=_categories(form),
        unmasked=frozenset(form.all("unmasked")),
        names_shown=names == "names",
        row_cap=int(rows) if rows else 10_000,
        valid_from=valid_from,
        valid_until=valid_until,
        review_at=review_at,
        urgent=form.ticked("urgent"),
        comparison=form.text("comparison"),
        comparison_why=form.text("comparison_why"),
    )


def _investigators(form: Form) -> set[str]:
    found = set()
    for each in _several(form.text("investigators")):
        name = _name(each)
        if name is None:
            form.wrong("investigators", f"{_quoted(each)} is not a login name")
        else:
            found.add(name)
    return found


def _check_texts(form: Form) -> None:
    for name, least in TEXTS.items():
        _check_text(form, name, least, LABELS[name])


def _check_text(form: Form, name: str, least: int, label: str) -> None:
    try:
        reason(form.text(name), least=least, clause="")
    except StepRefusedError as problem:
        # Nothing is applied for: said below the field.
        words = str(problem)
        form.wrong(name, f"{label}: {words[0].lower()}{words[1:]}")


def _first_day(form: Form, now: datetime, zone: tzinfo) -> datetime:
    """From when it may be used; today, or nothing, means from now on."""
    if not form.text("valid_from").strip():
        return now
    first = form.begin("valid_from", zone, "The first day of its use")
    return now if first is None or _day(first, zone) == _day(now, zone) else first


def _categories(form: Form) -> frozenset[str] | None:
    typed = {each.casefold() for each in _words(form.text("other_categories"))}
    return frozenset(typed | set(form.all("category"))) or None


def _chosen[E: StrEnum](form: Form, name: str, among: type[E], words: str) -> E | None:
    text = form.text(name)
    if text in set(among):
        return among(text)
    form.wrong(name, words)
    return None


def _parts(line: str) -> tuple[str, str]:
    """What a line says of somebody: name and class. A login name can have a space in it."""
    if _BETWEEN.search(line):
        name, written = _BETWEEN.split(line, maxsplit=1)
        return name, written.strip().casefold()
    name, _, written = line.strip().rpartition(" ")
    if written.casefold() in set(SubjectClass):
        return name, written.casefold()
    return line, ""


def _several(text: str) -> list[str]:
    return [each.strip() for each in _BETWEEN.split(text) if each.strip()]


def _words(text: str) -> list[str]:
    return text.replace(",", " ").replace(";", " ").split()


def _name(text: str) -> str | None:
    try:
        return canonical_name(text)
    except ValueError:
        return None  # said by whoever needs it


def _quoted(text: str) -> str:
    return f"“{text[:60]}”" if text.isprintable() else "A line"


def _day(moment: datetime, zone: tzinfo) -> object:
    return moment.astimezone(zone).date()
