"""Authority through the portal's pages: people with offices, the form filled in, steps taken.

In: a folder, a visitor. Out: settings; references; what pages say.
Must never: take a step but by its form.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from proxy_addons.settings.audit import Audit, Office
from support.portal import PEOPLE, roles, settings_for

if TYPE_CHECKING:
    from pathlib import Path

    from proxy_addons.settings.model import Settings
    from support.portal import Seen, Visitor

NAMES = (*PEOPLE, "sam", "kim", "acu", "hr", "dcc", "hpsd", "dpo", "eve")
AUDIT = Audit(
    special=("banking", "health", "sexual_education"),  # with list aliases, as they are loaded
    offices=(
        Office("head-of-acu", (), ("acu",)),
        Office("head-of-hr", (), ("hr",)),
        Office("deputy-chief-constable", (), ("dcc",)),
        Office("head-of-psd", (), ("hpsd",)),
        Office("data-protection-officer", (), ("dpo",)),
    ),
)
GIVEN = roles(
    line_manager="mona",
    information_security="ines",
    psd="paul sam kim hpsd",
    auditor="audrey",
    operator="oscar",
)
PATH = "/psd/authorisations"
NECESSITY = "The allegation is about what was looked at, and nothing else records that."


def settings_with_offices(folder: Path, **changes: object) -> Settings:
    return settings_for(folder, names=NAMES, given=GIVEN, **{"audit": AUDIT, **changes})


def application(**changes: object) -> dict[str, object]:
    """The form, filled in: a reactive look at an officer's records. It is 23 November 2026."""
    form: dict[str, object] = {
        "kind": "reactive",
        "subjects": "jane, officer",
        "investigators": "sam",
        "purpose": "unauthorised-use",
        "regime": "si-2018-356",
        "allegation": "CM/123/26",
        "necessity": NECESSITY,
        "proportionality": "Only the days of the allegation, and nobody else.",
        "alternatives": "An interview alone would warn her.",
        "collateral": "Only her own records; what is masked stays masked.",
        "begins": "2026-11-01",
        "ends": "2026-11-14",
        "names_shown": "names",
        "row_cap": "10000",
        "valid_from": "2026-11-23",
        "valid_until": "2026-12-31",
    }
    form |= changes
    return {name: value for name, value in form.items() if value is not None}


async def applied(visitor: Visitor, **changes: object) -> str:
    """An application through the form; its reference."""
    seen = await visitor.fill(f"{PATH}/new", **application(**changes))
    assert seen.status == 303, seen.words
    found = re.fullmatch(rf"{PATH}/(AU-\d{{4}}-\d{{4}})\?done=request", seen.location)
    assert found is not None
    return found[1]


async def sent(visitor: Visitor, reference: str, kind: str, **fields: object) -> Seen:
    """The form of a step, filled in and sent."""
    path = f"{PATH}/{reference}/{kind}"
    form = await visitor.get(path)
    assert form.status == 200, (form.status, form.words, form.location)
    revision = re.search(r'name="seen" value="(\d+)"', form.text)
    assert revision is not None
    return await visitor.post(path, {"csrf": form.token, "seen": revision[1], **fields})


async def step(visitor: Visitor, reference: str, kind: str, **fields: object) -> str:
    """Take a step through its form; what the page then says."""
    seen = await sent(visitor, reference, kind, **fields)
    assert seen.status == 303, seen.words
    return (await visitor.get(seen.location)).words


def offered(seen: Seen) -> set[str]:
    """Which steps a page offers."""
    return set(re.findall(rf'href="{PATH}/AU-[\d-]+/([a-z-]+)"', seen.text))
