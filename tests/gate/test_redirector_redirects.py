"""Where single rules lead behind Squid: by the file of redirects, and by the policy."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from proxy_addons.categorisation import CategoryIndex, compile_index
from proxy_addons.categorisation.tree import read_tree
from proxy_addons.gate.redirector.answers import redirect_of
from proxy_addons.gate.redirector.callers import Callers
from proxy_addons.gate.redirector.desk import Basis, Desk
from proxy_addons.gate.redirector.redirects import read_redirects
from proxy_addons.identity.addresses import AddressMap
from proxy_addons.settings.load import SettingsError, load

if TYPE_CHECKING:
    from pathlib import Path

    from proxy_addons.settings.model import Settings

NOW = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)
WHO = "10.0.0.1/- - GET"
POLICY = """version: 1
time_zone: Europe/London
profiles: {others: {description: Others., strictest: true}}
rules:
  - {id: games, reason: No., action: block, when: {categories: games}}
  - {id: ads, reason: No., action: block, when: {categories: ads}}
  - {id: moved, reason: Moved., action: redirect, to: "https://new.example/?was={url}&h={host}",
     when: {hosts: moved.example}}
  - {id: round, reason: Moved., action: redirect, to: "http://moved.example/",
     when: {hosts: round.example}}
  - {id: nowhere, reason: Moved., action: redirect, to: "http://x.example/browse.php?u=urn:x",
     when: {hosts: nowhere.example}}
  - {id: rest, reason: Allowed., action: allow}
"""
FILE = """version: 1
redirects:
  - {rules: [ads, inner-address], to: "http://blank.test/1x1.gif"}
  - {rules: games, to: "302:http://games.test/?%a&%f&%p&%t&%%"}
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    for name in ("games", "ads"):
        (tmp_path / "lists" / name).mkdir(parents=True)
        (tmp_path / "lists" / name / "domains").write_text(f"{name}.example\n")
    compile_index((read_tree("starter", tmp_path / "lists"),), tmp_path / "index")
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "watchhouse.yaml").write_text("data_dir: data\n")
    return load(tmp_path, environ={})


def desk_of(settings: Settings, tmp_path: Path, file: str = FILE, protocol: str = "3.4") -> Desk:
    """A desk with these redirects."""
    (tmp_path / "redirects.yaml").write_text(file)
    redirects = read_redirects(tmp_path / "redirects.yaml", settings.policy)
    addresses = AddressMap((), settings.policy.strictest_profile)
    callers = Callers((), addresses, settings.policy)
    desk = Desk(redirect_of("http://blocked.test/"), protocol)
    desk.rest_on(Basis(settings, CategoryIndex.open(tmp_path / "index"), callers, redirects))
    return desk


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (f"http://ads.example/ {WHO}", 'OK rewrite-url="http://blank.test/1x1.gif"'),
        (f"7 http://ads.example/ {WHO}", '7 OK rewrite-url="http://blank.test/1x1.gif"'),
        # The long way (`;`), and a rule of the gate's own.
        (f"http://ads.example/;a {WHO}", 'OK rewrite-url="http://blank.test/1x1.gif"'),
        (
            f"http://x.example/browse.php?u=urn:x {WHO}",
            'OK rewrite-url="http://blank.test/1x1.gif"',
        ),
        (
            f"http://games.example/a/b.gif?x=1 {WHO}",
            'OK status=302 url="http://games.test/?10.0.0.1&b.gif%3Fx%3D1&a%2Fb.gif%3Fx%3D1&games&%"',
        ),
        (f"rubbish {WHO}", 'OK rewrite-url="http://blocked.test/"'),
        (f"http://ok.example/ {WHO}", "ERR"),
    ],
)
def test_a_rule_leads_where_the_file_says(
    settings: Settings, tmp_path: Path, line: str, answer: str
) -> None:
    desk = desk_of(settings, tmp_path)
    assert desk.answers(line, NOW) == [answer]
    assert desk.answers(line, NOW) == [answer]  # and from memory


