from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.standing import EMPTY, LiveExemption, Snapshot

T0 = datetime(2026, 11, 22, tzinfo=UTC)
DAY = timedelta(days=1)


def live(begins: int, ends: int, *, everything: bool = False, number: int = 1) -> LiveExemption:
    return LiveExemption(
        f"EX-2026-{number:04}", "jane", everything, frozenset(), T0 + begins * DAY, T0 + ends * DAY
    )


def snapshot(*exemptions: LiveExemption) -> Snapshot:
    return Snapshot(1, {}, MappingProxyType({"jane": exemptions}))


def test_nobody_is_exempt_in_an_empty_one() -> None:
    assert EMPTY.exemption("jane", T0) is None
    assert EMPTY.changes("jane", T0) is None
    assert (EMPTY.version, dict(EMPTY.withdrawn)) == (0, {})


def test_the_beginning_counts_and_the_end_does_not() -> None:
    one = live(0, 1)
    known, instant = snapshot(one), timedelta(microseconds=1)
    assert known.exemption("jane", T0 - instant) is None
    assert known.exemption("jane", T0) is one
    assert known.exemption("jane", T0 + DAY - instant) is one
    assert known.exemption("jane", T0 + DAY) is None
    assert known.exemption("john", T0) is None


def test_everything_counts_before_categories_and_the_longest_before_others() -> None:
    whole, long, short = live(0, 5, everything=True), live(0, 9, number=2), live(0, 7, number=3)
    known = snapshot(short, whole, long)
    assert known.exemption("jane", T0) is whole
    assert known.exemption("jane", T0 + 6 * DAY) is long
    assert known.exemption("jane", T0 + 8 * DAY) is long


periods = st.tuples(st.integers(0, 20), st.integers(1, 20), st.booleans())


@given(st.lists(periods, max_size=5), st.integers(-5, 45))
def test_between_two_changes_the_answer_stays(
    given_periods: list[tuple[int, int, bool]], at: int
) -> None:
    known = snapshot(
        *(
            live(begins, begins + length, everything=everything, number=number)
            for number, (begins, length, everything) in enumerate(given_periods)
        )
    )
    now = T0 + at * DAY
    answer, until = known.exemption("jane", now), known.changes("jane", now)
    for step in range(1, 60):
        later = now + step * DAY / 2
        if until is None or later < until:
            assert known.exemption("jane", later) == answer
    if until is not None:
        assert until > now
        assert any(until in {each.begins, each.ends} for each in known.exemptions["jane"])
