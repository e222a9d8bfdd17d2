"""Packs: each one loads with the default policy, and stands where its entry does."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from proxy_addons.policy.decide import decide
from proxy_addons.policy.measures import over, sizes_of
from proxy_addons.policy.model import Action, Moment, Person, Resource
from proxy_addons.settings.load import SettingsError
from proxy_addons.urlkey import url_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.policy.compiled import Policy
    from proxy_addons.policy.model import Decision
    from proxy_addons.settings.load import Examined

ROOT = Path(__file__).parents[2]
DEFAULT = (ROOT / "config/policy.yaml").read_text()
PACKS = sorted(path.stem for path in (ROOT / "config/packs").glob("*.yaml"))
NOW = Moment(datetime(2026, 11, 24, 10, 30, tzinfo=ZoneInfo("Europe/London")))
REPRESENTATIVES = "profiles:\n  representatives: {description: Representatives.}\n"

# where the entry goes (above this rule), the entry, what is asked, what is decided and changed
CASES: list[tuple[str, str, dict[str, Any], str, list[str]]] = [
    (
        "security-threats",
        "{pack: tenant-restrictions, with: {tenants: [a.example, b.example], directory: id-1}}",
        {"url": "https://login.microsoftonline.com/x"},
        "allow everything-else",
        ["Restrict-Access-To-Tenants: a.example,b.example", "Restrict-Access-Context: id-1"],
    ),
    (
        "security-threats",
        "{pack: tenant-restrictions, with: {consumer_accounts: restrict-msa}}",
        {"url": "https://login.live.com/", "profile": "unrestricted"},
        "allow unrestricted",
        ["sec-Restrict-Tenant-Access-Policy: restrict-msa"],
    ),
    (
        "security-threats",
        "{pack: tenant-restrictions, with: {google_domains: force.example}}",
        {"url": "https://accounts.google.com/"},
        "allow everything-else",
        ["X-GoogApps-Allowed-Domains: force.example"],
    ),
    (
        "security-threats",
        "{pack: tenant-restrictions, with: {dropbox_teams: dbtid-1}}",
        {"url": "https://www.dropbox.com/", "categories": ["file-sharing"]},
        "block file-sharing",
        ["X-Dropbox-allowed-Team-Ids: dbtid-1"],
    ),
    (
        "security-threats",
        "{pack: tenant-restrictions, with: {dropbox_teams: dbtid-1}}",
        {"url": "https://login.microsoftonline.com/"},
        "allow everything-else",
        [],
    ),
    (
        "business",
        "pack: safe-search",
        {"url": "https://www.google.co.uk/search", "categories": ["search"]},
        "allow business",
        ["safe=active"],
    ),
    (
        "business",
        "{pack: safe-search, with: {google_hosts: [www.google.fr]}}",
        {"url": "https://www.google.fr/search", "categories": ["search"]},
        "allow business",
        ["safe=active"],
    ),
    (
        "business",
        "pack: safe-search",
        {"url": "https://www.bing.com/search", "categories": ["search"]},
        "allow business",
        ["adlt=strict"],
    ),
    (
        "business",
        "pack: safe-search",
        {"url": "https://duckduckgo.com/", "categories": ["search"]},
        "allow business",
        ["kp=1"],
    ),
    (
        "business",
        "{pack: safe-search, with: {youtube: Moderate}}",
        {"url": "https://m.youtube.com/", "categories": ["streaming"], "states": ["on-break"]},
        "allow personal-use-in-booked-breaks",
        ["YouTube-Restrict: Moderate"],
    ),
    (
        "business",
        "pack: safe-search",
        {"url": "https://www.google.co.uk/search", "profile": "unrestricted"},
        "allow unrestricted",  # further up: it stays as it is
        [],
    ),
    (
        "ai-assistants",
        "{pack: ai-assistants, with: {contracted: [ours.example]}}",
        {"url": "https://www.ours.example/", "categories": ["ai-assistants"]},
        "allow ai-assistants-contracted",
        [],
    ),
    (
        "ai-assistants",
        "{pack: ai-assistants, with: {contracted: ours.example, others: block}}",
        {"url": "https://other.example/", "categories": ["ai-assistants"]},
        "block ai-assistants-others",
        [],
    ),
    (
        "ai-assistants",
        "pack: ai-assistants",
        {"url": "https://other.example/", "categories": ["ai-assistants"]},
        "coach ai-assistants-others",
        [],
    ),
    (
        "politics",
        "{pack: federation-representatives, with: {profiles: representatives}}",
        {"url": "https://x.example/", "categories": ["politics"], "profile": "representatives"},
        "allow federation-representatives",
        [],
    ),
    (
        "ai-assistants",
        "{pack: ai-assistants, with: {largest_upload: 1kB}}",
        {"url": "https://other.example/", "categories": ["ai-assistants"], "sent": 1001},
        "block ai-assistants-uploads",
        [],
    ),
    (
        "ai-assistants",
        "{pack: ai-assistants, with: {largest_upload: 1kB, contracted: other.example}}",
        {"url": "https://other.example/", "categories": ["ai-assistants"], "sent": 1001},
        "allow ai-assistants-contracted",
        [],
    ),
    (
        "politics",
        "{pack: federation-representatives, with: {groups: Representatives}}",
        {"url": "https://x.example/", "categories": ["politics"], "groups": ["representatives"]},
        "allow federation-representatives-by-group",
        [],
    ),
    (
        "politics",
        "{pack: federation-representatives, with: {groups: [Representatives, Unison]}}",
        {"url": "https://x.example/", "categories": ["politics"], "groups": ["others"]},
        "block politics",
        [],
    ),
    (
        "politics",
        "{pack: federation-representatives, with: {profiles: representatives}}",
        {"url": "https://x.example/", "categories": ["politics"]},
        "block politics",
        [],
    ),
]


def with_pack(above: str, entry: str) -> str:
    """The default policy with a pack above a rule."""
    assert DEFAULT.count(f"\n  - id: {above}\n") == 1
    text = DEFAULT.replace(f"\n  - id: {above}\n", f"\n  - {entry}\n  - id: {above}\n")
    return text.replace("profiles:\n", REPRESENTATIVES, 1)


def told(policy: Policy, asked: dict[str, Any]) -> Decision:
    categories = frozenset(asked.get("categories", ()))
    states = frozenset(asked.get("states", ("no-rota",)))
    person = Person(
        "Sam",
        "address",
        asked.get("profile", "standard"),
        states=states,
        groups=frozenset(asked.get("groups", ())),
    )
    findings = over(asked.get("sent", 0), sizes_of(policy.findings))
    resource = Resource(url_key(asked["url"]), categories)
    return decide(policy, person, resource, NOW, findings=findings)


@pytest.mark.parametrize(("above", "entry", "asked", "want", "changes"), CASES, ids=str)
def test_what_a_pack_does(
    above: str,
    entry: str,
    asked: dict[str, Any],
    want: str,
    changes: list[str],
    look: Callable[..., Examined],
):
    policy = look(policy=with_pack(above, entry)).settings.policy
    decision = told(policy, asked)
    assert f"{decision.action} {decision.rule}" == want
    made = [
        f"{name}: {value}" for each in decision.changes for name, value in each.effects.set_headers
    ]
    made += [
        f"{name}={value}" for each in decision.changes for name, value in each.effects.set_query
    ]
    assert made == changes


def test_each_pack_has_a_case():
    assert {name for name in PACKS if any(name in entry for _, entry, *_ in CASES)} == set(PACKS)
    assert len(PACKS) == 4


@pytest.mark.parametrize("name", PACKS)
def test_the_example_in_each_pack_loads(name: str, look: Callable[..., Examined]):
    lines = (ROOT / f"config/packs/{name}.yaml").read_text().splitlines()
    example = "\n".join(line[4:] for line in lines if line.startswith("#   "))
    before, _, entry = example.partition("rules:\n")
    policy = DEFAULT.replace("\nrules:\n", f"\nrules:\n{entry}\n")
    policy = policy.replace("profiles:\n", before or "profiles:\n", 1)
    found = look(policy=policy).settings.policy
    made = [rule for rule in found.rules if rule.id.startswith(name)]
    assert made
    assert all(rule.clause.startswith("Inf/27 ") for rule in made)
    assert found.rules[0] in made


def test_the_version_of_the_policy_is_of_its_packs_too(look: Callable[..., Examined], config: Path):
    policy = with_pack("business", "pack: safe-search")
    before = look(policy=policy).settings.policy_version
    pack = config / "packs/safe-search.yaml"
    pack.write_text(pack.read_text().replace("adlt: strict", "adlt: moderate"))
    assert look(policy=policy).settings.policy_version != before


def test_a_pack_that_cannot_be_read_is_no_policy(look: Callable[..., Examined], config: Path):
    (config / "packs/safe-search.yaml").write_text("version: [")
    with pytest.raises(SettingsError, match=r"packs/safe-search\.yaml:2: not readable"):
        look(policy=with_pack("business", "pack: safe-search"))


def test_rules_of_packs_are_coaches_where_they_are_told_so(look: Callable[..., Examined]):
    policy = look(policy=with_pack("ai-assistants", "pack: ai-assistants")).settings.policy
    (rule,) = (each for each in policy.rules if each.id == "ai-assistants-others")
    assert rule.action is Action.COACH


def test_odd_effects_are_warned_of_with_their_place(look: Callable[..., Examined]):
    more = (
        "{id: round, clause: x, reason: X., action: redirect, to: 'https://a.x.example/?{url}',"
        " when: {hosts: x.example}}\n"
        "  - {id: private, clause: x, reason: X., action: modify, set_query: {a: b},"
        " when: {categories: [banking, health]}}"
    )
    before = DEFAULT.partition("\n  - id: business\n")[0].count("\n") + 2
    warned = [str(each) for each in look(policy=with_pack("business", more)).warnings]
    told = [each.partition("policy.yaml:")[2] for each in warned if "the rule " in each]
    assert [each.split(": ")[0] for each in told] == [str(before + 1), str(before + 2)]
    assert "round leads to an address that it redirects itself" in told[0]
    assert "private changes requests to sites that are never decrypted" in told[1]
