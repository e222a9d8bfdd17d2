"""Authorisations as pages show them: states, times, offices and steps in words.

In: an authorisation, the time. Out: words.
Must never: say by colour alone what it does not also say in words; say that something may be looked
at which does not hold (`Authorisation.holds`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from proxy_addons.audit.authority.compiled import looks_by
from proxy_addons.audit.authority.model import Kind, Purpose, Regime, State, SubjectClass
from proxy_addons.portal.register.shown import HOW, ShownStep, moment_words, until_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import tzinfo

    from proxy_addons.audit.authority.model import Authorisation
    from proxy_addons.standing.actor import Actor
    from proxy_addons.standing.steps import Step

KINDS: Final = {
    Kind.REACTIVE: ("Past records of named people", "An investigation (Inf/27 4.2.6)"),
    Kind.LIVE: (
        "Live monitoring of named people",
        "Records as they come: “authority to proactively monitor” (Inf/27 3.6)",
    ),
    Kind.DIP_SAMPLE: (
        "Standing authority for dip samples",
        "Routine random monitoring; names nobody, under pseudonyms (Inf/27 4.2.4)",
    ),
    Kind.SUBJECT_ACCESS: (
        "Somebody’s own records",  # noqa: RUF001 - an apostrophe
        "They asked for them (UK GDPR 15, DPA 2018 s.45)",
    ),
    Kind.TECHNICAL_SUPPORT: (
        "Technical support",
        "A fault; under pseudonyms, without addresses of pages (Inf/27 4.2.1)",
    ),
    Kind.DISCLOSURE: ("Disclosure of a case", "For prosecution and defence (CPIA 1996)"),
}
"""Kind → what people read, and what it is."""

CLASSES: Final = {
    SubjectClass.OFFICER: "officer",
    SubjectClass.STAFF: "staff",
    SubjectClass.OTHER: "neither officer nor staff",
}
PURPOSES: Final = {
    Purpose.FACTS: "Establish the existence of facts",
    Purpose.COMPLIANCE: "Ascertain compliance with rules and procedures",
    Purpose.STANDARDS: "Ascertain or demonstrate standards",
    Purpose.NATIONAL_SECURITY: "National security",
    Purpose.CRIME: "Prevent or detect crime",
    Purpose.UNAUTHORISED_USE: "Investigate or detect unauthorised use",
    Purpose.OPERATION: "Secure the effective operation of the system",
}
REGIMES: Final = {
    Regime.MONITORING: "Lawful Business Monitoring (SI 2018/356)",
    Regime.DATA_PROTECTION: "UK GDPR",
    Regime.LAW_ENFORCEMENT: "Data Protection Act 2018, part 3",
    Regime.DISCLOSURE: "Criminal Procedure and Investigations Act 1996",
}
_OFFICES: Final = {
    "head-of-acu": "Head of the Anti-Corruption Unit",
    "head-of-hr": "Head of Human Resources",
    "head-of-psd": "Head of Professional Standards",
    "deputy-chief-constable": "Deputy Chief Constable",
    "chief-constable": "Chief Constable",
    "data-protection-officer": "Data Protection Officer",
}
STEPS: Final = {
    "application": "Applied for",
    "approval": "Approved",
    "oral-approval": "Approval by word of mouth written down",
    "write-up": "Confirmed in writing",
    "refusal": "Refused",
    "withdrawal": "Withdrawn",
    "cancellation": "Cancelled",
    "renewal-request": "Later end asked for",
    "renewal": "Later end approved",
    "renewal-refusal": "Later end refused",
    "review": "Reviewed",
    "conflict": "Conflict declared",
    "delegation": "Deputy named",
    "revocation": "Taken back",
}
"""Kind of step → what people read."""
_MOST_NAMES: Final = 3


def office_words(office: str) -> str:
    """An office, as people call it."""
    return _OFFICES.get(office) or office.replace("-", " ").capitalize()


def offices_words(offices: Iterable[str]) -> str:
    """Offices of which one is wanted."""
    return " or ".join(map(office_words, offices))


def end_words(ends: datetime, zone: tzinfo) -> str:
    """An end: the last day where it is the end of one, else the moment."""
    here = ends.astimezone(zone)
    midnight = not (here.hour or here.minute or here.second or here.microsecond)
    return until_words(ends, zone) if midnight else moment_words(ends, zone)


def state_words(found: Authorisation, now: datetime) -> tuple[str, str]:
    """Its state, and the look of that."""
    state = found.state_at(now)
    if state in {State.APPROVED, State.WRITTEN_UP}:
        if not found.granted:
            return "Approvals are missing", "not"
        if now < found.valid_from:
            return "Approved, not begun", "good"
        if found.written_by is not None:
            return "In force by word of mouth", "wait"
        return "In force", "good"
    return {
        State.REQUESTED: ("Waiting for approval", "wait"),
        State.REFUSED: ("Refused", "not"),
        State.WITHDRAWN: ("Withdrawn", "gone"),
        State.CANCELLED: ("Cancelled", "not"),
    }.get(state, ("Ended", "gone"))


@dataclass(frozen=True, slots=True)
class Shown:
    """One authorisation, for people.

    Attributes:
        it: the authorisation.
        kind: what it is for.
        whose: whose records, the first few of them.
        words: of its state.
        look: class of the state's tag.
        until: its end.
        marks: what else there is to know, each a few words.
        search: where to look by it; "" where the reader cannot now.
        copy: where to make the subject's own copy by it; "" likewise, or where it is for another
            purpose.
    """

    it: Authorisation
    kind: str
    whose: str
    words: str
    look: str
    until: str
    marks: tuple[str, ...]
    search: str
    copy: str = ""


def shown(found: Authorisation, actor: Actor, now: datetime, zone: tzinfo) -> Shown:
    """An authorisation in words, for somebody who may see it."""
    words, look = state_words(found, now)
    state = found.state_at(now)
    is_open = state in {State.REQUESTED, State.APPROVED, State.WRITTEN_UP}
    marks = []
    if found.urgent and state is State.REQUESTED:
        marks.append("Urgent")
    if found.written_by is not None and is_open:
        marks.append(f"To be confirmed in writing by {moment_words(found.written_by, zone)}")
    if found.renewal is not None and is_open:
        marks.append("A later end waits for approval")
    if found.review_is_overdue(now):
        marks.append("Review overdue")
    may_look = looks_by(actor, found) and found.holds(now)
    return Shown(
        found,
        KINDS[found.kind][0],
        _whose(found),
        words,
        look,
        end_words(found.valid_until, zone),
        tuple(marks),
        _where(found) if may_look else "",
        f"/psd/copy?au={found.reference}" if may_look and found.kind is Kind.SUBJECT_ACCESS else "",
    )


def _where(found: Authorisation) -> str:
    """The page on which one looks by it."""
    if found.kind is Kind.LIVE:
        return f"/psd/live/{found.reference}"
    return f"/psd/search?au={found.reference}"


def _whose(found: Authorisation) -> str:
    names = sorted(found.subjects)
    if not names:
        return "Nobody by name"
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def named(name: str, displays: Mapping[str, str]) -> str:
    """Somebody, with the login name that counts."""
    display = displays.get(name)
    return f"{display} ({name})" if display and display != name else name


def shown_step(step: Step, zone: tzinfo) -> ShownStep:
    """A step of a history in words."""
    return ShownStep(
        STEPS.get(step.kind, step.kind),
        step.at.isoformat(timespec="seconds"),
        moment_words(step.at, zone),
        step.who,
        HOW.get(step.how, step.how),
        step.note,
        tuple(_change(name, value, zone) for name, value in step.changes.items()),
    )


def _change(name: str, value: str, zone: tzinfo) -> tuple[str, str]:
    label = name.capitalize()
    if name == "kind" and value in set(Kind):
        return label, KINDS[Kind(value)][0]
    if name == "office":
        return "As", office_words(value)
    if name == "approval by":
        return label, "; ".join(
            offices_words(need.split(" or ")) for need in value.split("; ") if need
        )
    if name in {"by", "deputy by"}:
        return {"by": "Approved by", "deputy by": "As deputy, by"}[name], value
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return label, value  # no time: as it stands
    if at.tzinfo is None:
        return label, value
    words = end_words if name.endswith("until") else moment_words
    return label, words(at, zone)
