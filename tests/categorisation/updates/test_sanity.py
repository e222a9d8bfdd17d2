"""Holding back, and being due: exactly at their limits."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from proxy_addons.categorisation.updates.comparing import Amounts, Difference
from proxy_addons.categorisation.updates.sanity import Reason, reasons_of
from proxy_addons.categorisation.updates.sides import EXCEPTIONS
from proxy_addons.categorisation.updates.sourcesfile import HoldBack
from proxy_addons.categorisation.updates.state import State

NUMBERS = st.integers(0, 400)
NOTHING = Amounts()


def judged(amounts: Amounts, limits: HoldBack, category: str = "games") -> list[str]:
    whole = replace(amounts, examples_added=("a.test",), examples_removed=("r.test",))
    found = reasons_of(Difference(NOTHING, {category: whole}, {}), limits)
    return [reason.what for reason in found]


@given(before=NUMBERS, added=NUMBERS, removed=NUMBERS, least=st.integers(0, 100))
@example(before=250, added=0, removed=50, least=0)  # a fifth is not more than a fifth
@example(before=250, added=0, removed=51, least=0)
@example(before=250, added=126, removed=0, least=127)
def test_a_category_is_held_exactly_beyond_its_limits(
    before: int, added: int, removed: int, least: int
) -> None:
    assume(removed <= before)
    after = before + added - removed
    amounts = Amounts(before, after, added, removed)
    found = judged(amounts, HoldBack(loses=0.2, gains=0.5, least=least))
    if before and not after:
        assert found == ["vanishes"]
        return
    wanted = []
    if removed and removed * 5 > before and removed >= least:
        wanted.append("loses")
    if before and added and added * 2 > before and added >= least:
        wanted.append("gains")
    assert found == wanted


def test_exceptions_may_go() -> None:
    amounts = Amounts(30, 0, 0, 30)
    assert judged(amounts, HoldBack(), "games" + EXCEPTIONS) == []
    assert judged(amounts, HoldBack(least=30), "games" + EXCEPTIONS) == ["loses"]


def test_a_reason_in_words_and_in_a_file() -> None:
    reason = Reason("games", "loses", 1200, 4000, ("a.test", "b.test"))
    assert str(reason) == "category games loses 1,200 of 4,000 entries (30%): a.test, b.test, …"
    assert Reason.of_json(reason.as_json()) == reason
    whole = Reason("", "gains", 1, 1, ("a.test",))
    assert str(whole) == "the list gains 1 of 1 entries (100%): a.test"


@settings(max_examples=50)
@given(
    minute=st.integers(0, 1439),
    first=st.integers(0, 1439),
    last=st.integers(0, 1439),
    second=st.integers(0, 59),
)
@example(minute=1170, first=1170, last=450, second=0)
@example(minute=450, first=1170, last=450, second=0)
@example(minute=449, first=1170, last=450, second=59)
def test_hours_over_midnight(minute: int, first: int, last: int, second: int) -> None:
    assume(first != last)
    moment = datetime(2026, 11, 23, minute // 60, minute % 60, second, tzinfo=UTC)
    inside = {(first + step) % 1440 for step in range((last - first) % 1440)}
    assert State().is_due(moment, 60, (first, last)) == (minute in inside)


@pytest.mark.parametrize(
    ("hours", "due"), [(21.5, False), (21.7, True), (24.0, True), (-1.0, False)]
)
def test_due_a_little_early(hours: float, due: bool) -> None:
    then = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
    state = State(succeeded=then.isoformat())
    assert state.is_due(then + timedelta(hours=hours), 86400, None) is due
