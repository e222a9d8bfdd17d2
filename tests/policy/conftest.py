"""A small policy of the tests' own, and strategies for random ones."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from proxy_addons.policy.compiled import Policy, Rule
from proxy_addons.policy.model import Action, Person, Resource
from proxy_addons.policy.timespaces import TimeCondition, TimeRange, TimeSpace
from proxy_addons.urlkey import UrlKey

if TYPE_CHECKING:
    from collections.abc import Callable

LONDON = ZoneInfo("Europe/London")


@pytest.fixture(scope="session")
def london() -> ZoneInfo:
    return LONDON


@pytest.fixture(scope="session")
def at() -> Callable[..., datetime]:
    """A moment in London; `fold` picks one of two equal readings."""

    def moment(text: str, fold: int = 0) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=LONDON, fold=fold)

    return moment


@pytest.fixture(scope="session")
def make_rule() -> Callable[..., Rule]:
    def make(rule_id: str, action: Action = Action.BLOCK, **conditions: object) -> Rule:
        return Rule(
            id=rule_id, clause="Test 1", reason=f"Because {rule_id}.", action=action, **conditions
        )  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def make_policy() -> Callable[..., Policy]:
    def make(*rules: Rule, **fields: object) -> Policy:
        spaces = {space.name: space for rule in rules if rule.time for space in rule.time.spaces}
        defaults = {
            "profiles": {"staff": "Staff.", "strict": "Nobody known."},
            "strictest_profile": "strict",
            "time_zone": LONDON,
            "time_spaces": spaces,
        }
        return Policy(rules=rules, **(defaults | fields))  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def resource() -> Callable[..., Resource]:
    def make(*categories: str, host: str = "site.example", method: str = "GET") -> Resource:
        is_address = host[-1].isdigit() or ":" in host
        key = UrlKey("https", host, 443, "/", is_address=is_address)
        return Resource(key, frozenset(categories), method)

    return make


@pytest.fixture(scope="session")
def staff() -> Person:
    return Person("Sam", "address", "staff")


@pytest.fixture(scope="session")
def within() -> Callable[..., TimeCondition]:
    """A condition made of (days, from, to) in minutes."""

    def make(
        *ranges: tuple[set[int], int, int], outside: bool = False, name: str = "space"
    ) -> TimeCondition:
        space = TimeSpace(name, tuple(TimeRange(frozenset(d), a, b) for d, a, b in ranges))
        return TimeCondition((space,), outside=outside)

    return make


@pytest.fixture(scope="session")
def minutes_of() -> Callable[[date, date], list[datetime]]:
    """Every minute that passes in London from one midnight to another, as local times."""

    def make(first: date, last: date) -> list[datetime]:
        start = datetime(first.year, first.month, first.day, tzinfo=LONDON).astimezone(UTC)
        end = datetime(last.year, last.month, last.day, tzinfo=LONDON).astimezone(UTC)
        count = (end - start) // timedelta(minutes=1)
        return [(start + timedelta(minutes=n)).astimezone(LONDON) for n in range(count)]

    return make
