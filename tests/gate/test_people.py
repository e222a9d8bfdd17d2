"""Who a visitor is: groups, exemptions and withdrawals, at every boundary."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.stage import snapshot_of
from support.today import Day

from proxy_addons.gate.facts import RequestFacts
from proxy_addons.gate.people import NOTHING_READ, NOTHING_STANDING, GroupProfiles, person_of
from proxy_addons.identity.proof import Proof
from proxy_addons.policy.compiled import Policy, Rule
from proxy_addons.policy.model import Action
from proxy_addons.settings.people import GroupProfile
from proxy_addons.standing import EMPTY, LiveExemption, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.conftest import Doors  # type: ignore[import-not-found]

STALE = 900.0
NOW = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)
POLICY = Policy(
    profiles={"standard": "", "special": "", "secret": "", "withdrawn": ""},
    strictest_profile="withdrawn",
    time_zone=ZoneInfo("Europe/London"),
    rules=(Rule(id="all", clause="", reason="", action=Action.BLOCK),),
    category_groups={"social": frozenset({"forums", "chat"})},
    category_aliases={"tchat": "chat"},
    otherwise={"special": "standard", "secret": "standard"},
)


def held(
    profile: str = "standard", snapshot: Snapshot | None = EMPTY, *, age: float = 0.0,
    now: datetime = NOW, policy: Policy = POLICY,
) -> Any:  # fmt: skip
    return person_of(
        "jane", "kerberos", profile,
        policy=policy, snapshot=snapshot, age=age, stale=STALE, now=now.timestamp(),
    )  # fmt: skip


PROFILES = [
    # profile by groups, what stands → profile, exemption, opened
    ("standard", {}, "standard", None, set()),
    ("special", {}, "standard", None, set()),
    ("secret", {"everything": ["jane"]}, "secret", "EX-jane", set()),
    ("standard", {"everything": ["jane"]}, "special", "EX-jane", set()),
    ("special", {"everything": ["other"]}, "standard", None, set()),
    ("standard", {"categories": {"jane": {"news"}}}, "standard", "EX-jane", {"news"}),
    ("special", {"categories": {"jane": {"news"}}}, "standard", "EX-jane", {"news"}),
    ("standard", {"categories": {"jane": {"chat"}}}, "standard", "EX-jane", {"chat", "tchat"}),
    ("standard", {"categories": {"jane": {"social"}}}, "standard", "EX-jane",
     {"social", "forums", "chat", "tchat"}),
    ("special", {"everything": ["jane"], "categories": {"jane": {"malware"}}}, "special",
     "EX-jane", {"malware"}),
    ("unheard-of", {}, "withdrawn", None, set()),
    ("special", {"everything": ["jane"], "withdrawn": ["jane"]}, "withdrawn", None, set()),
]  # fmt: skip


@pytest.mark.parametrize(("profile", "stands", "has", "reference", "opened"), PROFILES)
def test_what_stands(
    profile: str, stands: dict[str, Any], has: str, reference: str | None, opened: set[str]
) -> None:
    person, _ = held(profile, snapshot_of(**stands))
    assert (person.name, person.how) == ("jane", "kerberos")
    assert (person.profile, person.exemption, person.exempted) == (has, reference, opened)


def test_an_exemption_begins_and_ends_by_the_clock_alone() -> None:
    begins, ends = NOW, NOW + timedelta(hours=1)
    snapshot = snapshot_of(everything=["jane"], begins=begins, ends=ends)
    moment = timedelta(microseconds=1)
    for now, has, until in (
        (begins - moment, "standard", begins),
        (begins, "special", ends),
        (ends - moment, "special", ends),
        (ends, "standard", None),
    ):
        found = held("special", snapshot, now=now)
        assert found.person.profile == has, now
        assert found.until <= (until.timestamp() if until else math.inf)
        assert found.until > now.timestamp()


def test_an_exemption_that_nobody_confirms_stops_to_count() -> None:
    snapshot = snapshot_of(everything=["jane"])
    fresh = held("special", snapshot, age=STALE)
    assert fresh.person.exemption
    assert fresh.until <= NOW.timestamp() + 1, "looked at again as soon as it may be too old"
    old = held("special", snapshot, age=STALE + 0.001)
    assert (old.person.profile, old.person.exemption) == ("standard", None)
    assert old.until <= NOW.timestamp() + 1, "and again when the store may have answered"


def test_a_withdrawal_counts_however_old_it_is() -> None:
    assert held("special", snapshot_of(withdrawn=["jane"]), age=math.inf).person.profile == (
        "withdrawn"
    )


def test_nothing_read_gives_nobody_anything() -> None:
    assert held("special", None).person.profile == "standard"
    assert NOTHING_READ.snapshot is None
    assert NOTHING_STANDING.snapshot is not None


def test_without_exempt_profiles_an_exemption_for_everything_opens_nothing_by_itself() -> None:
    plain = replace(POLICY, otherwise={})
    found = held("standard", snapshot_of(everything=["jane"]), policy=plain).person
    assert (found.profile, found.exempted) == ("standard", frozenset())


def test_an_exempt_profile_never_stands_in_for_another() -> None:
    """Settings refuse such a policy; should one come about, nobody gains by it."""
    odd = replace(POLICY, otherwise={"special": "secret", "secret": "special"})
    assert held("special", EMPTY, policy=odd).person.profile == "withdrawn"
    odd = replace(POLICY, otherwise={"withdrawn": "standard"})
    assert held("x", snapshot_of(withdrawn=["jane"]), policy=odd).person.profile == "standard"


names = st.sampled_from(["jane", "john"])
moments = st.integers(-3, 3).map(lambda hours: NOW + timedelta(hours=hours))


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    given: dict[str, tuple[LiveExemption, ...]] = {}
    for number, name in enumerate(draw(st.lists(names, max_size=4))):
        live = LiveExemption(
            f"EX-{number}", name, draw(st.booleans()),
            draw(st.frozensets(st.sampled_from(["news", "malware", "social"]))),
            draw(moments), draw(moments),
        )  # fmt: skip
        given[name] = (*given.get(name, ()), live)
    return Snapshot(1, dict.fromkeys(draw(st.lists(names)), "WD"), given)


@given(snapshots(), st.sampled_from([*POLICY.profiles, "none"]), moments, st.floats(0, 2 * STALE))
def test_always(snapshot: Snapshot, profile: str, now: datetime, age: float) -> None:
    person, until = held(profile, snapshot, now=now, age=age)
    live = [each for each in snapshot.exemptions.get("jane", ()) if each.begins <= now < each.ends]
    if "jane" in snapshot.withdrawn:
        assert (person.profile, person.exemption, person.exempted) == ("withdrawn", None, set())
    if not live or age > STALE:
        assert person.profile not in POLICY.otherwise
        assert person.exemption is None
        assert not person.exempted
    if person.profile in POLICY.otherwise:
        assert any(each.everything for each in live)
    if person.exempted:
        assert any(each.categories for each in live)
    assert until > now.timestamp()


@given(snapshots(), moments, st.integers(1, 400))
def test_nothing_changes_before_it_says(snapshot: Snapshot, now: datetime, minutes: int) -> None:
    first = held("special", snapshot, now=now)
    later = now + timedelta(minutes=minutes)
    if later.timestamp() < first.until:
        assert held("special", snapshot, now=later).person == first.person


GROUPS = GroupProfiles(
    [
        GroupProfile(("ICT", "Packagers"), "special"),
        GroupProfile(("ict",), "secret"),
        GroupProfile(("Straße",), "withdrawn"),
    ],
    "standard",
)


@pytest.mark.parametrize(
    ("groups", "profile"),
    [
        ((), "standard"),
        (("ict",), "secret"),
        (("ict", "packagers", "others"), "special"),
        (("packagers",), "standard"),
        (("strasse",), "withdrawn"),
    ],
)
def test_profiles_by_group(groups: tuple[str, ...], profile: str) -> None:
    assert GROUPS.of(groups) == profile


# --- a visitor over time --------------------------------------------------------------------


@dataclass
class Entry:
    groups: frozenset[str]


@dataclass
class Found:
    entry: Entry | None
    fresh: bool = True


class Cached:
    """A directory that knows what the test says."""

    def __init__(self) -> None:
        self.known: dict[str, Found] = {}

    def cached(self, name: str) -> Found | None:
        return self.known.get(name)

    async def look_up(self, name: str) -> Found:
        raise AssertionError(name)


@pytest.fixture
def proven(doors_with: Callable[..., Doors]) -> Doors:
    doors: Doors = doors_with(
        {
            "identity": {
                "order": ["basic"],
                "profiles": [{"groups": ["Ops"], "profile": "unrestricted"}],
                "default_profile": "standard",
            },
            "directory": {"servers": ["ldaps://localhost:9"], "base": "dc=x"},
        }
    )
    doors.gate.people.directory = Cached()
    return doors


def seen(doors: Doors, name: str = "jane", ends: float = math.inf) -> Any:
    visitor = doors.visitor("192.0.2.1")
    visitor.proof, visitor.proof_ends, visitor.sticky = Proof(name, "basic"), ends, True
    doors.gate.people.know(visitor)
    return visitor


def test_groups_that_change_are_noticed_by_the_next_look(proven: Doors) -> None:
    directory = proven.gate.people.directory
    proven.standing.snapshot = snapshot_of(everything=["jane"])
    directory.known["jane"] = Found(Entry(frozenset()))
    visitor = seen(proven)
    proven.standing.snapshot = EMPTY
    proven.gate.people.know_again(visitor)
    assert visitor.person.profile == "standard"
    directory.known["jane"] = Found(None)
    proven.gate.people.look(visitor)
    assert visitor.person.profile == "withdrawn", "the directory knows no such person any more"
    directory.known["jane"] = Found(Entry(frozenset({"ops"})), fresh=False)
    proven.gate.people.look(visitor)
    assert visitor.person.profile == "standard", "exempt, but without an exemption"


def test_a_directory_that_knows_nothing_gives_the_strictest(proven: Doors) -> None:
    visitor = seen(proven)
    assert (visitor.person.name, visitor.person.profile) == ("jane", "withdrawn")


def test_a_sign_in_ends_by_the_clock(proven: Doors) -> None:
    proven.gate.people.directory = None
    visitor = seen(proven, ends=proven.clock.now + 60)
    assert visitor.person.profile == "standard"
    proven.clock.now += 60
    proven.gate.people.know_again(visitor)
    assert (visitor.person.name, visitor.person.profile, visitor.lapsed) == (
        None, "withdrawn", True,
    )  # fmt: skip
    verdict = proven.gate.request(
        visitor, RequestFacts("GET", "allowed.test", "allowed.test", 1, "/")
    )
    assert verdict.answer.status == 403
    assert verdict.transaction.rule == "sign-in-required"


def test_looking_again_is_spared_where_nothing_has_changed(
    proven: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = seen(proven)
    people = proven.gate.people
    looked: list[object] = []
    monkeypatch.setattr(people, "know", looked.append)
    people.know_again(visitor)
    people.look(visitor)
    assert not looked
    proven.standing.snapshot = snapshot_of(withdrawn=["somebody"])
    people.know_again(visitor)
    assert looked == [visitor]


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2"])
def test_until_it_is_known_what_stands_nothing_passes(doors: Doors, address: str) -> None:
    doors.standing.snapshot = None
    visitor = doors.visitor(address)
    refused = doors.gate.request(visitor, RequestFacts("GET", "x.test", "allowed.test", 1, "/"))
    assert refused.answer.status == 503
    assert refused.transaction.rule == "standing-unavailable"
    assert doors.gate.connect(visitor, "bank.test:443").transaction.rule == "standing-unavailable"
    assert doors.gate.connect(visitor, "allowed.test:443").answer is None, "its page comes inside"
    doors.standing.snapshot = EMPTY
    passed = doors.gate.request(
        doors.visitor(), RequestFacts("GET", "allowed.test", "allowed.test", 1, "/")
    )
    assert passed.answer is None
    for verdict in (refused, passed):
        verdict.transaction.finish()


def test_people_known_by_address_are_withdrawn_too(doors: Doors) -> None:
    visitor = doors.visitor("127.0.0.2")
    assert (visitor.person.profile, visitor.person.exemption) == ("unrestricted", "EX-dc5678")
    doors.standing.snapshot = snapshot_of(everything=["dc5678"], withdrawn=["dc5678"])
    doors.gate.people.know_again(visitor)
    assert (visitor.person.profile, visitor.person.exemption) == ("withdrawn", None)


def test_what_stands_for_a_person_in_their_day_is_looked_up_when_it_may_differ(
    doors: Doors,
) -> None:
    day = doors.gate.people.today = Day()
    visitor = doors.visitor()
    assert visitor.person.states == {"no-rota"}
    day.start("pc1234", doors.clock.now, 15)
    doors.gate.people.know_again(visitor)
    assert visitor.person.states == {"no-rota", "on-break"}
    doors.clock.now += 15 * 60 - 1
    doors.gate.people.know_again(visitor)
    assert "on-break" in visitor.person.states
    doors.clock.now += 1
    doors.gate.people.know_again(visitor)
    assert visitor.person.states == {"no-rota"}, "it ends by the clock alone, to the second"


def test_of_somebody_unknown_the_day_knows_nothing(doors: Doors) -> None:
    day = doors.gate.people.today = Day()
    day.start("pc1234", doors.clock.now, 15)
    visitor = doors.visitor("127.0.0.9")
    assert (visitor.person.name, visitor.person.states) == (None, {"no-rota"})
