"""What an application has to say: the rules of the form.

In: what is wanted, by whom, the settings, the time. Out: the same, made canonical and complete; or
`StepRefusedError`.
Must never: widen what was asked for; take a subject's class against what the directory says.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from proxy_addons.accesslog.record import NAMES
from proxy_addons.audit.authority import rules
from proxy_addons.audit.authority.model import UNIT, Kind, SubjectClass, Wanted
from proxy_addons.standing.problems import StepRefusedError
from proxy_addons.standing.rules import LONGEST_REFERENCE, WHY_LEAST, name_of, reason, remark

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from datetime import datetime

    from proxy_addons.audit.authority.colleagues import Unit
    from proxy_addons.settings.audit import Audit
    from proxy_addons.standing.actor import Actor

MOST_PEOPLE: Final = 100
SUPPORT: Final = timedelta(days=31)
"""Time of records that technical support may ask for at most: faults are of today."""

IDENTIFYING: Final = frozenset({"claimed", "client_ip", "client_port", "exemption", "balancer_ip"})
"""Fields by which somebody can be told although names are not shown."""

_EVERYTHING: Final = frozenset(NAMES)
_ADDRESSES: Final = frozenset({"url", "members", "reason"})
MOST_FIELDS: Final[Mapping[Kind, frozenset[str]]] = {
    **dict.fromkeys(Kind, _EVERYTHING),
    Kind.DIP_SAMPLE: _EVERYTHING - IDENTIFYING,
    Kind.TECHNICAL_SUPPORT: _EVERYTHING - IDENTIFYING - _ADDRESSES,
}
"""Fields that may be asked for."""

_HOW_IT_WENT: Final = frozenset({
    *("schema", "event", "id", "worker", "seq", "start", "duration_ms", "kind", "method", "host"),
    *("port", "sni", "action", "rule", "handling", "status", "bytes_up", "bytes_down"),
    *("content_type", "server_ip", "server_port", "policy_version", "list_version", "error"),
})  # fmt: skip
USUAL_FIELDS: Final[Mapping[Kind, frozenset[str]]] = {
    **MOST_FIELDS,
    Kind.TECHNICAL_SUPPORT: _HOW_IT_WENT,
}
"""Fields that are meant where none are named."""

_ABOUT_PEOPLE: Final = frozenset({Kind.REACTIVE, Kind.LIVE, Kind.DISCLOSURE})
WITHOUT_SUBJECTS: Final = frozenset({Kind.DIP_SAMPLE, Kind.TECHNICAL_SUPPORT})
"""Kinds that may name nobody, and so see everybody's records: under pseudonyms."""

COMPARED_BY: Final = frozenset({"start", "categories"})
"""Fields without which there is nothing to compare; with both numbers of bytes, volume too."""

_TO_COME: Final = frozenset({Kind.LIVE, Kind.DIP_SAMPLE})


def longest(kind: Kind, settings: Audit) -> timedelta:
    """For how long an authorisation of a kind may hold."""
    days = {Kind.LIVE: settings.live_validity, Kind.DIP_SAMPLE: settings.standing_validity}
    return timedelta(days=days.get(kind, settings.validity))


