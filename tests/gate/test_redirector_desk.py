"""Answers to lines: what the policy decides, and a refusal for all that cannot be decided."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from proxy_addons.categorisation import CategoryIndex, compile_index
from proxy_addons.categorisation.tree import read_tree
from proxy_addons.gate.redirector.answers import redirect_of
from proxy_addons.gate.redirector.callers import Callers, read_people
from proxy_addons.gate.redirector.desk import Basis, Desk
from proxy_addons.identity.addresses import AddressMap
from proxy_addons.settings.load import SettingsError, load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

POLICY = """version: 1
time_zone: Europe/London
profiles:
  staff: {description: Staff.}
  heads: {description: Heads.}
  exempt: {description: Exempt., without_exemption: staff}
  others: {description: Others., strictest: true}
time_spaces:
  breaks: [{days: daily, from: "12:00", to: "13:00"}]
rules:
  - {id: heads, reason: Heads may., action: allow, when: {profiles: heads}}
  - {id: exempt, reason: Exempt., action: allow, when: {profiles: exempt}}
  - {id: games, reason: No., action: block, when: {categories: games, time: {outside: breaks}}}
  - {id: auctions, reason: Now and then., action: coach, when: {categories: auctions}}
  - {id: posts, reason: No posts., action: block, when: {profiles: others, methods: POST}}
  - {id: rest, reason: Allowed., action: allow}
"""
PEOPLE = """version: 1
people:
  - {names: [Head, chief], profile: heads}
  - {names: desk, networks: 10.9.0.0/16, profile: heads}
  - {networks: [10.8.0.0/16, "2001:db8::/32"], profile: exempt}
