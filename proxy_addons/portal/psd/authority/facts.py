"""What an application says, fact by fact, and who approved it.

In: an authorisation, names for people. Out: lines for pages.
Must never: leave out a bound: who decides reads this alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy_addons.accesslog.record import NAMES
from proxy_addons.portal.psd.authority.form import LABELS
from proxy_addons.portal.psd.authority.shown import (
    CLASSES,
    KINDS,
    PURPOSES,
    REGIMES,
    end_words,
    named,
    office_words,
    offices_words,
)
from proxy_addons.portal.register.shown import moment_words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, tzinfo

    from proxy_addons.audit.authority.model import Approval, Authorisation


def facts(
    found: Authorisation, zone: tzinfo, displays: Mapping[str, str]
) -> list[tuple[str, list[str]]]:
    """What was applied for: of each thing its lines."""

    def moments(begins: datetime, ends: datetime) -> list[str]:
        return [f"From {moment_words(begins, zone)}", f"Until {end_words(ends, zone)}"]

    subjects = [
        f"{named(name, displays)}, {CLASSES[each]}" for name, each in sorted(found.subjects.items())
    ]
    looking = [named(name, displays) for name in (found.applicant, *sorted(found.investigators))]
    return [
        ("Kind", ["{}. {}".format(*KINDS[found.kind])]),
        ("Whose records", subjects or ["Nobody by name: everybody’s, under pseudonyms"]),  # noqa: RUF001 - an apostrophe
        ("Who looks", looking),
        ("Purpose", [PURPOSES[found.purpose]]),
        ("Law", [REGIMES[found.regime]]),
        ("Allegation, case or request", [found.allegation or "None"]),
        ("About a crime", ["Yes" if found.criminal else "No"]),
        ("Records", moments(found.begins, found.ends)),
        ("Categories", [", ".join(sorted(found.categories)) if found.categories else "Any"]),
        ("Special categories that are shown", [", ".join(sorted(found.unmasked)) or "None"]),
        ("Names", ["Shown" if found.names_shown else "Replaced by pseudonyms"]),
        ("Fields", [_fields(found)]),
        ("Comparison with the unit", _comparison(found, zone)),
        ("Rows of one answer", [f"At most {found.row_cap:,}"]),
        ("May be used", moments(found.valid_from, found.valid_until)),
        ("Kept as", [found.retention]),
        ("Form", [f"{found.form}, {found.form_version}"]),
    ]


def _fields(found: Authorisation) -> str:
    """In the order of the record."""
    named = [name for name in NAMES if name in found.fields]
    if len(named) == len(NAMES):
        return f"All {len(NAMES)} of the record"
    return f"{len(named)} of {len(NAMES)}: {', '.join(named)}"


def _comparison(found: Authorisation, zone: tzinfo) -> list[str]:
    """What it lets somebody see of people who are no subjects."""
    asked = found.comparison
    if asked is None:
        return ["None"]
    when = moment_words(asked.at, zone)
    whose = f"{asked.people} others of {asked.unit} (by the directory, {when})"
    return [
        f"Median and quartiles of {whose}, beside the subject’s own figures",  # noqa: RUF001 - an apostrophe
        "By category, requests and volume a day, rounded, over all the days of these records",
        "Never whose, never a single figure, the highest or the lowest",
    ]


def texts(found: Authorisation) -> list[tuple[str, str]]:
    """What the applicant wrote."""
    said = [(label, getattr(found, name)) for name, label in LABELS.items()]
    if found.comparison is not None:
        said.append(("Comparison with the unit", found.comparison.why))
    return said


@dataclass(frozen=True, slots=True)
class Needed:
    """One approval that is needed.

    Attributes:
        offices: of which one has to approve.
        given: by whom and when, each a sentence; empty while it waits.
    """

    offices: str
    given: tuple[str, ...]


def approvals(found: Authorisation, number: int, zone: tzinfo) -> list[Needed]:
    """Who has to approve, and who did.

    Args:
        found: the authorisation.
        number: 0: the application; then each renewal.
        zone: the force's.
    """
    return [
        Needed(
            offices_words(need),
            tuple(
                _given(each, zone)
                for each in found.approvals
                if each.round == number and each.office in need
            ),
        )
        for need in found.needs
    ]


def _given(approval: Approval, zone: tzinfo) -> str:
    parts = [f"{approval.person} as {office_words(approval.office)}"]
    if approval.delegation is not None:
        parts.append(f"as deputy ({approval.delegation})")
    parts.append(moment_words(approval.at, zone))
    if approval.oral:
        parts.append(f"by word of mouth, written down by {approval.recorded_by}")
    return ", ".join(parts)