def applied(
    actor: Actor,
    wanted: Wanted,
    now: datetime,
    settings: Audit,
    *,
    known: Mapping[str, SubjectClass],
    expanded: Callable[[Collection[str]], frozenset[str]],
    unit: Unit | None = None,
) -> Wanted:
    """The application, made canonical.

    Args:
        actor: who applies.
        wanted: as they wrote it.
        now: aware.
        settings: `audit`.
        known: canonical name → class, of those of whom the directory says it.
        expanded: what the policy makes of names of categories and groups.
        unit: of the subject, where a comparison with it is wanted; None: nobody knows.

    Raises:
        StepRefusedError: it breaks a rule.
    """
    rules.by_professional_standards(actor, "apply to look at the access log")
    subjects = {name_of(name): each for name, each in wanted.subjects.items()}
    investigators = frozenset(map(name_of, wanted.investigators)) - {actor.name}
    _people(actor, wanted.kind, subjects, investigators, known)
    _times(wanted, now, settings)
    fields = _fields(wanted)
    names_shown = wanted.names_shown
    if names_shown and wanted.kind in WITHOUT_SUBJECTS:
        _refuse(
            "names",
            f"For {wanted.kind} names are replaced by pseudonyms: ask for names_shown: false.",
            rules.SCRUTINY,
        )
    special = frozenset(settings.special)
    unmasked = expanded(wanted.unmasked)
    if wanted.kind is Kind.SUBJECT_ACCESS:
        unmasked = special
    elif more := unmasked - special:
        _refuse("special", f"{_shown(more)}: not masked anyway; name only categories that are.")
    categories = None if wanted.categories is None else expanded(wanted.categories)
    if categories is not None and not categories:
        _refuse("categories", "Name the categories of the records, or leave them out for any.")
    if not 1 <= wanted.row_cap <= settings.rows:
        _refuse("rows", f"Ask for 1 to {settings.rows} rows (audit.rows).")
    review_at = wanted.review_at or wanted.valid_from + (wanted.valid_until - wanted.valid_from) / 2
    if not wanted.valid_from <= review_at < wanted.valid_until:
        _refuse("review", "The review has to be while the authorisation holds.")
    if wanted.urgent and wanted.kind in {Kind.DIP_SAMPLE, Kind.SUBJECT_ACCESS}:
        _refuse("urgent", f"There is no urgency in {wanted.kind}: it is approved in writing.")
    comparison_why = _comparison(wanted, subjects, fields, unit, settings)
    retention = wanted.retention or ("criminal" if wanted.criminal else str(wanted.kind))
    if len(retention) > 32 or not retention.replace("-", "").isalnum():
        _refuse("retention", "A class of retention is an id such as misconduct.")
    return replace(
        wanted,
        subjects=subjects,
        investigators=investigators,
        necessity=reason(wanted.necessity, least=WHY_LEAST, clause=rules.FORM),
        proportionality=reason(wanted.proportionality, least=WHY_LEAST, clause=rules.FORM),
        alternatives=reason(wanted.alternatives, clause=rules.FORM),
        collateral=reason(wanted.collateral, clause=rules.FORM),
        allegation=_allegation(wanted),
        fields=fields,
        categories=categories,
        unmasked=unmasked,
        review_at=review_at,
        retention=retention,
        comparison_why=comparison_why,
    )


def _people(
    actor: Actor,
    kind: Kind,
    subjects: Mapping[str, SubjectClass],
    investigators: frozenset[str],
    known: Mapping[str, SubjectClass],
) -> None:
    if kind in _ABOUT_PEOPLE and not subjects:
        _refuse("subjects", f"Name the people whose records these are: {kind} is about people.")
    if kind is Kind.DIP_SAMPLE and subjects:
        _refuse(
            "subjects",
            "A standing dip sample names nobody: who is drawn is left to chance.",
            rules.RANDOM,
        )
    if kind is Kind.SUBJECT_ACCESS and len(subjects) != 1:
        _refuse("subjects", "Name the one person who asks for their own records.")
    if len(subjects) > MOST_PEOPLE or len(investigators) > MOST_PEOPLE:
        _refuse("subjects", f"Name at most {MOST_PEOPLE} people; make several applications.")
    if actor.name in subjects:
        _refuse("own", "Nobody may apply to look at their own records; a colleague has to.")
    if both := investigators & subjects.keys():
        _refuse("own", f"{_shown(both)}: a subject cannot look as an investigator.")
    for name, each in subjects.items():
        if known.get(name, each) != each:
            _refuse(
                "class",
                f"{name} is {known[name]} by the directory, not {each}: by that goes who approves.",
                rules.APPROVAL,
            )


