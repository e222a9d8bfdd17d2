"""One blocked name blocks; one inspectable name inspects."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.gate.judge import judge
from proxy_addons.policy.cache import Decider
from proxy_addons.policy.compiled import Policy, Rule
from proxy_addons.policy.model import Action, Moment, Person
from proxy_addons.urlkey import UrlKey

if TYPE_CHECKING:
    from proxy_addons.categorisation import CategoryIndex

LONDON = ZoneInfo("Europe/London")
NOON = Moment(datetime(2026, 11, 24, 12, tzinfo=LONDON))
PERSON = Person("pc1234", "address", "standard")


NAMES = {
    "bad": {"webmail"}, "good": {"government"}, "bank": {"banking"}, "worse": {"games"},
    "badbank": {"banking", "webmail"}, "plain": set[str](),
}  # fmt: skip


class Lists:
    """An index of a few names."""

    def lookup(self, key: UrlKey) -> frozenset[str]:
        return frozenset(NAMES[key.host])


def rule(name: str, action: Action, categories: set[str] | None = None) -> Rule:
    return Rule(
        id=name,
        clause="",
        reason="",
        action=action,
        categories=frozenset(categories) if categories else None,
    )


POLICY = Policy(
    profiles={"standard": ""},
    strictest_profile="standard",
    time_zone=LONDON,
    rules=(
        rule("webmail", Action.BLOCK, {"webmail"}),
        rule("games", Action.BLOCK, {"games"}),
        rule("government", Action.ALLOW, {"government"}),
        rule("everything-else", Action.ALLOW),
    ),
    never_inspect_categories=frozenset({"banking"}),
)


def judged(*hosts: str) -> tuple[str, str, str, tuple[str, ...], bool]:
    index: CategoryIndex = Lists()  # type: ignore[assignment] # all that judging asks of one
    keys = [UrlKey("https", host, 443, "/") for host in hosts]
    found = judge(Decider(POLICY), index, PERSON, keys, "GET", NOON)
    return (
        str(found.decision.action),
        found.decision.rule,
        found.host,
        found.categories,
        found.splice,
    )


@pytest.mark.parametrize(
    ("hosts", "outcome"),
    [
        ("good", ("allow", "government", "good", ("government",), False)),
        ("bad", ("block", "webmail", "bad", ("webmail",), False)),
        ("good bad", ("block", "webmail", "bad", ("government", "webmail"), False)),
        ("bad good", ("block", "webmail", "bad", ("government", "webmail"), False)),
        # Of several that block, the first that was asked for explains.
        ("good worse bad", ("block", "games", "worse", ("games", "government", "webmail"), False)),
        # Of several that allow, what was asked for explains.
        ("plain good", ("allow", "everything-else", "plain", ("government",), False)),
        ("bank", ("allow", "everything-else", "bank", ("banking",), True)),
        ("bank bank", ("allow", "everything-else", "bank", ("banking",), True)),
        ("bank good", ("allow", "everything-else", "bank", ("banking", "government"), False)),
        ("good bank", ("allow", "government", "good", ("banking", "government"), False)),
        ("badbank", ("block", "webmail", "badbank", ("banking", "webmail"), True)),
        ("bank badbank", ("block", "webmail", "badbank", ("banking", "webmail"), True)),
        ("badbank good", ("block", "webmail", "badbank", ("banking", "government", "webmail"),
                          False)),
    ],
)  # fmt: skip
def test_the_strictest_of_the_names(hosts: str, outcome: tuple[object, ...]) -> None:
    assert judged(*hosts.split()) == outcome


def test_no_name_is_not_judged() -> None:
    with pytest.raises(ValueError, match="no name"):
        judged()


@given(st.lists(st.sampled_from(sorted(NAMES)), min_size=1, max_size=6), st.randoms())
def test_no_order_of_names_is_more_lenient(hosts: list[str], random: object) -> None:
    shuffled = hosts.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined] # hypothesis hands out a Random
    action, _, _, categories, splice = judged(*hosts)
    assert action == ("block" if {"bad", "worse", "badbank"} & set(hosts) else "allow")
    assert splice == (set(hosts) <= {"bank", "badbank"})
    again = judged(*shuffled)
    assert (again[0], again[3], again[4]) == (action, categories, splice)
