"""What became of the cases of a policy: for people, as JSON, as JUnit's XML.

In: outcomes and coverage. Out: text.
Must never: leave out a case that is not met.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from proxy_addons.cli.tested import Coverage, Outcome


def as_json(outcomes: Sequence[Outcome], found: Coverage) -> dict[str, Any]:
    """The outcomes as plain values; the keys are documented in docs/policy-tests.md."""
    return {
        "cases": len(outcomes),
        "failed": sum(not each.met for each in outcomes),
        "failures": [
            {
                "place": each.case.place,
                "case": each.case.title,
                "not_run": each.not_run or None,
                "differs": [
                    {"fact": fact, "wanted": wanted, "got": got}
                    for fact, wanted, got in each.differs
                ],
                "why": [{"rule": rule, "why": why} for rule, why in each.why],
            }
            for each in outcomes
            if not each.met
        ],
        "rules": {rule: number for rule, (_, number) in found.rules.items()},
        "clauses": dict(sorted(found.clauses.items())),
        "uncovered": list(found.uncovered),
    }


def show(outcomes: Sequence[Outcome], found: Coverage) -> None:
    """Print it for people: what is not met first, then what no case decides."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    failed = [each for each in outcomes if not each.met]
    for each in failed:
        _show_one(console, each)
    _show_clauses(console, found)
    for rule in found.uncovered:
        console.print(Text(f"no case decides the rule {rule}", style="yellow"))
    summary = f"{len(outcomes)} cases, {len(failed)} not met"
    if not outcomes:
        summary = "no case was run"
    rules = f"{len(found.rules) - len(found.uncovered)} of {len(found.rules)} rules decide a case"
    style = "bold red" if failed or not outcomes else "bold green"
    console.print(Text(f"{summary}; {rules}", style=style))


def _show_one(console: Console, each: Outcome) -> None:
    from rich.table import Table
    from rich.text import Text

    console.print(Text(f"{each.case.place}: {each.case.title}", style="bold"), soft_wrap=True)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
    if each.not_run:
        table.add_row(Text("not run", style="red"), Text(each.not_run))
    for fact, wanted, got in each.differs:
        what = "" if fact == "want" else f"{fact}: "
        table.add_row(Text("wanted", style="green"), Text(f"{what}{wanted}"))
        table.add_row(Text("got", style="red"), Text(f"{what}{got}"))
    for rule, why in each.why:
        table.add_row(Text(rule, style="dim"), Text(why, style="dim"))
    console.print(table)
    console.print()


def _show_clauses(console: Console, found: Coverage) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("clause")
    table.add_column("rules", justify="right")
    table.add_column("cases", justify="right")
    for clause, number in sorted(found.clauses.items()):
        rules = sum(each == clause for each, _ in found.rules.values())
        style = "" if number else "yellow"
        table.add_row(*(Text(str(cell), style=style) for cell in (clause, rules, number)))
    console.print(table)
    console.print()


def junit(outcomes: Sequence[Outcome]) -> bytes:
    """The outcomes in the form that build servers read (JUnit's XML, as Apache Ant writes it)."""
    failed = sum(bool(each.differs) for each in outcomes)
    errors = sum(bool(each.not_run) for each in outcomes)
    suite = ET.Element(
        "testsuite",
        name="watchhouse test",
        tests=str(len(outcomes)),
        failures=str(failed),
        errors=str(errors),
    )
    for each in outcomes:
        case = ET.SubElement(
            suite, "testcase", classname=each.case.rule, name=f"{each.case.place} {each.case.title}"
        )
        if each.not_run:
            ET.SubElement(case, "error", message=each.not_run)
        elif each.differs:
            lines = [f"{fact}: wanted {wanted}, got {got}" for fact, wanted, got in each.differs]
            failure = ET.SubElement(case, "failure", message="; ".join(lines))
            failure.text = "\n".join((*lines, *(f"{rule}: {why}" for rule, why in each.why)))
    tree: bytes = ET.tostring(suite, encoding="utf-8", xml_declaration=True)
    return tree
