"""What others are told of one's browsing: refusals in figures, and who looked at the figures.

In: the store, a name. Out: frozen values for My browsing.
Must never: show what was recorded of anybody else; keep back a look that `views` has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy_addons.gate.wording import date_words
from proxy_addons.portal.team.shown import reason_of, week_words
from proxy_addons.standing import views
from proxy_addons.standing.refusals import by_person
from proxy_addons.standing.weeks import Week

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, tzinfo

    from proxy_addons.identity.entries import Entry
    from proxy_addons.policy.compiled import Rule
    from proxy_addons.standing.store import Store
    from proxy_addons.standing.views import View

LOOKS: Final = 20
"""Looks that are shown, the newest first."""
_FEW: Final = 10  # refusals that a scale always has
_WEEKLY: Final = "weekly "
_MADE, _SENT = "e-mail", "e-mail, sent"
_HOW: Final = {
    "page": "on the portal",
    "csv": "as a file",
    "command-line": "as a report made by the operator",
    _MADE: "as a report made for e-mail",
    _SENT: "as a report by e-mail",
}


@dataclass(frozen=True, slots=True)
class Told:
    """What is told.

    Attributes:
        refused: rule → how often it refused what the person opened, in the days that are shown.
        looks: at the person's figures, the newest first.
    """

    refused: Mapping[str, int]
    looks: Sequence[View]


@dataclass(frozen=True, slots=True)
class ShownRefusal:
    """One rule, for the page.

    Attributes:
        rule: its id.
        reason: what the policy says of it; empty for rules that it no longer has.
        times: how often it refused.
        bar: its length, in percent of the width.
    """

    rule: str
    reason: str
    times: int
    bar: float


@dataclass(frozen=True, slots=True)
class ShownLook:
    """One look, for the page.

    Attributes:
        at: `Monday 23 November 2026, 09:12`.
        viewer: name for people, with the login name.
        what: at which figures.
        how: by which way.
    """

    at: str
    viewer: str
    what: str
    how: str


def read(store: Store, person: str, first: date, last: date) -> Told:
    """What is told of one person. Blocks.

    Args:
        store: the standing store.
        person: canonical name.
        first: duty day from which refusals are counted.
        last: duty day, included.

    Raises:
        StandingUnavailableError: the store does not answer.
    """
    refused = by_person(store, (person,), first, last).get(person, {})
    # A report that was sent has a look for its making as well: twice as many are read.
    looks = views.of(store, subject=person, most=2 * LOOKS)
    sent = {(each.viewer, each.what) for each in looks if each.how == _SENT}
    shown = [each for each in looks if each.how != _MADE or (each.viewer, each.what) not in sent]
    return Told(refused, shown[:LOOKS])


def shown_refusals(refused: Mapping[str, int], rules: Mapping[str, Rule]) -> list[ShownRefusal]:
    """Refusals for the page, the most frequent first."""
    most = max([_FEW, *refused.values()])
    return [
        ShownRefusal(rule, reason_of(rules, rule), times, round(100 * times / most, 2))
        for rule, times in sorted(refused.items(), key=lambda each: (-each[1], each[0]))
    ]


def shown_looks(
    looks: Sequence[View], entries: Mapping[str, Entry], zone: tzinfo
) -> list[ShownLook]:
    """Looks for the page.

    Args:
        looks: the newest first.
        entries: what the directory says of the viewers.
        zone: of the force.
    """
    return [_shown(each, entries.get(each.viewer), zone) for each in looks]


def _shown(look: View, entry: Entry | None, zone: tzinfo) -> ShownLook:
    at = look.at.astimezone(zone)
    display = entry.display if entry else None
    return ShownLook(
        f"{date_words(at)}, {at:%H:%M}",
        f"{display} ({look.viewer})" if display else look.viewer,
        _what(look.what),
        _HOW.get(look.how, look.how),
    )


def _what(text: str) -> str:
    if text.startswith(_WEEKLY):
        try:
            return f"the week {week_words(Week.parse(text.removeprefix(_WEEKLY)))}"
        except ValueError:
            # Of another version of the program: shown as it was recorded.
            pass
    return text
