"""One blocked name blocks; one inspectable name inspects."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.today import Day

from proxy_addons.categorisation import (
    CategoryIndex,
    SourceFolders,
    compile_index,
    read_sources,
)
from proxy_addons.gate.judge import judge
from proxy_addons.policy.cache import Decider
from proxy_addons.policy.compiled import Policy, Rule
from proxy_addons.policy.model import Action, Moment, Person
from proxy_addons.policy.timespaces import EVERY_DAY, TimeCondition, TimeRange, TimeSpace
from proxy_addons.urlkey import UrlKey, url_key

if TYPE_CHECKING:
    from pathlib import Path

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


@pytest.mark.parametrize(
    ("hosts", "given", "outcome"),
    [
        ("bad", {"bad": {"shopping"}}, ("no-rule", {"shopping"})),
        ("good", {"good": {"webmail"}}, ("no-webmail", {"webmail"})),
        ("trap", {"trap": {"shopping"}}, ("threats", {"shopping", "malware"})),
        ("bad trap", {"trap": {"shopping"}, "bad": set()}, ("threats", {"shopping", "malware"})),
    ],
)
def test_a_review_gives_categories_and_takes_no_threat_away(
    monkeypatch: pytest.MonkeyPatch, hosts: str, given: dict[str, set[str]], outcome: object
) -> None:
    monkeypatch.setitem(NAMES, "trap", {"malware", "forums"})
    policy = replace(
        POLICY,
        rules=(
            rule("threats", Action.BLOCK, {"malware"}),
            rule("no-webmail", Action.BLOCK, {"webmail"}),
            rule("no-rule", Action.ALLOW),
        ),
    )
    day = Day(recategorised={host: frozenset(found) for host, found in given.items()})
    keys = [UrlKey("https", host, 443, "/") for host in hosts.split()]
    made = judge(Decider(policy), Lists(), PERSON, keys, "GET", NOON, today=day)  # type: ignore[arg-type]
    assert (made.decision.rule, set(made.categories)) == outcome


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


# --- nothing that is remembered changes a judgement -----------------------------------------------

LISTS = {
    "games/domains": "play.example\n192.0.2.1\n",
    "webmail/urls": "mail.example/read\nplay.example/mail?x\n192.0.2.2/mail\n",
    "banking/domains": "bank.example\n",
    "government/domains": "gov.example\n",
    "press/domains": "www.paper.example\npaper.example\n",
}
OPEN = TimeCondition((TimeSpace("open", (TimeRange(EVERY_DAY, 12 * 60, 12 * 60 + 2),)),))
CHANGING = Policy(
    profiles={"standard": "", "strict": ""},
    strictest_profile="strict",
    time_zone=LONDON,
    time_spaces={"open": OPEN.spaces[0]},
    rules=(
        replace(rule("strict-games", Action.BLOCK, {"games"}), profiles=frozenset({"strict"})),
        replace(rule("games", Action.ALLOW, {"games"}), time=OPEN),
        rule("games-else", Action.BLOCK, {"games"}),
        replace(rule("no-post", Action.BLOCK, {"webmail"}), methods=frozenset({"POST"})),
        replace(rule("ours", Action.ALLOW), hosts=frozenset({"a.paper.example"})),
        rule("press", Action.BLOCK, {"press"}),
        rule("everything-else", Action.ALLOW),
    ),
    never_inspect_categories=frozenset({"banking"}),
    never_inspect_hosts=frozenset({"clinic.example"}),
)
WITHOUT_HOSTS = replace(
    CHANGING,
    rules=tuple(each for each in CHANGING.rules if each.hosts is None),
    never_inspect_hosts=frozenset(),
)
# Seconds since the question before: mostly within its minute, or nothing would be remembered.
STEPS = st.sampled_from([0, 0, 0, 0, 0, 0, 7, 60, -60])
ASKED = st.tuples(
    st.sampled_from(["standard", "standard", "standard", "strict", "gone"]),
    st.lists(
        st.builds(
            "http://{}{}".format,
            st.sampled_from(
                ["play.example", "www.play.example", "mail.example", "x.mail.example",
                 "bank.example", "gov.example", "paper.example", "www.paper.example",
                 "a.paper.example", "clinic.example", "192.0.2.1", "192.0.2.2", "other.example"]
            ),
            st.sampled_from(["/", "/read", "/read/more", "/mail", "/mail?x", "/mail?y", "/Read"]),
        ),
        min_size=1,
        max_size=2,
    ),
    st.sampled_from(["GET", "GET", "GET", "POST", "PUT"]),
    st.sampled_from([frozenset[str](), frozenset[str](), frozenset({"games"})]),
    STEPS,
)  # fmt: skip


@pytest.fixture(scope="module")
def index_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("judge")
    for name, text in LISTS.items():
        file = root / "categories" / "starter" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    compile_index(
        read_sources(SourceFolders(root / "categories", root / "lists")), root / "an.index"
    )
    return root / "an.index"


@pytest.mark.parametrize("policy", [CHANGING, WITHOUT_HOSTS], ids=["with-hosts", "without"])
@settings(max_examples=60, deadline=None)
@given(asked=st.lists(ASKED, max_size=40))
def test_what_is_remembered_changes_no_judgement(
    policy: Policy, asked: list[tuple[str, list[str], str, frozenset[str], int]], index_file: Path
) -> None:
    """A long-lived decider and index say what new ones say, also of two names and with traits."""
    index, decider = CategoryIndex.open(index_file), Decider(policy)
    now = datetime(2026, 11, 24, 11, 59, 50, tzinfo=UTC)
    for profile, urls, method, traits, step in asked:
        now += timedelta(seconds=step)
        person = Person("pc1234", "address", profile)
        keys = [url_key(url) for url in urls]
        moment = Moment(now.astimezone(LONDON))
        fresh, new = CategoryIndex.open(index_file), Decider(policy)
        # A name twice is the way of several names, which must not differ from that of one.
        expected = judge(new, fresh, person, [*keys, keys[0]], method, moment, traits)
        assert judge(decider, index, person, keys, method, moment, traits) == expected
