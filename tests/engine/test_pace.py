"""Waits: dated by the looks at them, ended by what they wait for, and never shorter than said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.connection import Client, ConnectionState

from proxy_addons.engine.options import EngineOptions
from proxy_addons.engine.pace import Pace, Wait, said
from proxy_addons.engine.tuning import ForkingContext, pace_of

OPTIONS = EngineOptions(
    head_timeout=3.0, handshake_timeout=4.0, first_byte_timeout=5.0, body_timeout=6.0,
    trickle_after=7.0,
)  # fmt: skip
LIMITS = {
    Wait.HEAD: 3, Wait.HANDSHAKE: 4, Wait.FIRST_BYTE: 5, Wait.BODY: 6, Wait.STREAM: 6,
    Wait.TRICKLE: 7,
}  # fmt: skip


@pytest.mark.parametrize(("what", "limit"), LIMITS.items())
def test_each_wait_has_its_limit_counted_from_the_first_look(what: Wait, limit: int) -> None:
    pace = Pace(OPTIONS)
    pace.begin(what, "key")
    assert pace.overdue(100.0) == []
    assert pace.overdue(100.0 + limit - 0.001) == []
    assert pace.overdue(100.0 + limit) == [(what, "key")]
    assert pace.overdue(1000.0) == [], "it is given once"


@pytest.mark.parametrize("what", Wait)
def test_what_has_come_in_time_is_not_late(what: Wait) -> None:
    pace = Pace(OPTIONS)
    pace.end(what)  # not begun: nothing happens
    pace.begin(what)
    pace.overdue(0.0)
    pace.end(what)
    assert pace.overdue(1000.0) == []
    assert not pace.waits(what)


@pytest.mark.parametrize("what", Wait)
def test_only_bodies_begin_anew_with_each_byte(what: Wait) -> None:
    """A head of which a byte comes now and then is still one head."""
    pace = Pace(OPTIONS)
    found = []
    for second in range(20):
        pace.begin(what)
        found += pace.overdue(float(second))
    assert bool(found) is (what not in {Wait.BODY, Wait.STREAM})


@pytest.mark.parametrize("what", Wait)
def test_what_we_do_not_read_ourselves_is_not_late(what: Wait) -> None:
    pace = Pace(OPTIONS)
    for each in Wait:
        pace.begin(each)
    found = [each for second in range(20) for each, _ in pace.overdue(float(second), {what})]
    assert set(found) == set(Wait) - {what}
    assert pace.overdue(19.0 + LIMITS[what] - 0.001) == []
    assert pace.overdue(19.0 + LIMITS[what]) == [(what, None)], "from when it was read again"


def test_keys_are_told_apart() -> None:
    pace = Pace(OPTIONS)
    pace.begin(Wait.FIRST_BYTE, 1)
    pace.begin(Wait.FIRST_BYTE, 3)
    pace.begin(Wait.STREAM, 1)
    pace.overdue(0.0)
    pace.end(Wait.FIRST_BYTE, 1)
    assert pace.overdue(5.0) == [(Wait.FIRST_BYTE, 3)]
    assert pace.overdue(6.0) == [(Wait.STREAM, 1)]


@given(
    st.lists(st.floats(0.001, 3.0), min_size=1, max_size=30),
    st.integers(0, 29),
    st.sampled_from(list(Wait)),
)
def test_no_wait_is_ended_before_its_time(pauses: list[float], begun_at: int, what: Wait) -> None:
    """However the looks fall: no shorter than its limit, and no look later than need be."""
    pace = Pace(OPTIONS)
    now, first, ended = 0.0, None, None
    for number, pause in enumerate(pauses):
        if number == begun_at:
            pace.begin(what)
        now += pause
        if pace.overdue(now):
            ended = now
            break
        if number >= begun_at and first is None:
            first = now
    if ended is not None:
        assert first is not None
        assert ended - first >= LIMITS[what]
    elif first is not None:
        assert now - first < LIMITS[what]


def test_all_layers_of_a_connection_share_one() -> None:
    client = Client(peername=("a", 1), sockname=("b", 2), state=ConnectionState.OPEN)
    context = ForkingContext(client, OPTIONS)
    assert pace_of(context.fork().fork()) is pace_of(context)


@pytest.mark.parametrize("what", Wait)
def test_what_is_said_of_each(what: Wait) -> None:
    assert "2.5 s" in said(what, 2.5)