def _times(wanted: Wanted, now: datetime, settings: Audit) -> None:
    kind = wanted.kind
    if wanted.begins >= wanted.ends:
        _refuse("period", "The records' time ends before it begins; give a later end.")
    if kind not in _TO_COME and wanted.ends > now:
        _refuse(
            "period",
            "The records' time ends in the future. For what is past give an end until now; to watch"
            " what is to come apply for live monitoring.",
            rules.LIVE,
        )
    if kind is Kind.LIVE and wanted.ends <= wanted.valid_from:
        _refuse("period", "Live monitoring is of records to come; for past ones apply as reactive.")
    if kind is Kind.TECHNICAL_SUPPORT and wanted.ends - wanted.begins > SUPPORT:
        _refuse("period", f"Technical support sees at most {SUPPORT.days} days of records.")
    if wanted.valid_until <= now or wanted.valid_until <= wanted.valid_from:
        _refuse("validity", "The authorisation would have ended already; give a later end.")
    if wanted.valid_from < now - timedelta(days=1):
        _refuse("validity", "An authorisation holds from today at the earliest.")
    most = longest(kind, settings)
    if wanted.valid_until - wanted.valid_from > most:
        _refuse(
            "validity",
            f"An authorisation for {kind} holds at most {most.days} days; it can be renewed.",
        )


def _fields(wanted: Wanted) -> frozenset[str]:
    most = MOST_FIELDS[wanted.kind]
    if wanted.kind is Kind.SUBJECT_ACCESS:
        return most
    if unknown := wanted.fields - _EVERYTHING:
        _refuse("fields", f"No record has the field {_shown(unknown)} (docs/access-log.md).")
    if more := wanted.fields - most:
        _refuse("fields", f"{wanted.kind} does not come with {_shown(more)}; leave it out.")
    return wanted.fields or USUAL_FIELDS[wanted.kind]


def _comparison(
    wanted: Wanted,
    subjects: Mapping[str, SubjectClass],
    fields: frozenset[str],
    unit: Unit | None,
    settings: Audit,
) -> str:
    """The reason why a comparison is proportionate; "" where none is wanted."""
    if not wanted.comparison:
        return ""
    if wanted.comparison != UNIT:
        _refuse("comparison", "A comparison is with the unit, and with nothing else.")
    if wanted.kind not in settings.comparison.kinds:
        _refuse("comparison", f"{wanted.kind} does not come with a comparison.")
    if len(subjects) != 1:
        _refuse("comparison", "A comparison is of one person's figures: name one subject.")
    if missing := COMPARED_BY - fields:
        _refuse("comparison", f"A comparison needs the fields {_shown(missing)}.")
    if unit is None:
        _refuse(
            "comparison",
            "The directory does not say in which unit the subject is, and so there is nothing to"
            " compare with: leave the comparison out, or have the unit entered there.",
        )
    elif len(unit.people - subjects.keys()) < settings.comparison.people:
        _refuse(
            "comparison",
            "The subject's unit is too small to compare with: there have to be"
            f" {settings.comparison.people} others (audit.comparison.people), so that no figure is"
            " about any one of them.",
        )
    return reason(wanted.comparison_why, least=WHY_LEAST, clause=rules.FORM)


def _allegation(wanted: Wanted) -> str:
    text = remark(wanted.allegation, LONGEST_REFERENCE) or ""
    if not text and wanted.kind in _ABOUT_PEOPLE | {Kind.SUBJECT_ACCESS}:
        _refuse("allegation", "Give the reference of the allegation, case or request.")
    return text


def _shown(names: Iterable[str]) -> str:
    return ", ".join(
        sorted(name if name.isprintable() and len(name) < 80 else "(not shown)" for name in names)
    )


def _refuse(rule: str, sentence: str, clause: str = rules.FORM) -> None:
    raise StepRefusedError(rule, sentence, clause)
