"""The weekly report as a document: HTML that mail programs show too, and plain text.

In: a team's week in words. Out: HTML, text.
Must never: name a site; need anything from elsewhere to be shown (no image, script or style sheet).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from proxy_addons.gate.pages import environment
from proxy_addons.portal.team.shown import minutes_words

if TYPE_CHECKING:
    from jinja2 import Environment

    from proxy_addons.portal.team.shown import Sheet
    from proxy_addons.settings.model import Page

_FOLDER = Path(__file__).parents[1] / "templates"


def as_html(sheet: Sheet, page: Page, manager: str) -> str:
    """The report as a page of its own.

    Args:
        sheet: the figures in words.
        page: what the force says on every page of ours.
        manager: the line manager's name for people.
    """
    template = _templates().get_template("team-document.html")
    return template.render(sheet=sheet, page=page, manager=manager)


def as_text(sheet: Sheet, page: Page, manager: str) -> str:
    """The report for mail programs that show no HTML."""
    lines = [
        f"Personal use of the web: {sheet.title}",
        f"For {manager}, {page.organisation}",
        "",
        f"Median of your {len(sheet.rows)} people: {sheet.median} a week.",
    ]
    if sheet.it.allowance is not None:
        lines.append(f"Allowance: {sheet.it.allowance} minutes a day.")
    lines.append("")
    width = max((len(row.display) for row in sheet.rows), default=0)
    for row in sheet.rows:
        breaks = f", breaks: {row.it.breaks}" if row.it.breaks else ""
        full = f", allowance used up on {row.it.full} days" if row.it.full else ""
        lines.append(f"{row.display:<{width}}  {row.minutes}{full}{breaks}")
    lines += ["", f"Median in eight weeks: {sheet.trend_words}"]
    if sheet.refused:
        lines += ["", "Refused, of what your people opened themselves:"]
        for rule in sheet.refused:
            people = "1 person" if rule.people == 1 else f"{rule.people} people"
            lines.append(f"  {rule.rule}: {rule.times} ({people})")
        lines.append("By person:")
        for row in sheet.refused_people:
            lines.append(f"  {row.display}: {row.it.refusals} ({row.refused_words})")
    lines += [
        "",
        "Which sites it were is not in here. Much use is a reason to speak with somebody, not",
        "a finding: you judge whether it is excessive (Inf/27 2.10.1).",
        "That this report was sent to you is recorded; your people see it.",
        "",
        page.monitoring_notice,
    ]
    return "\n".join(lines) + "\n"


@cache
def _templates() -> Environment:
    made = environment(_FOLDER, style=Markup())
    made.globals["minutes_words"] = minutes_words
    return made