MOVED = "https://new.example/?was=http%3A%2F%2Fmoved.example%2Fa&h=moved.example"


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("http://moved.example/a 10.0.0.1/- - GET", f'OK status=302 url="{MOVED}"'),
        ("http://moved.example/a 10.0.0.1/- - HEAD", f'OK status=302 url="{MOVED}"'),
        # A body is not sent on (gate/redirecting.py).
        ("http://moved.example/a 10.0.0.1/- - POST", f'OK status=303 url="{MOVED}"'),
        (
            "ftp://moved.example/a 10.0.0.1/- - GET",
            f'OK status=302 url="{MOVED.replace("was=http", "was=ftp")}"',
        ),
        # Nobody would follow; it would go round; it leads to what is refused as undecidable; it is
        # too long for Squid.
        ("moved.example:443 10.0.0.1/- - CONNECT", 'OK rewrite-url="http://blocked.test/"'),
        ("http://round.example/ 10.0.0.1/- - GET", 'OK rewrite-url="http://blocked.test/"'),
        ("http://nowhere.example/ 10.0.0.1/- - GET", 'OK rewrite-url="http://blocked.test/"'),
        (
            f"http://moved.example/{'/' * 3000} 10.0.0.1/- - GET",
            'OK rewrite-url="http://blocked.test/"',
        ),
    ],
)
def test_a_rule_that_redirects_leads_where_the_policy_says(
    settings: Settings, tmp_path: Path, line: str, answer: str
) -> None:
    desk = desk_of(settings, tmp_path)
    assert desk.answers(line, NOW) == [answer]
    assert desk.answers(line, NOW) == [answer]


def test_the_file_counts_more_than_the_policy(settings: Settings, tmp_path: Path) -> None:
    desk = desk_of(settings, tmp_path, FILE.replace("[ads,", "[moved,"))
    (answer,) = desk.answers(f"http://moved.example/a {WHO}", NOW)
    assert answer == 'OK rewrite-url="http://blank.test/1x1.gif"'


def test_answers_for_squid_before_3_4(settings: Settings, tmp_path: Path) -> None:
    desk = desk_of(settings, tmp_path, protocol="3.3")
    lines = f"1 http://ads.example/ {WHO}\nhttp://moved.example/a {WHO}"
    assert desk.answers(lines, NOW) == [
        "1 http://blank.test/1x1.gif 10.0.0.1/- - GET",
        f"302:{MOVED} 10.0.0.1/- - GET",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{rules: advert, to: http://a.test/}", ":3: redirects[0].rules: policy.yaml has no such"),
        ("{rules: [ads, ads], to: http://a.test/}", 'redirects[0].rules[1]: "ads" leads somewhere'),
        ("{rules: [], to: http://a.test/}", "redirects[0].rules: found an empty list"),
        ("{rules: ads}", "redirects[0].to: not given"),
        ("{to: http://a.test/}", "redirects[0].rules: not given"),
        ("{rules: ads, to: /local}", "redirects[0].to: wanted an http or https address"),
        ('{rules: ads, to: "http://a.test/?%q"}', "redirects[0].to: %q is none of %a, %f, %n"),
        ("{rules: ads, to: http://a.test/, at: x}", "redirects[0].at: "),
    ],
)
def test_a_wrong_file_names_line_and_key(
    settings: Settings, tmp_path: Path, text: str, problem: str
) -> None:
    path = tmp_path / "redirects.yaml"
    path.write_text(f"version: 1\nredirects:\n  - {text}\n")
    with pytest.raises(SettingsError) as raised:
        read_redirects(path, settings.policy)
    assert f"{path}:" in str(raised.value)
    assert problem in str(raised.value)


def test_a_file_that_is_not_there_is_an_error(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        read_redirects(tmp_path / "none.yaml", settings.policy)
