"""Rules that look at what was found in a body."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy_addons.policy import findings as module
from proxy_addons.policy.cache import Decider
from proxy_addons.policy.decide import decide
from proxy_addons.policy.findings import FILE_TYPES, GROUPS, KINDS, found, names_of, wanted
from proxy_addons.policy.lint import findings as oddities
from proxy_addons.policy.model import REFUSALS, Action, Moment, Person
from proxy_addons.policy.states import STATES

if TYPE_CHECKING:
    from proxy_addons.policy.compiled import Policy

ALLOW, COACH, BLOCK = Action.ALLOW, Action.COACH, Action.BLOCK
NOON = Moment(datetime(2026, 11, 24, 12, tzinfo=UTC))
PROGRAM = found("file_type", ["windows-program"])


@pytest.fixture
def policy(make_policy: Any, make_rule: Any) -> Policy:
    software = wanted("file_type", ["software"])
    return make_policy(
        make_rule("virus", findings=(wanted("virus", ["found"]),)),
        make_rule("trusted", ALLOW, hosts=frozenset({"trusted.example"})),
        make_rule("packagers", ALLOW, profiles=frozenset({"packager"}), findings=(software,)),
        make_rule("software", findings=(software,)),
        make_rule("shop", COACH, categories=frozenset({"shop"})),
        make_rule("rest", ALLOW),
        profiles={"staff": "", "packager": "", "strict": ""},
    )


@pytest.mark.parametrize(
    ("profile", "host", "found_in_it", "action", "rule"),
    [
        ("staff", "site.example", frozenset(), ALLOW, "rest"),
        ("staff", "site.example", PROGRAM, BLOCK, "software"),
        ("staff", "site.example", found("file_type", ["image"]), ALLOW, "rest"),
        ("staff", "site.example", found("file_type", ["image", "java-program"]), BLOCK, "software"),
        # Another kind with the same value is another finding.
        ("staff", "site.example", found("archive_member", ["windows-program"]), ALLOW, "rest"),
        ("staff", "trusted.example", PROGRAM, ALLOW, "trusted"),
        ("staff", "trusted.example", found("virus", ["found"]), BLOCK, "virus"),
        ("packager", "site.example", PROGRAM, ALLOW, "packagers"),
        ("packager", "site.example", PROGRAM | found("virus", ["found"]), BLOCK, "virus"),
    ],
)
def test_rules_look_at_findings(
    policy: Policy,
    resource: Any,
    profile: str,
    host: str,
    found_in_it: frozenset[str],
    action: Action,
    rule: str,
) -> None:
    person = Person("sam", "address", profile)
    decision = decide(policy, person, resource(host=host), NOON, findings=found_in_it, trace=True)
    assert (decision.action, decision.rule) == (action, rule)
    (step,) = (each for each in decision.trace if each.matched)
    assert step.rule == rule
    assert bool(decision.findings) == ("found" in step.why)


def test_a_rule_needs_all_its_kinds(make_policy: Any, make_rule: Any, resource: Any, staff: Person):
    both = (wanted("file_type", ["archive"]), wanted("virus", ["unscanned"]))
    policy = make_policy(make_rule("both", findings=both), make_rule("rest", ALLOW))
    archive, unscanned = found("file_type", ["archive"]), found("virus", ["unscanned"])
    for some, rule in ((archive, "rest"), (unscanned, "rest"), (archive | unscanned, "both")):
        assert decide(policy, staff, resource(), NOON, findings=some).rule == rule
    told = decide(policy, staff, resource(), NOON, findings=archive | unscanned).findings
    assert told == ("file_type=archive", "virus=unscanned")


def test_what_is_told_of_a_body_that_was_not_looked_at(
    policy: Policy, resource: Any, staff: Person
) -> None:
    why = {
        step.rule: step.why for step in decide(policy, staff, resource(), NOON, trace=True).trace
    }
    assert why["software"] == "no file type is found that is in software"
    assert why["virus"] == "no virus is found that is in found"


@pytest.mark.parametrize(
    ("profile", "host", "looks"),
    [
        ("staff", "site.example", {"file_type", "virus"}),
        ("staff", "trusted.example", {"virus"}),
        ("packager", "trusted.example", {"virus"}),
    ],
)
def test_only_what_can_matter_is_looked_for(
    policy: Policy, resource: Any, profile: str, host: str, looks: set[str]
) -> None:
    person = Person("sam", "address", profile)
    assert decide(policy, person, resource(host=host), NOON).looks == looks
    # The memory gives the same.
    decider = Decider(policy)
    for _ in range(2):
        assert decider.decide(person, resource(host=host), NOON).looks == looks


CONDITIONS = st.fixed_dictionaries(
    {},
    optional={
        "categories": st.frozensets(st.sampled_from("ab"), min_size=1),
        "states": st.frozensets(st.sampled_from(sorted(STATES)), min_size=1, max_size=2),
        "findings": st.sampled_from(
            [
                (wanted("virus", ["found"]),),
                (wanted("file_type", ["software"]),),
                (wanted("marking", ["secret"]), wanted("file_type", ["document"])),
            ]
        ),
    },
)
FOUND = st.frozensets(
    st.sampled_from(["virus=found", "file_type=torrent", "file_type=document", "marking=secret"])
)


@given(
    st.lists(st.tuples(st.sampled_from(Action), CONDITIONS), max_size=6),
    st.frozensets(st.sampled_from("ab")),
    FOUND,
    st.frozensets(st.sampled_from(sorted(STATES))),
    st.frozensets(st.sampled_from(sorted(STATES))),
)
@settings(max_examples=400)
def test_whatever_changes_a_decision_is_looked_for(  # noqa: PLR0917 - fixtures, and a case
    make_policy: Any,
    make_rule: Any,
    resource: Any,
    rules: list[tuple[Action, dict[str, Any]]],
    categories: frozenset[str],
    in_it: frozenset[str],
    before: frozenset[str],
    after: frozenset[str],
) -> None:
    """What is found later changes nothing unless its kind was announced with the request."""
    made = [make_rule(f"rule-{n}", action, **given) for n, (action, given) in enumerate(rules)]
    policy = make_policy(*made, make_rule("rest", ALLOW))
    asked = resource(*categories)
    then = Person("sam", "address", "staff", states=after)
    looks = decide(policy, Person("sam", "address", "staff", states=before), asked, NOON).looks
    unseen = frozenset(each for each in in_it if module.parted(each)[0] not in looks)
    first = decide(policy, Person("sam", "address", "staff", states=before), asked, NOON)
    if first.action in REFUSALS:
        return  # nothing came back
    with_all = decide(policy, then, asked, NOON, findings=in_it)
    without = decide(policy, then, asked, NOON, findings=in_it - unseen)
    assert (with_all.action, with_all.rule) == (without.action, without.rule)


def test_every_name_has_words_and_a_kind() -> None:
    for kind in KINDS:
        for name in names_of(kind):
            assert name in GROUPS or module.words_of(next(iter(found(kind, [name]))))
    assert all(names <= set(FILE_TYPES) for names in GROUPS.values())
    assert not set(GROUPS) & set(FILE_TYPES)


def test_lint_knows_them(make_policy: Any, make_rule: Any) -> None:
    software, torrent = wanted("file_type", ["software"]), wanted("file_type", ["torrent"])
    policy = make_policy(
        make_rule("software", findings=(software,)),
        make_rule("torrent", findings=(torrent,)),
        make_rule("image", findings=(wanted("file_type", ["image"]),)),
        make_rule("rest", ALLOW),
    )
    (odd,) = oddities(policy, ["staff"])
    assert (odd.name, odd.message) == (
        "torrent", "can never decide: earlier rules always do (software)",
    )  # fmt: skip
