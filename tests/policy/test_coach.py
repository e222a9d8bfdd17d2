"""Rules that coach, and rules that look at what stands for the person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from proxy_addons.policy.cache import Decider
from proxy_addons.policy.decide import NO_RULE_MATCHED, THREAT_NOT_EXEMPTED, decide
from proxy_addons.policy.explain import NOT_REACHED
from proxy_addons.policy.model import Action, Decision, Moment, Person
from proxy_addons.policy.states import STATES

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from proxy_addons.policy.compiled import Policy

ALLOW, COACH, BLOCK = Action.ALLOW, Action.COACH, Action.BLOCK
PROFILES = {"staff": "Staff.", "free": "Exempt.", "strict": "Nobody known."}


@pytest.fixture(scope="module")
def policy(make_policy: Any, make_rule: Any, within: Any) -> Policy:
    noon = within((set(range(5)), 720, 840))
    shop, ai = frozenset({"shop", "auction"}), frozenset({"ai"})
    made: Policy = make_policy(
        make_rule("threats", categories=frozenset({"malware"}), profiles=frozenset({"staff"})),
        make_rule("mail", categories=frozenset({"mail"})),
        make_rule("ai", COACH, categories=ai),
        make_rule("free", ALLOW, profiles=frozenset({"free"})),
        make_rule("used", categories=shop, states=frozenset({"allowance-used"})),
        make_rule("auction", COACH, categories=frozenset({"auction"})),
        make_rule("low", COACH, categories=shop, states=frozenset({"allowance-low"})),
        make_rule("off", ALLOW, categories=shop, states=frozenset({"on-break", "off-duty"})),
        make_rule("noon", ALLOW, categories=shop, time=noon),
        make_rule("shop", categories=shop),
        make_rule("rest", ALLOW),
        profiles=PROFILES,
        otherwise={"free": "staff"},
    )
    return made


@pytest.fixture(scope="module")
def asked(
    policy: Policy, resource: Callable[..., Any], at: Callable[..., datetime]
) -> Callable[..., Decision]:
    def ask(text: str, person: Person | None = None, when: str = "10:30") -> Decision:
        """Such as `shop ai, on-break`."""
        categories, _, states = text.partition(",")
        who = person or Person("Sam", "kerberos", "staff", states=frozenset(states.split()))
        moment = Moment(at(f"2026-11-24T{when}"))
        decision = decide(policy, who, resource(*categories.split()), moment, trace=True)
        assert [step.rule for step in decision.trace if step.matched] == [
            "free" if decision.rule == THREAT_NOT_EXEMPTED else decision.rule
        ]
        remembered = Decider(policy)
        for _ in range(2):  # the gateway asks through the memory
            again = remembered.decide(who, resource(*categories.split()), moment)
            assert (again.action, again.rule) == (decision.action, decision.rule)
        return decision

    return ask


@pytest.mark.parametrize(
    ("text", "when", "want"),
    [
        ("ai", "10:30", "coach ai"),
        ("ai mail", "10:30", "block mail"),
        ("shop", "10:30", "block shop"),
        ("shop", "12:30", "allow noon"),
        ("shop, on-break", "10:30", "allow off"),
        ("shop, off-duty", "10:30", "allow off"),
        ("shop, on-duty", "10:30", "block shop"),
        # What coaches opens nothing that the rules after it refuse.
        ("shop, allowance-low", "10:30", "block shop"),
        ("auction", "10:30", "block shop"),
        ("ai shop", "10:30", "block shop"),
        ("shop, allowance-low", "12:30", "coach low"),
        ("shop, allowance-low on-break", "10:30", "coach low"),
        ("auction", "12:30", "coach auction"),
        # The first that coaches does.
        ("auction, allowance-low on-break", "10:30", "coach auction"),
        ("ai shop, allowance-low", "12:30", "coach ai"),
        ("shop, allowance-used on-break", "12:30", "block used"),
        ("ai shop, allowance-used", "12:30", "block used"),
        ("news, allowance-used allowance-low", "12:30", "allow rest"),
    ],
)
def test_cases(asked: Callable[..., Decision], text: str, when: str, want: str):
    decision = asked(text, when=when)
    assert f"{decision.action} {decision.rule}" == want
    if decision.action is COACH:
        assert decision.retry_at is None
        assert (decision.clause, decision.reason) == ("Test 1", f"Because {decision.rule}.")


def test_when_a_refused_site_can_be_coached_is_told(
    asked: Callable[..., Decision], at: Callable[..., datetime]
):
    assert asked("shop, allowance-low").retry_at == at("2026-11-24T12:00")
    assert asked("auction").retry_at == at("2026-11-24T12:00")
    assert asked("shop, allowance-used").retry_at is None


def test_the_trace(asked: Callable[..., Decision]):
    coached = {step.rule: step.why for step in asked("ai").trace}
    assert coached["ai"] == "category ai; coaches, as a rule after it allows"
    assert coached["used"] == "category ai is not in "
    assert coached["rest"] == "matches everything; allows what has been coached"
    twice = {step.rule: step.why for step in asked("auction, allowance-low on-break").trace}
    assert twice["auction"] == "category auction; coaches, as a rule after it allows"
    assert twice["low"].endswith("state allowance-low; would coach, but an earlier rule does")
    assert twice["off"].endswith("state on-break; allows what has been coached")
    assert twice["used"] == "state is allowance-low, on-break; the rule is for allowance-used"
    assert twice["noon"] == NOT_REACHED
    refused = {step.rule: step.why for step in asked("auction").trace}
    assert refused["auction"] == "category auction; would coach, but no rule after it allows"
    assert refused["shop"] == "category auction"
    assert refused["off"] == "state is none that rules name; the rule is for off-duty, on-break"


def test_only_states_that_rules_name_are_facts(policy: Policy, resource: Callable[..., Any]):
    sam = Person("Sam", "kerberos", "staff", states=STATES)
    named = {"allowance-used", "allowance-low", "on-break", "off-duty"}
    assert policy.states == policy.facts(sam, resource("shop")).states == named
    assert not policy.facts(Person("Sam", "kerberos", "staff"), resource("shop")).states


def test_a_policy_without_states_remembers_one_answer_for_all(
    make_policy: Any, make_rule: Any, resource: Any, at: Any
):
    decider = Decider(make_policy(make_rule("rest", ALLOW)))
    moment = Moment(at("2026-11-24T10:30"))
    answers = [
        decider.decide(
            Person("Sam", "kerberos", "staff", states=frozenset({state})), resource(), moment
        )
        for state in sorted(STATES)
    ]
    assert all(answer is answers[0] for answer in answers)


def test_what_is_remembered_of_one_state_is_not_told_in_another(
    policy: Policy, resource: Callable[..., Any], at: Callable[..., datetime]
):
    decider, moment = Decider(policy), Moment(at("2026-11-24T10:30"))
    rules = {}
    for states in ((), ("on-break",), ("allowance-used",), ("on-break", "allowance-low"), ()):
        sam = Person("Sam", "kerberos", "staff", states=frozenset(states))
        rules[states] = decider.decide(sam, resource("shop"), moment).rule
    assert list(rules.values()) == ["shop", "off", "used", "low"]


def test_coaching_alone_allows_nothing(make_policy: Any, make_rule: Any, resource: Any, at: Any):
    policy = make_policy(make_rule("ai", COACH, categories=frozenset({"ai"})))
    sam = Person("Sam", "kerberos", "staff")
    decision = decide(policy, sam, resource("ai"), Moment(at("2026-11-24T10:30")), trace=True)
    assert (decision.action, decision.rule) == (BLOCK, NO_RULE_MATCHED)


@pytest.mark.parametrize(
    ("categories", "exempted", "want", "rests"),
    [
        # A rule that coaches does not see what an exemption opens.
        ("ai", "ai", "allow rest", True),
        ("ai mail", "ai", "block mail", False),
        ("ai mail", "mail", "coach ai", True),
        ("ai", "mail", "coach ai", False),
        ("ai news", "news", "coach ai", False),
    ],
)
def test_exemptions(
    asked: Callable[..., Decision], categories: str, exempted: str, want: str, rests: bool
):
    jane = Person("jane", "kerberos", "staff", exempted=frozenset({exempted}))
    decision = asked(categories, jane)
    assert (f"{decision.action} {decision.rule}", decision.exempted) == (want, rests)


@pytest.mark.parametrize(
    ("categories", "exempted", "want"),
    [
        ("ai", "", "coach ai"),
        ("ai malware", "", f"block {THREAT_NOT_EXEMPTED}"),
        ("ai malware", "ai", f"block {THREAT_NOT_EXEMPTED}"),
        ("ai malware", "malware", "coach ai"),
        ("ai malware", "ai malware", "allow free"),
    ],
)
def test_a_threat_that_no_exemption_names_is_not_coached(
    asked: Callable[..., Decision], categories: str, exempted: str, want: str
):
    jane = Person("jane", "kerberos", "free", exempted=frozenset(exempted.split()))
    decision = asked(categories, jane)
    assert f"{decision.action} {decision.rule}" == want


def test_nor_by_a_rule_for_the_exempt_before_one_for_all(
    make_policy: Any, make_rule: Any, resource: Any, at: Any
):
    policy = make_policy(
        make_rule("warned", COACH, profiles=frozenset({"free"})),
        make_rule("rest", ALLOW),
        profiles=PROFILES,
        otherwise={"free": "staff"},
    )
    jane = Person("jane", "kerberos", "free")
    moment = Moment(at("2026-11-24T10:30"))
    assert decide(policy, jane, resource("malware"), moment).rule == THREAT_NOT_EXEMPTED
    assert decide(policy, jane, resource("news"), moment).rule == "warned"
