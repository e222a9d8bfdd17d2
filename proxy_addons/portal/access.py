"""Which page is open to whom: one table, which the guard, the menu, tests and docs/portal.md share.

In: a page's name, roles. Out: yes or no.
Must never: decide a step of a register: those rules are in standing/.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from proxy_addons.portal.signin.roles import (
    AUDITOR,
    INFORMATION_SECURITY,
    LINE_MANAGER,
    OPERATOR,
    PSD,
    STAFF,
)

EVERYBODY: Final = frozenset({STAFF})
READERS: Final = frozenset({INFORMATION_SECURITY, PSD, AUDITOR, OPERATOR})
"""Roles that see the whole register; others see their own entries and those of their people."""


@dataclass(frozen=True, slots=True)
class Page:
    """One kind of page.

    Attributes:
        name: by which code and tests call it.
        what: for people, as docs/portal.md says it.
        roles: any one of them opens it.
        withdrawn: whether it stays open while one's own web access is withdrawn.
    """

    name: str
    what: str
    roles: frozenset[str] = EVERYBODY
    withdrawn: bool = False


PAGES: Final = {
    page.name: page
    for page in (
        Page("you", "Your own page: how the gateway knows you", withdrawn=True),
        Page("sessions", "Sign out; end all your sessions", withdrawn=True),
        Page("confirm", "Confirm that it is you"),
        Page("browsing", "My browsing: what you can open now, your breaks, the time you have used"),
        Page("statement", "The acceptable-use statement, and what you acknowledged"),
        Page("exemptions", "List of exemptions (which ones: see below)"),
        Page("exemption", "One exemption, with its history and the steps you may take"),
        Page("request", "Request an exemption, for yourself or somebody else"),
        Page("team", "My people: who they are, what holds for them", frozenset({LINE_MANAGER})),
        Page(
            "use",
            "Personal use of my people, week by week, and its CSV file (each look is recorded)",
            frozenset({LINE_MANAGER}),
        ),
        Page("withdrawals", "All withdrawals of web access", READERS),
        Page(
            "withdraw",
            "Withdraw somebody's web access, or give it back (line managers: their own people's)",
            frozenset({LINE_MANAGER, INFORMATION_SECURITY, PSD}),
        ),
        Page("report", "Report of exemptions, and its CSV file", READERS),
        Page(
            "acknowledgements",
            "Who has acknowledged the statement and who has not, and its CSV file",
            frozenset({INFORMATION_SECURITY, AUDITOR}),
        ),
        Page("review-request", "Ask to have a refused site looked at"),
        Page("review", "One review: your own; all of them for who sees the queue"),
        Page(
            "reviews",
            "Queue of reviews of refused sites (information security decides)",
            frozenset({INFORMATION_SECURITY, AUDITOR}),
        ),
        Page(
            "authorisations",
            "Authorisations to look at records: apply for one, and what waits for your approval",
        ),
        Page(
            "search",
            "Search the access log, under an authorisation of yours (each look is recorded)",
            frozenset({PSD}),
        ),
        Page(
            "live",
            "Observe somebody live, under an authorisation for that (each look is recorded)",
            frozenset({PSD}),
        ),
        Page(
            "sampling",
            "Dip samples: plans, commitments, draws, the coverage report",
            frozenset({PSD, AUDITOR}),
        ),
        Page(
            "sample",
            "Plan a dip sample; review one, under its pseudonym (each look is recorded)",
            frozenset({PSD}),
        ),
        Page(
            "retention",
            "What is due to be erased, legal holds, disposal certificates",
            frozenset({PSD, AUDITOR}),
        ),
        Page("hold", "Place a legal hold", frozenset({PSD})),
        Page(
            "alerts",
            "Queue of alerts, one alert with its history (nobody sees one about themselves)",
            frozenset({PSD}),
        ),
        Page(
            "trail", "Who looked at the access log, at what, by which right", frozenset({AUDITOR})
        ),
        Page(
            "tokens",
            "Tokens of your own by which programs ask the API (docs/api.md)",
            frozenset({PSD, AUDITOR}),
        ),
    )
}


def may_open(name: str, roles: frozenset[str], *, withdrawn: bool = False) -> bool:
    """Whether somebody with these roles may open a page.

    Args:
        name: of the page.
        roles: of the person.
        withdrawn: whether the person's own web access is withdrawn.
    """
    page = PAGES[name]
    return not roles.isdisjoint(page.roles) and (page.withdrawn or not withdrawn)


def reads_all(roles: frozenset[str]) -> bool:
    """Whether somebody sees the whole register."""
    return not roles.isdisjoint(READERS)
