"""Confirmations of coaching pages, on both engines."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING

import pytest

from proxy_addons.standing import StepRefusedError
from proxy_addons.standing.confirmations import Confirmation, confirm, forget, of_person

if TYPE_CHECKING:
    from proxy_addons.standing import Store

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
_numbers = count(1)


@pytest.fixture
def person() -> str:
    return f"kim{next(_numbers)}"


def click(
    store: Store,
    person: str,
    rule: str = "auctions",
    site: str = "bids.example",
    at: datetime = NOW,
) -> Confirmation:
    return confirm(store, person, rule, site, at + HOUR, at)


def test_a_click_is_kept(shared: Store, person: str) -> None:
    version = shared.shift_version()
    made = click(shared, f" {person.upper()} ")
    assert made == Confirmation(
        made.id, person, "auctions", "bids.example", NOW, NOW + HOUR, version + 1
    )
    assert of_person(shared, person) == (made,)


def test_a_second_click_prolongs_nothing(shared: Store, person: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        made = set(threads.map(lambda _: click(shared, person), range(8)))
    assert len(made) == 1
    (first,) = made
    assert click(shared, person, at=first.until - timedelta(microseconds=1)) == first
    second = click(shared, person, at=first.until)
    assert of_person(shared, person) == (first, second)


def test_each_rule_and_site_has_its_own(shared: Store, person: str) -> None:
    made = {
        click(shared, person).id,
        click(shared, person, rule="ai-assistants").id,
        click(shared, person, site="other.example").id,
        click(shared, f"{person}x").id,
    }
    assert len(made) == 4


def test_what_would_never_count_is_a_mistake(shared: Store, person: str) -> None:
    with pytest.raises(ValueError, match="later moment"):
        confirm(shared, person, "auctions", "bids.example", NOW, NOW)
    with pytest.raises(StepRefusedError):
        click(shared, "\n")
    assert of_person(shared, person) == ()


def test_what_has_ended_long_ago_can_be_forgotten(store: Store) -> None:
    first, second = click(store, "a"), click(store, "a", at=NOW + HOUR)
    version = store.shift_version()
    assert forget(store, first.until) == 0
    assert forget(store, second.until) == 1
    assert of_person(store, "a") == (second,)
    assert store.shift_version() == version, "no worker has to look"
