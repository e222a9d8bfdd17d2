"""What a live exemption changes in a decision, and what it never does."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.policy.cache import Decider
from proxy_addons.policy.decide import THREAT_NOT_EXEMPTED, decide
from proxy_addons.policy.model import Action, Decision, Moment, Person, Resource
from proxy_addons.policy.timespaces import TimeCondition, TimeRange, TimeSpace
from proxy_addons.urlkey import UrlKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.policy.compiled import Policy, Rule

ALLOW, BLOCK = Action.ALLOW, Action.BLOCK
CATEGORIES = ("malware", "webmail", "games", "news", "shop")
PROFILES = {"staff": "Staff.", "free": "Exempt.", "strict": "Nobody known."}


@pytest.fixture(scope="module")
def policy(make_policy: Any, make_rule: Any) -> Policy:
    always = TimeCondition((TimeSpace("day", (TimeRange(frozenset(range(8)), 540, 1020),)),))
    made: Policy = make_policy(
        make_rule("threats", categories=frozenset({"malware"}), profiles=frozenset({"staff"})),
        make_rule("strict", profiles=frozenset({"strict"})),
        make_rule("free", ALLOW, profiles=frozenset({"free"})),
        make_rule("webmail", categories=frozenset({"webmail"})),
        make_rule("games", categories=frozenset({"games"})),
        make_rule("shops", categories=frozenset({"shop"}), time=always),
        make_rule("rest", ALLOW),
        profiles=PROFILES,
        otherwise={"free": "staff"},
    )
    return made


@pytest.fixture(scope="module")
def asked(policy: Policy) -> Callable[..., Decision]:
    def ask(profile: str, *categories: str, exempted: tuple[str, ...] = ()) -> Decision:
        key = UrlKey("https", "example.com", 443, "/")
        moment = Moment(datetime(2026, 11, 24, 10, 30, tzinfo=policy.time_zone))
        person = Person("jane", "kerberos", profile, exempted=frozenset(exempted))
        found = decide(policy, person, Resource(key, frozenset(categories)), moment, trace=True)
        # The gateway asks through the memory: it must say the same, twice.
        decider = Decider(policy)
        for _ in range(2):
            again = decider.decide(person, Resource(key, frozenset(categories)), moment)
            assert (again.action, again.rule, again.exempted) == (
                found.action, found.rule, found.exempted,
            )  # fmt: skip
        other = Person("jane", "kerberos", profile)
        unaided = decider.decide(other, Resource(key, frozenset(categories)), moment)
        assert not (exempted and unaided.exempted and profile != "free")
        return found

    return ask


CASES = [
    # profile, categories, exempted → action, rule, rests on the exemption
    ("staff", ("webmail",), (), BLOCK, "webmail", False),
    ("staff", ("webmail",), ("webmail",), ALLOW, "rest", True),
    ("staff", ("webmail", "games"), ("webmail",), BLOCK, "games", False),
    ("staff", ("webmail", "games"), ("webmail", "games"), ALLOW, "rest", True),
    ("staff", ("news",), ("webmail",), ALLOW, "rest", False),
    ("staff", ("malware",), ("webmail",), BLOCK, "threats", False),
    ("staff", ("malware",), ("malware",), ALLOW, "rest", True),
    ("staff", ("shop",), ("shop",), ALLOW, "rest", True),
    ("free", ("webmail",), (), ALLOW, "free", True),
    ("free", (), (), ALLOW, "free", True),
    # An exemption for everything opens no threat that it does not name.
    ("free", ("malware",), (), BLOCK, THREAT_NOT_EXEMPTED, False),
    ("free", ("malware", "news"), ("news",), BLOCK, THREAT_NOT_EXEMPTED, False),
    ("free", ("malware",), ("malware",), ALLOW, "free", True),
    # The strictest profile is nobody's to be exempt from.
    ("strict", ("webmail",), ("webmail",), BLOCK, "strict", False),
]


@pytest.mark.parametrize(("profile", "categories", "exempted", "action", "rule", "rests"), CASES)
def test_what_an_exemption_changes(
    asked: Callable[..., Decision],
    profile: str,
    categories: tuple[str, ...],
    exempted: tuple[str, ...],
    action: Action,
    rule: str,
    rests: bool,
):
    decision = asked(profile, *categories, exempted=exempted)
    assert (decision.action, decision.rule, decision.exempted) == (action, rule, rests)


def test_the_trace_says_what_was_opened(asked: Callable[..., Decision]):
    steps = {step.rule: step for step in asked("staff", "webmail", exempted=("webmail",)).trace}
    assert steps["webmail"].why == "an exemption opens webmail"
    refused = {step.rule: step for step in asked("free", "malware").trace}
    assert "a threat that the exemption does not name" in refused["free"].why


def test_a_threat_is_not_promised_for_later(make_policy: Any, make_rule: Any):
    from_noon = TimeSpace("noon", (TimeRange(frozenset(range(8)), 720, 840),))
    policy = make_policy(
        make_rule("free", ALLOW, profiles=frozenset({"free"}), time=TimeCondition((from_noon,))),
        make_rule("rest"),
        profiles=PROFILES,
        otherwise={"free": "staff"},
    )
    moment = Moment(datetime(2026, 11, 24, 10, 30, tzinfo=policy.time_zone))
    key = UrlKey("https", "example.com", 443, "/")
    person = Person("jane", "kerberos", "free")
    harmless = decide(policy, person, Resource(key, frozenset({"news"})), moment)
    threat = decide(policy, person, Resource(key, frozenset({"malware"})), moment)
    assert harmless.retry_at is not None
    assert threat.retry_at is None


def test_aliases_are_opened_too(make_policy: Any, make_rule: Any):
    policy = make_policy(
        make_rule("rest", ALLOW), category_aliases={"porn": "adult", "mixed_adult": "adult"}
    )
    assert policy.with_aliases({"adult", "news"}) == {"adult", "porn", "mixed_adult", "news"}


some = st.frozensets(st.sampled_from(CATEGORIES))


@given(categories=some, exempted=some, profile=st.sampled_from(sorted(PROFILES)))
def test_an_exemption_only_opens_what_it_names(
    policy: Policy, categories: frozenset[str], exempted: frozenset[str], profile: str
):
    """Whatever is allowed with it and not without it has a category that it names."""
    moment = Moment(datetime(2026, 11, 24, 10, 30, tzinfo=policy.time_zone))
    key = UrlKey("https", "example.com", 443, "/")

    def asked(opened: frozenset[str]) -> Decision:
        person = Person("jane", "kerberos", profile, exempted=opened)
        return decide(policy, person, Resource(key, categories), moment)

    without, with_it = asked(frozenset()), asked(exempted)
    if without.action is ALLOW:
        assert with_it.action is ALLOW  # it never takes anything away
    elif with_it.action is ALLOW:
        assert categories & exempted
        assert with_it.exempted
    if "malware" in categories - exempted and profile != "strict":
        assert with_it.action is BLOCK
    if profile == "strict":
        assert with_it.action is BLOCK


def test_a_rule_for_everybody_is_not_withheld(make_policy: Any, make_rule: Any):
    """The force itself may allow a listed host to all (a false alarm of a list)."""
    rules: tuple[Rule, ...] = (
        make_rule("false-alarm", ALLOW, hosts=frozenset({"example.com"})),
        make_rule("free", ALLOW, profiles=frozenset({"free"})),
        make_rule("rest"),
    )
    policy = make_policy(*rules, profiles=PROFILES, otherwise={"free": "staff"})
    moment = Moment(datetime(2026, 11, 24, 10, 30, tzinfo=policy.time_zone))
    key = UrlKey("https", "example.com", 443, "/")
    person = Person("jane", "kerberos", "free")
    decision = decide(policy, person, Resource(key, frozenset({"malware"})), moment)
    assert (decision.action, decision.rule) == (ALLOW, "false-alarm")