"""
MORNING = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)
NOON = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
REFUSED = 'OK rewrite-url="http://blocked.test/?{}"'


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Desk]:
    folder = tmp_path_factory.mktemp("redirector")
    lists = folder / "lists"
    for name, kind, text in (
        ("games", "domains", "games.example\nweb.play.example\n"),
        ("games", "urls", "mixed.example/play\n"),
        ("auctions", "domains", "auctions.example\n"),
    ):
        (lists / name).mkdir(parents=True, exist_ok=True)
        (lists / name / kind).write_text(text, encoding="ascii")
    compile_index((read_tree("starter", lists),), folder / "index")
    (folder / "watchhouse.yaml").write_text(
        "identity:\n  addresses:\n    - {network: 10.0.0.0/8, person: somebody, profile: staff}\n",
        encoding="ascii",
    )
    (folder / "people.yaml").write_text(PEOPLE, encoding="ascii")

    def make(redirect: str = "http://blocked.test/?%r", policy: str = POLICY) -> Desk:
        (folder / "policy.yaml").write_text(policy, encoding="ascii")
        settings = load(folder, environ={})
        entries = read_people(folder / "people.yaml", settings.policy)
        addresses = AddressMap(settings.identity.addresses, settings.policy.strictest_profile)
        callers = Callers(entries, addresses, settings.policy)
        desk = Desk(redirect_of(redirect), "3.4")
        desk.rest_on(Basis(settings, CategoryIndex.open(folder / "index"), callers))
        return desk

    return make


def answer(desk: Desk, line: str, now: datetime = MORNING) -> str:
    """The rule that refuses; nothing for a line that passes."""
    (found,) = desk.answers(line, now)
    return "" if found == "ERR" else found.removeprefix(REFUSED.partition("{")[0])[:-1]


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("http://games.example/ 10.0.0.1/- - GET", "games"),
        ("https://img.games.example/x?y 10.0.0.1/- - GET", "games"),
        ("http://GAMES.example./ 10.0.0.1/- - GET", "games"),
        ("http://games.example:8080/ 10.0.0.1/- - GET", "games"),
        ("http://u:p@games.example/ 10.0.0.1/- - GET", "games"),
        ("ftp://games.example/ 10.0.0.1/- - GET", "games"),
        ("games.example:443 10.0.0.1/- - CONNECT", "games"),
        ("http://xgames.example/ 10.0.0.1/- - GET", ""),
        # A label like `web` in the middle of a name is one of its labels.
        ("http://field1.web.play.example/a;b 10.0.0.1/- - GET", "games"),
        ("http://field1.web.play.example/a 10.0.0.1/- - GET", "games"),
        ("http://mixed.example/play/1 10.0.0.1/- - GET", "games"),
        ("http://www.mixed.example/PLAY 10.0.0.1/- - GET", "games"),
        ("http://mixed.example/./x/../%70lay 10.0.0.1/- - GET", "games"),
        ("http://mixed.example/x;y/..//play 10.0.0.1/- - GET", "games"),
        ("http://mixed.example/ 10.0.0.1/- - GET", ""),
        ("http://web.archive.org/web/2020/http://games.example/ 10.0.0.1/- - GET", "games"),
        ("http://x.example/browse.php?u=http://games.example/ 10.0.0.1/- - GET", "games"),
        ("http://x.example/browse.php?u=urn:x 10.0.0.1/- - GET", "inner-address"),
        ("http://auctions.example/ 10.0.0.1/- - GET", "auctions"),
        ("http://ok.example/ 192.0.2.1/- - POST", "posts"),
        ("http://ok.example/ 192.0.2.1/- - GET", ""),
        ("http://ok.example/ 10.0.0.1/- - POST", ""),
        # Who asks: a name that Squid authenticated, an address; the name in DNS proves nothing.
        ("http://games.example/ 10.0.0.1/- head GET", ""),
        ("http://games.example/ 192.0.2.1/- CHIEF GET", ""),
        ("http://games.example/ 10.0.0.1/head head2 GET", "games"),
        ("http://games.example/ 10.9.0.1/- desk GET", ""),
        ("http://games.example/ 10.0.0.1/- desk GET", "games"),
        ("http://games.example/ 10.8.0.1/- - GET", "games"),  # exempt only with an exemption
        ("http://games.example/ 2001:db8::1/- - GET", "games"),
        # No single meaning, or no line at all.
        ("http://x.10.0.0.1/ 10.0.0.1/- - GET", "bad-request"),
        ("http://ok.example/#x 10.0.0.1/- - GET", "bad-request"),
        ("http://ok.example/\\x 10.0.0.1/- - GET", "bad-request"),
        ("gopher://ok.example/ 10.0.0.1/- - GET", "bad-request"),
        ("http://ok..example/ 10.0.0.1/- - GET", "bad-request"),
        ("http://ok.example/ 10.0.0.1/- %FF GET", "bad-request"),
        ("http://ok.example/ 10.0.0.1/-", "bad-request"),
        ("", "bad-request"),
        ("http://ok.example/\0 10.0.0.1/- - GET", "bad-request"),
    ],
)
def test_what_is_answered(make: Callable[..., Desk], line: str, rule: str) -> None:
    desk = make()
    assert answer(desk, line) == rule
    assert answer(desk, line) == rule  # and from memory


def test_the_clock_counts_and_what_is_remembered_holds_for_its_minute(
    make: Callable[..., Desk],
) -> None:
    desk, line = make(), "http://games.example/ 10.0.0.1/- - GET"
    assert [answer(desk, line, at) for at in (MORNING, NOON, MORNING)] == ["games", "", "games"]


def test_a_policy_that_names_hosts(make: Callable[..., Desk]) -> None:
    rule = "  - {id: named, reason: No., action: block, when: {hosts: a.example}}\n  - {id: rest"
    desk = make(policy=POLICY.replace("  - {id: rest", rule))
    lines = [
        f"http://{host}/ 10.0.0.1/- - GET" for host in ("b.example", "a.example", "x.a.example")
    ]
    assert [answer(desk, line) for line in lines] == ["", "named", "named"]


A, B = "http://a.example", "http://b.example"


@pytest.mark.parametrize(
    ("when", "refused"),
    [
        ("{url: a.example/secret}", [f"{A}/secret", f"{A}/secret/x"]),
        ('{url_matches: "s[e]cret"}', [f"{A}/secret", f"{A}/secret/x", f"{B}/?q=secret"]),
        (
            "{any: [{url: a.example/secret}, {hosts: b.example}]}",
            [f"{A}/secret", f"{A}/secret/x", B],
        ),
        ("{categories: games, not: {url: games.example/open}}", ["http://games.example/"]),
        ("{all: [{hosts: a.example}, {ports: 8080}]}", [f"{A}:8080/"]),
        ("{clients: 10.0.0.2/32}", ["10.0.0.2"]),
        ("{persons: head}", ["head"]),
        # Of its program a line says nothing: what blocks one blocks.
        ("{user_agent: curl, hosts: b.example}", [B]),
        ("{hosts: b.example, methods: POST}", []),
    ],
)
def test_rules_that_look_at_more_than_the_host(
    make: Callable[..., Desk], when: str, refused: list[str]
) -> None:
    """What is remembered for the categories of an address counts for no other address."""
    rules = f"""rules:
  - {{id: more, reason: No., action: block, when: {when}}}
  - {{id: rest, reason: Allowed., action: allow}}
