"""The questions of `watchhouse authority`: list, show.

In: parsed arguments; who sits at the terminal. Out: tables for a terminal.
Must never: change anything in the register; show what the person may not know of.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from proxy_addons.audit.authority.model import State
from proxy_addons.audit.authority.rules import listed
from proxy_addons.cli.authority_steps import acting, authorisations_of
from proxy_addons.cli.common import settings_of
from proxy_addons.cli.standing import OK, console, facts, history, moment, opened, table, until

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from proxy_addons.audit.authority.model import Authorisation


def list_all(args: argparse.Namespace) -> int:
    """List what one may see."""
    settings, now = settings_of(args), datetime.now(UTC)
    zone = settings.policy.time_zone
    with opened(settings) as store:
        found = authorisations_of(store, settings).all(acting(settings))
    current = {State.REQUESTED, State.APPROVED, State.WRITTEN_UP}
    rows = [
        (
            each.reference,
            f"{state}{', renewal asked for' if each.renewal else ''}",
            str(each.kind),
            _listed(each.subjects),
            each.applicant,
            until(each.valid_until, zone),
        )
        for each in found
        if (state := each.state_at(now)) in current or args.all
    ]
    if rows:
        heads = ("reference", "state", "kind", "subjects", "applicant", "until")
        console().print(table(heads, rows))
    else:
        print("no authorisations that you may see" + ("" if args.all else "; --all lists others"))
    return OK


def show(args: argparse.Namespace) -> int:
    """Show one with its steps."""
    settings, now = settings_of(args), datetime.now(UTC)
    zone = settings.policy.time_zone
    actor = acting(settings)
    with opened(settings) as store:
        register = authorisations_of(store, settings)
        found, steps = register.get(actor, args.reference), register.steps(actor, args.reference)
    renewal = found.renewal
    asked = f"until {until(renewal.until, zone)}: {renewal.why}" if renewal else ""
    out = console()
    out.print(
        facts(
            (
                ("reference", found.reference),
                ("state", str(found.state_at(now))),
                ("form", f"{found.form}, {found.form_version}"),
                ("kind", str(found.kind)),
                ("subjects", _listed(f"{name} ({part})" for name, part in found.subjects.items())),
                ("applicant", found.applicant),
                ("investigators", _listed(found.investigators)),
                ("approval by", "; and by ".join(map(listed, found.needs))),
                ("approved by", _approved(found)),
                ("conflicts", _listed(found.conflicts)),
                ("purpose", f"{found.purpose} ({found.regime})"),
                ("allegation", found.allegation or ""),
                ("criminal", "yes" if found.criminal else ""),
                ("necessity", found.necessity),
                ("proportionality", found.proportionality),
                ("alternatives", found.alternatives),
                ("collateral intrusion", found.collateral),
                ("records from", moment(found.begins, zone)),
                ("records until", until(found.ends, zone)),
                ("fields", _listed(found.fields)),
                ("categories", "any" if found.categories is None else _listed(found.categories)),
                ("not masked", _listed(found.unmasked)),
                ("names", "shown" if found.names_shown else "pseudonyms"),
                ("compared with", _compared(found)),
                ("rows at most", str(found.row_cap)),
                ("holds from", moment(found.valid_from, zone)),
                ("holds until", until(found.valid_until, zone)),
                ("to be confirmed by", moment(found.written_by, zone)),
                ("review due", moment(found.review_at, zone)),
                ("renewal asked for", asked),
                ("retention", found.retention),
                ("steps", str(found.revision)),
            )
        )
    )
    out.print()
    out.print(history(steps, zone))
    return OK


def _approved(found: Authorisation) -> str:
    return "; ".join(
        f"{each.person} ({each.office}{', by word of mouth' if each.oral else ''}"
        f"{f', {each.delegation}' if each.delegation else ''})"
        for each in found.approvals
    )


def _compared(found: Authorisation) -> str:
    if (asked := found.comparison) is None:
        return ""
    return (
        f"median and quartiles of {asked.people} others of {asked.unit}, by category, over the"
        f" same days. {asked.why}"
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
