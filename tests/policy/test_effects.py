"""Rules that lead elsewhere, change requests, splice, are never overridden, or are on trial."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy_addons.policy.cache import Decider
from proxy_addons.policy.decide import NO_RULE_MATCHED, decide
from proxy_addons.policy.effects import Effects
from proxy_addons.policy.lint import findings
from proxy_addons.policy.model import REFUSALS, Action, Decision, Moment, Person, Resource
from proxy_addons.policy.oddeffects import odd_effects
from proxy_addons.policy.states import STATES
from proxy_addons.urlkey import UrlKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    from proxy_addons.policy.compiled import Policy, Rule
    from proxy_addons.policy.timespaces import TimeCondition

ALLOW, COACH, BLOCK, REDIRECT = Action.ALLOW, Action.COACH, Action.BLOCK, Action.REDIRECT
MODIFY, SPLICE, INSPECT = Action.MODIFY, Action.SPLICE, Action.INSPECT
STAYS, TRIED = Effects(never_overridden=True), Effects(stealth=True)
BOTH = Effects(never_overridden=True, stealth=True)
SAFE = Effects(set_query=(("safe", "active"),))
TENANT = Effects(set_headers=(("X-Tenant", "force"),), remove_headers=("X-Other",))
THERE = Effects(to="https://intranet.test/")
GONE = replace(THERE, never_overridden=True)
FREE = {"staff": "Staff.", "free": "Exempt.", "strict": "Nobody known."}


def of(*names: str) -> frozenset[str]:
    return frozenset(names)


@pytest.fixture(scope="module")
def policy(make_policy: Any, make_rule: Any, within: Any) -> Policy:
    noon = within((set(range(8)), 720, 840))
    made: Policy = make_policy(
        make_rule("safe", MODIFY, categories=of("search"), effects=SAFE),
        make_rule("mail-tried", BLOCK, categories=of("mail"), effects=TRIED),
        make_rule("free", ALLOW, profiles=of("free")),
        make_rule("tenant", MODIFY, categories=of("search", "shop"), effects=TENANT),
        make_rule("inspected", INSPECT, categories=of("pinned"), hosts=of("in.test")),
        make_rule("pinned", SPLICE, categories=of("pinned", "late")),
        make_rule("ai", COACH, categories=of("ai")),
        make_rule("ai-tried", COACH, categories=of("ai", "art"), effects=TRIED),
        make_rule("break", ALLOW, categories=of("shop"), states=of("on-break")),
        make_rule("noon", ALLOW, categories=of("shop"), time=noon),
        make_rule("shop", BLOCK, categories=of("shop")),
        make_rule("old", REDIRECT, categories=of("old"), effects=THERE),
        make_rule("blocked", BLOCK, categories=of("blocked")),
        make_rule("abuse", BLOCK, categories=of("abuse"), effects=STAYS),
        make_rule("gone", REDIRECT, categories=of("gone"), effects=GONE),
        make_rule("hate-tried", BLOCK, categories=of("hate"), effects=BOTH),
        make_rule("rest", ALLOW),
        profiles=FREE,
        otherwise={"free": "staff"},
        never_inspect_categories=of("bank"),
    )  # fmt: skip
    return made


@pytest.fixture(scope="module")
def asked(policy: Policy, at: Callable[..., datetime]) -> Callable[..., Decision]:
    def ask(*categories: str, when: str = "2026-11-24T10:30", **about: Any) -> Decision:
        person = Person(
            "Sam", "address", about.get("profile", "staff"),
            exempted=of(*about.get("exempted", ())), states=of(*about.get("states", ())),
        )  # fmt: skip
        key = UrlKey("https", about.get("host", "site.example"), 443, "/")
        moment = Moment(at(when))
        asked = Resource(key, frozenset(categories), "GET")
        decision = decide(policy, person, asked, moment, trace=True)
        assert Decider(policy).decide(person, asked, moment) == replace(decision, trace=())
        return decision

    return ask


CASES: list[tuple[dict[str, Any], str, str]] = [
    # what is asked, what is decided, why a rule does what it does
    ({"c": ["old"]}, "redirect old", "old: category old"),
    ({"c": ["old", "blocked"]}, "redirect old", ""),
    ({"c": ["old"], "exempted": ["old"]}, "allow rest", "old: an exemption opens old"),
    ({"c": ["abuse"]}, "block abuse", "abuse: category abuse; never overridden"),
    ({"c": ["abuse"], "exempted": ["abuse"]}, "block abuse", ""),
    ({"c": ["abuse"], "profile": "free"}, "block abuse", "free: not reached"),
    ({"c": ["abuse", "shop"], "states": ["on-break"]}, "block abuse", ""),
    ({"c": ["abuse", "shop"], "when": "2026-11-24T12:30"}, "block abuse", ""),
    ({"c": ["abuse", "old"]}, "block abuse", ""),
    ({"c": ["gone"], "profile": "free"}, "redirect gone", ""),
    ({"c": ["blocked"], "profile": "free"}, "allow free", ""),
    ({"c": ["mail"]}, "allow rest", "mail-tried: category mail; on trial: would block"),
    ({"c": ["mail", "shop"]}, "block shop", "mail-tried: category mail; on trial"),
    ({"c": ["art"]}, "allow rest", "ai-tried: category art; on trial: would coach"),
    ({"c": ["ai"]}, "coach ai", "ai-tried: category ai; on trial"),
    ({"c": ["search"]}, "allow rest", "safe: category search; changes query:safe"),
    ({"c": ["pinned"]}, "allow rest", "pinned: category pinned; not decrypted"),
    ({"c": ["pinned", "bank"]}, "allow rest", "pinned: category pinned; never decrypted, whatever"),
    ({"c": ["pinned"], "host": "in.test"}, "allow rest", "pinned: category pinned; an earlier"),
    ({"c": ["late"], "profile": "free"}, "allow free", "pinned: category late; not decrypted"),
]  # fmt: skip


@pytest.mark.parametrize(("about", "want", "why"), CASES, ids=str)
def test_what_is_decided_and_said(
    about: dict[str, Any], want: str, why: str, asked: Callable[..., Decision]
):
    categories = about["c"]
    decision = asked(*categories, **{name: each for name, each in about.items() if name != "c"})
    assert f"{decision.action} {decision.rule}" == want
    assert any(f"{step.rule}: {step.why}".startswith(why) for step in decision.trace)
    matched = [step.rule for step in decision.trace if step.matched]
    assert matched == [decision.rule]


CHANGES = [
    (["search"], {}, ["safe", "tenant"]),
    (
        ["search"],
        {"profile": "free"},
        ["safe"],
    ),  # who is allowed further up meets the second no more
    (["shop"], {"states": ["on-break"]}, ["tenant"]),
    (["ai"], {}, []),
    (["search", "ai"], {}, ["safe", "tenant"]),  # it may pass, after a click
    (["search"], {"exempted": ["search"]}, ["safe", "tenant"]),
]


@pytest.mark.parametrize(("categories", "about", "rules"), CHANGES, ids=str)
def test_changes_are_those_on_the_way(
    categories: list[str], about: dict[str, Any], rules: list[str], asked: Callable[..., Decision]
):
    assert [each.rule for each in asked(*categories, **about).changes] == rules


def test_names_of_changes_tell_no_values(asked: Callable[..., Decision]):
    names = [name for change in asked("search").changes for name in change.names()]
    assert names == ["query:safe@safe", "header:X-Tenant@tenant", "no-header:X-Other@tenant"]


TUNNELS = [
    (["pinned"], {}, False),
    (["pinned"], {"host": "www.in.test"}, True),
    (["late"], {"host": "in.test"}, False),
    (["bank"], {}, False),
    (["bank", "pinned"], {"host": "in.test"}, False),  # privacy wins over rules
    (["other"], {}, True),
    (["pinned"], {"profile": "free"}, False),  # it is a question of its own, whatever allows
    (["pinned", "abuse"], {}, False),
]


@pytest.mark.parametrize(("categories", "about", "inspect"), TUNNELS, ids=str)
def test_whether_it_is_decrypted(
    categories: list[str], about: dict[str, Any], inspect: bool, asked: Callable[..., Decision]
):
    assert asked(*categories, **about).inspect is inspect


TRIALS = [
    (["mail"], {}, "mail-tried"),
    (["mail"], {"exempted": ["mail"]}, ""),  # the exemption opens what the rule would block
    (["mail"], {"profile": "free"}, "mail-tried"),  # it stands above what allows them
    (["art"], {}, "ai-tried"),
    (["art", "mail"], {}, "mail-tried"),  # the first
    (["ai"], {}, ""),  # another one coaches
    (["hate"], {"exempted": ["hate"], "profile": "free"}, "hate-tried"),  # nothing would open it
    (["mail", "hate"], {}, "hate-tried"),
    (["other"], {}, ""),
]


@pytest.mark.parametrize(("categories", "about", "rule"), TRIALS, ids=str)
def test_what_is_on_trial(
    categories: list[str], about: dict[str, Any], rule: str, asked: Callable[..., Decision]
):
    assert asked(*categories, **about).would_block == rule


def test_no_time_is_promised_for_what_is_never_overridden(asked: Callable[..., Decision]):
    assert asked("shop").retry_at is not None
    assert asked("shop", "abuse").retry_at is None
    assert asked("abuse").final
    assert not asked("shop").final


def test_effects_are_not_odd(policy: Policy):
    odd = [(each.name, each.message) for each in findings(policy, {"staff"})]
    assert odd == []


def test_effects_that_never_come_true_are_odd(make_policy: Any, make_rule: Any):
    policy = make_policy(
        make_rule("all", ALLOW, categories=of("a", "b")),
        make_rule("late", MODIFY, categories=of("a"), effects=SAFE),
        make_rule("later", BLOCK, categories=of("b"), effects=TRIED),
        make_rule("splice", SPLICE, categories=of("a")),
        make_rule("again", INSPECT, categories=of("a")),
        make_rule("rest", ALLOW),
    )
    odd = {each.name for each in findings(policy, {"staff"})}
    assert odd == {"late", "later", "again"}


def test_effects_that_lead_nowhere_are_odd(make_policy: Any, make_rule: Any):
    def to(url: str) -> Effects:
        return Effects(to=url)

    policy = make_policy(
        make_rule("round", REDIRECT, hosts=of("x.test"), effects=to("https://a.x.test/?u={url}")),
        make_rule("all", REDIRECT, methods=of("GET"), effects=to("https://y.test/")),
        make_rule("put", REDIRECT, methods=of("PUT"), effects=to("https://y.test/")),
        make_rule("away", REDIRECT, hosts=of("x.test"), effects=to("https://notx.test/")),
        make_rule("listed", REDIRECT, categories=of("old"), effects=to("https://x.test/")),
        make_rule("banks", MODIFY, categories=of("bank"), effects=SAFE),
        make_rule("some-banks", MODIFY, categories=of("bank", "shop"), effects=SAFE),
        make_rule("clinic", MODIFY, hosts=of("www.clinic.test"), effects=SAFE),
        make_rule("some-clinic", MODIFY, hosts=of("clinic.test", "x.test"), effects=SAFE),
        make_rule("everything", MODIFY, effects=SAFE),
        make_rule("rest", ALLOW),
        never_inspect_categories=of("bank", "money"),
        never_inspect_hosts=of("clinic.test"),
    )
    assert [each.name for each in odd_effects(policy)] == ["round", "all", "banks", "clinic"]


# --- against a naive reading of docs/policy.md -------------------------------------------------

CATEGORIES, STANDING = ("a", "b", "c"), ("on-break", "no-rota")
effects = st.sampled_from((Effects(), STAYS, TRIED, BOTH))


def some(names: tuple[str, ...]) -> st.SearchStrategy[frozenset[str] | None]:
    return st.none() | st.frozensets(st.sampled_from(names), min_size=1)


written_rules = st.fixed_dictionaries(
    {
        "action": st.sampled_from(Action),
        "effects": effects,
        "profiles": some(("staff", "free")),
        "categories": some(CATEGORIES),
        "states": some(STANDING),
        "noon": st.sampled_from((None, None, False, True)),
    }
)


def sound(rule: dict[str, Any]) -> dict[str, Any]:
    """The same, with effects that its action can have (settings/effect_kinds.py)."""
    given: Effects = rule["effects"]
    against = rule["action"] in {*REFUSALS, COACH}
    stays = given.never_overridden and rule["action"] in REFUSALS
    return rule | {"effects": Effects(never_overridden=stays, stealth=given.stealth and against)}


def holds(rule: dict[str, Any], person: Person, categories: frozenset[str], *, noon: bool) -> bool:
    exempt: Effects = rule["effects"]
    against = rule["action"] in {*REFUSALS, COACH} and not exempt.never_overridden
    seen = categories - person.exempted if against else categories
    return (
        (rule["profiles"] is None or person.profile in rule["profiles"])
        and (rule["categories"] is None or bool(rule["categories"] & seen))
        and (rule["states"] is None or bool(rule["states"] & person.states))
        and (rule["noon"] is None or rule["noon"] is noon)
    )


def naive(met: list[tuple[int, dict[str, Any]]]) -> tuple[str | None, list[int], bool, int | None]:
    """What decides, what changes, whether it is decrypted, what is on trial: of rules that hold."""
    tunnels = [rule["action"] for _, rule in met if rule["action"] in {SPLICE, INSPECT}]
    met = [each for each in met if each[1]["action"] not in {SPLICE, INSPECT}]
    ordered = sorted(met, key=lambda each: not each[1]["effects"].never_overridden)
    coach: int | None = None
    changes: list[int] = []
    trials: list[tuple[int, bool]] = []
    decides: str | None = None
    allowed = False
    for number, rule in ordered:
        if rule["effects"].stealth:
            if rule["action"] is not COACH or coach is None:
                trials.append((number, rule["effects"].never_overridden))
        elif rule["action"] is MODIFY:
            changes.append(number)
        elif rule["action"] is COACH:
            coach = number if coach is None else coach
        else:
            allowed = rule["action"] is ALLOW
            decides = str(coach if coach is not None and allowed else number)
            break
    trial = next((number for number, stays in trials if allowed or stays), None)
    inspect = not tunnels or tunnels[0] is INSPECT
    return decides, changes, inspect, trial


@settings(max_examples=60, deadline=None)
@given(
    st.lists(written_rules.map(sound), max_size=6),
    st.sampled_from(("staff", "free")),
    st.frozensets(st.sampled_from(CATEGORIES)),
    st.frozensets(st.sampled_from(CATEGORIES)),
    st.frozensets(st.sampled_from(STANDING)),
    st.booleans(),
)
def test_effects_are_those_of_a_naive_reading(  # noqa: PLR0917 - hypothesis fills them
    make_policy: Callable[..., Policy],
    make_rule: Callable[..., Rule],
    within: Callable[..., TimeCondition],
    london: ZoneInfo,
    written: list[dict[str, Any]],
    profile: str,
    categories: frozenset[str],
    exempted: frozenset[str],
    states: frozenset[str],
    noon: bool,
):
    def time_of(number: int, rule: dict[str, Any]) -> TimeCondition | None:
        if rule["noon"] is None:
            return None
        return within((set(range(8)), 720, 840), outside=not rule["noon"], name=f"space-{number}")

    compiled = [
        make_rule(
            str(number), rule["action"], effects=rule["effects"], profiles=rule["profiles"],
            categories=rule["categories"], states=rule["states"], time=time_of(number, rule),
        )
        for number, rule in enumerate(written)
    ]  # fmt: skip
    policy = make_policy(*compiled, profiles=FREE)
    person = Person("Sam", "address", profile, exempted=exempted, states=states)
    asked = Resource(UrlKey("https", "x.test", 443, "/"), categories, "GET")
    times = {hour: Moment(datetime(2026, 11, 24, hour, 30, tzinfo=london)) for hour in (10, 12)}
    decider = Decider(policy)
    for hour in (10, 12) if noon else (12, 10):  # the memory of one minute is none of the other
        decision = decide(policy, person, asked, times[hour])
        met = [
            (number, rule)
            for number, rule in enumerate(written)
            if holds(rule, person, categories, noon=hour == 12)
        ]
        decides, changes, inspect, trial = naive(met)
        assert decider.decide(person, asked, times[hour]) == decision
        other = replace(person, states=STATES - states)
        assert decider.decide(other, asked, times[hour]) == decide(
            policy, other, asked, times[hour]
        )
        assert decision.rule == (NO_RULE_MATCHED if decides is None else decides)
        assert decision.inspect is inspect
        if decides is not None:
            assert [int(change.rule) for change in decision.changes] == changes
            assert decision.would_block == ("" if trial is None else str(trial))
