"""Requests of several people become what each did in one go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.audit.sessions import PAUSE, sessions
from proxy_addons.audit.store import At, Row

NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)


def row(minute: float, person: str | None = "jane", *, masked: bool = False, **more: Any) -> Row:
    values = {
        "start": NINE + timedelta(minutes=minute),
        "person": person,
        "client_ip": "192.0.2.1",
        "host": "site.test",
        "action": "allow",
        "opened": True,
    }
    return Row(At("segment", int(minute * 60)), values | more, masked)


def test_a_pause_ends_a_session_and_other_people_have_their_own() -> None:
    found = sessions([
        *(row(0), row(14.9), row(30.1), row(46), row(1, "john"), row(2, None)),
    ])  # fmt: skip
    assert [(each.who, each.minutes, each.requests) for each in found] == [
        ("jane", 14, 2),
        ("john", 0, 1),
        ("192.0.2.1", 0, 1),
        ("jane", 0, 1),
        ("jane", 0, 1),
    ]


def test_a_pause_of_just_so_long_does_not_end_it() -> None:
    assert len(sessions([row(0), row(15)])) == 1
    assert len(sessions([row(0), row(15.02)])) == 2


def test_what_was_opened_comes_before_what_browsers_fetched() -> None:
    (found,) = sessions([
        row(0, host="news.test"),
        *(row(0.1 * n, host="pictures.test", opened=False) for n in range(1, 9)),
        row(1, host="shop.test", action="block"),
        row(2, host=None, masked=True, opened=None),
    ])  # fmt: skip
    assert found.sites == (("news.test", 1), ("shop.test", 1), ("pictures.test", 8))
    assert (found.requests, found.opened, found.refused, found.masked) == (11, 2, 1, 1)


def test_one_person_at_two_computers_has_two() -> None:
    assert len(sessions([row(0), row(1, client_ip="192.0.2.2")])) == 2


def test_rows_that_do_not_show_when_are_left_out() -> None:
    assert sessions([row(0, start=None)]) == ()


@given(
    st.lists(st.tuples(st.integers(0, 24 * 60), st.sampled_from(["jane", "john", None]))),
    st.randoms(use_true_random=False),
)
def test_every_request_is_in_one_session(asked: list[tuple[int, str | None]], order: Any) -> None:
    rows = [row(minute, person) for minute, person in asked]
    found = sessions(rows)
    assert sum(each.requests for each in found) == len(rows)
    assert list(found) == sorted(found, key=lambda each: each.begins)
    for one in found:
        others = [each for each in found if each.who == one.who and each is not one]
        assert all(each.begins - one.ends > PAUSE or one.begins - each.ends > PAUSE
                   for each in others)  # fmt: skip
    order.shuffle(rows)
    assert sessions(rows) == found