"""
    desk = make(policy=POLICY.partition("rules:")[0] + rules)
    paths = ("/open", "/secret", "/open", "/secret/x", "/", "/?q=x")
    addresses = [A + path for path in paths] + [f"{A}:8080/", f"{B}/", f"{B}/?q=secret"]
    addresses += ["http://games.example/open", "http://games.example/", "http://games.example/open"]
    lines = [
        f"{address} {client}/- {name} GET"
        for name in ("-", "head", "desk")
        for client in ("10.0.0.1", "10.0.0.2")
        for address in addresses
    ]
    wanted = [any(part in _parts(line) for part in refused) for line in lines]
    for asked in (lines, lines[::-1]):
        found = [each != "ERR" for each in desk.answers("\n".join(asked), MORNING)]
        assert found == (wanted if asked is lines else wanted[::-1])
    assert [answer(desk, line) == "more" for line in lines] == wanted


def _parts(line: str) -> set[str]:
    """Address, client and name of a line; the address without its path too."""
    address, client, name, _ = line.split(" ")
    return {address, "/".join(address.split("/")[:3]), client.removesuffix("/-"), name}


def test_many_at_once_each_with_its_channel(make: Callable[..., Desk]) -> None:
    desk = make("302:http://blocked.test/")
    lines = (
        "1 http://games.example/ 10.0.0.1/- - GET",
        "2 http://ok.example/ 10.0.0.1/- - GET k=v",
        "33 rubbish",
        "4 http://ok.example/;x 10.0.0.1/- - GET",
        "http://ok.example/ 10.0.0.1/- - GET",
    )
    led = 'OK status=302 url="http://blocked.test/"'
    assert desk.answers("\n".join(lines), MORNING) == [
        f"1 {led}",
        "2 ERR",
        f"33 {led}",
        "4 ERR",
        "ERR",
    ]


def test_without_policy_or_lists_all_is_refused(make: Callable[..., Desk]) -> None:
    desk = make()
    desk.rest_on(None)
    lines = "5 http://ok.example/ 10.0.0.1/- - GET\n\nhttp://ok.example/ 10.0.0.1/- - GET"
    refused = REFUSED.format("index-missing")
    assert desk.answers(lines, MORNING) == [f"5 {refused}", refused, refused]
    assert desk.too_long("6 http://") == f"6 {REFUSED.format('bad-request')}"


def test_what_fails_is_refused_by_itself(
    make: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    desk = make()

    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("proxy_addons.gate.redirector.desk.judge", broken)
    lines = "1 http://ok.example/ 10.0.0.1/- - GET\nrubbish"
    assert desk.answers(lines, MORNING) == [
        f"1 {REFUSED.format('undecided')}",
        REFUSED.format("bad-request"),
    ]
    assert "broken" in caplog.text


def test_a_wrong_file_of_people_names_line_and_key(
    make: Callable[..., Desk], tmp_path: Path
) -> None:
    desk = make()
    assert desk is not None
    path = tmp_path / "people.yaml"
    path.write_text("version: 1\npeople:\n  - {names: x, profile: heds}\n  - {names: y}\n")
    policy = load_policy(make)
    with pytest.raises(SettingsError) as raised:
        read_people(path, policy)
    assert (
        f"{path}:3: people[0].profile: policy.yaml has no such profile; did you mean heads?"
        in str(raised.value)
    )
    assert f"{path}:4: people[1].profile: not given" in str(raised.value)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_people(tmp_path / "none.yaml", policy)


def load_policy(make: Callable[..., Desk]) -> object:
    """The policy of a desk."""
    basis = make()._basis
    assert basis is not None
    return basis.settings.policy
