"""The time of an approval by word of mouth, as it is typed: by the force's clock."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from proxy_addons.portal.psd.authority.taking import call
from proxy_addons.portal.register.forms import Form
from proxy_addons.portal.register.taking import Taken
from proxy_addons.standing import Actor

KIM = Actor("kim", frozenset({"psd"}), "kerberos")
LONDON = ZoneInfo("Europe/London")


def taken(day: str, clock: str) -> Taken:
    typed = {"by": "acu", "at_day": day, "at_time": clock, "why": "By telephone."}
    return Taken(KIM, "AU-2026-0001", 1, Form({k: [v] for k, v in typed.items()}), LONDON)


@pytest.mark.parametrize(
    ("day", "clock", "at"),
    [
        ("2026-11-23", "09:30", datetime(2026, 11, 23, 9, 30, tzinfo=UTC)),
        ("2026-07-01", "9:30", datetime(2026, 7, 1, 8, 30, tzinfo=UTC)),
        ("1/7/2026", "00.05", datetime(2026, 6, 30, 23, 5, tzinfo=UTC)),
        # The day on which the clocks go forward, and back: after that by the new time.
        ("2026-03-29", "02:30", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
        ("2026-10-25", "23:59", datetime(2026, 10, 25, 23, 59, tzinfo=UTC)),
    ],
)
def test_it_is_by_the_forces_clock(day: str, clock: str, at: datetime):
    made = call("approve-orally", taken(day, clock))
    assert made is not None
    register = SimpleNamespace(approve_orally=lambda *_, **given: given)
    assert made(register) == {
        "seen": 1, "by": "acu", "at": at, "note": "By telephone."
    }  # fmt: skip


@pytest.mark.parametrize(
    "clock", ["", "9", "24:00", "12:60", "-1:00", "\u0661\u0662:00", "12:00:00", "noon"]
)
def test_what_is_no_time_is_said_at_its_field(clock: str):
    step = taken("2026-11-23", clock)
    assert call("approve-orally", step) is None
    assert [name for name, _ in step.form.problems] == ["at_time"]
