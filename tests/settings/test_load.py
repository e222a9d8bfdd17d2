from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from proxy_addons.gate import rules
from proxy_addons.policy.conditions import TIME
from proxy_addons.policy.decide import NO_RULE_MATCHED
from proxy_addons.policy.model import RESERVED_RULES, Action
from proxy_addons.settings.condition_kinds import _DEEPER
from proxy_addons.settings.load import SettingsError, load
from proxy_addons.settings.model import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.settings.load import Examined

ROOT = Path(__file__).parents[2]
TODAY = date(2026, 11, 24)
CATCH_ALL = {"id": "rest", "clause": "Test 1", "reason": "Fine.", "action": "allow"}


def test_the_default_configuration_is_in_order(look: Callable[..., Examined]):
    result = look()
    assert result.warnings == ()
    settings = result.settings
    assert settings.policy.strictest_profile == "withdrawn"
    assert set(settings.policy.profiles) == {
        "standard", "unrestricted", "packagers", "withdrawn",
    }  # fmt: skip
    assert settings.listen.proxy == (Endpoint("127.0.0.1", 8080),)
    assert settings.listen.workers >= 1
    assert settings.network.allow_http_ports == ((80, 80), (443, 443), (1024, 65535))


def test_what_is_denied_by_default_and_what_is_not(look: Callable[..., Examined]):
    denied = look().settings.network.deny_destinations

    def is_denied(address: str) -> bool:
        return any(
            ip_network(address).subnet_of(each)  # type: ignore[arg-type]
            for each in denied
            if each.version == ip_network(address).version
        )

    inside = (
        "0.0.0.0 10.1.2.3 100.100.100.200 127.0.0.1 168.63.129.16 169.254.169.254 172.31.255.255"
        " 192.0.0.192 192.168.0.1 198.18.0.1 224.0.0.1 255.255.255.255 :: ::1 ::7f00:1"
        " 64:ff9b:1::a00:1 fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1"
    )
    outside = "192.0.2.1 198.51.100.1 203.0.113.1 172.32.0.1 168.63.129.17 2001:db8::1 2606:4700::1"
    assert [each for each in inside.split() if not is_denied(each)] == []
    assert [each for each in outside.split() if is_denied(each)] == []


def test_all_files_problems_come_together_and_nothing_is_loaded(config: Path):
    (config / "policy.yaml").unlink()
    (config / "watchhouse.yaml").write_text("listen: {proxi: 1}\n")
    with pytest.raises(SettingsError) as caught:
        load(config, environ={}, today=TODAY)
    assert len(caught.value.problems) == 2
    assert "there is no such file" in str(caught.value)
    assert "WATCHHOUSE_CONFIG" in str(caught.value)


def test_a_folder_in_place_of_a_file_is_said(config: Path):
    (config / "watchhouse.yaml").unlink()
    (config / "watchhouse.yaml").mkdir()
    with pytest.raises(SettingsError, match=r"watchhouse\.yaml: cannot be read: Is a directory"):
        load(config, environ={}, today=TODAY)


def test_categories_are_checked_only_where_they_are_known(config: Path):
    with pytest.raises(SettingsError, match="no list has the category malware"):
        load(config, environ={}, known_categories={"webmail"}, today=TODAY)
    assert load(config, environ={}, today=TODAY).policy.rules


def test_the_version_is_that_of_both_files(config: Path):
    versions = [load(config, environ={}, today=TODAY).policy_version]
    for name in ("watchhouse.yaml", "policy.yaml"):
        file = config / name
        text = file.read_text()
        file.write_text(text.replace("# ", "#_", 1))  # of the same length
        versions.append(load(config, environ={}, today=TODAY).policy_version)
    assert len(set(versions)) == 3
    overridden = load(config, environ={}, overrides={"listen.workers": "3"}, today=TODAY)
    assert overridden.policy_version == versions[-1]
    assert re.fullmatch(r"[0-9a-f]{12}", versions[0])


def test_paths_in_the_file_are_relative_to_it_and_those_of_the_shell_to_the_working_directory(
    config: Path, look: Callable[..., Examined], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    paths = look("data_dir: data\ncategories_dir: lists\n").settings.paths
    assert (paths.config_dir, paths.data_dir, paths.categories_dir) == (
        config,
        tmp_path / "data",
        config / "lists",
    )
    assert look("listen: {}\n").settings.paths.categories_dir == tmp_path / "categories"
    assert look(data_dir="mine").settings.paths.data_dir == elsewhere / "mine"
    environ = {"WATCHHOUSE_DATA": "theirs", "WATCHHOUSE_CATEGORIES_DIR": "/lists"}
    paths = look(environ=environ).settings.paths
    assert (paths.data_dir, paths.categories_dir) == (elsewhere / "theirs", Path("/lists"))
    assert paths.index_file == elsewhere / "theirs/categories.index"


def test_a_relative_configuration_folder_becomes_absolute(
    config: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(config.parent)
    assert load(Path("config"), environ={}, today=TODAY).paths.config_dir == config


def test_credentials_come_from_the_environment_and_are_shown_nowhere(
    look: Callable[..., Examined],
):
    main = """
network:
  upstream_proxy: https://parent.example:3129
  upstream_proxy_credentials_env: PARENT_LOGIN
"""
    settings = look(main, environ={"PARENT_LOGIN": "user:hunter2"}).settings
    proxy = settings.network.upstream_proxy
    assert proxy is not None
    assert (proxy.scheme, proxy.endpoint) == ("https", Endpoint("parent.example", 3129))
    assert proxy.credentials == "user:hunter2"
    assert "hunter2" not in repr(settings)
    for wrong in ("hunter2", ":hunter2", "user:hunter2\n"):
        with pytest.raises(SettingsError) as caught:
            look(main, environ={"PARENT_LOGIN": wrong})
        assert "hunter2" not in str(caught.value)


def test_intranet_is_split_into_networks_and_names(look: Callable[..., Examined]):
    main = (
        'network: {intranet: [10.0.0.0/8, Police.Example, "fd00::/8", 192.0.2.7, bücher.example]}'
    )
    network = look(main).settings.network
    assert network.intranet_networks == tuple(
        map(ip_network, ("10.0.0.0/8", "fd00::/8", "192.0.2.7/32"))
    )
    assert network.intranet_names == ("police.example", "xn--bcher-kva.example")


def test_what_is_not_inspected_includes_the_names_of_other_lists(look: Callable[..., Examined]):
    main = "tls: {never_inspect: {categories: [banking], hosts: [Clinic.Example]}}"
    settings = look(main).settings
    assert settings.tls.never_inspect_categories == {"banking", "bank"}
    assert settings.tls.never_inspect_hosts == {"clinic.example"}
    assert settings.policy.never_inspect_categories == settings.tls.never_inspect_categories
    assert settings.policy.never_inspect_hosts == settings.tls.never_inspect_hosts


def test_rules_mean_the_names_of_other_lists_too(look: Callable[..., Examined]):
    rules = {rule.id: rule for rule in look().settings.policy.rules}
    assert rules["games"].categories == {"games", "educational_games"}
    personal = rules["personal-use"].categories
    assert personal is not None
    assert personal >= {"shopping", "lingerie", "social-networks", "social_networks"}


def test_bank_holidays_reach_around_the_year_asked_for(config: Path):
    dates = load(config, environ={}, today=TODAY).policy.bank_holidays
    assert {date(2025, 12, 25), date(2026, 12, 28), date(2036, 12, 26)} <= dates
    assert {each.year for each in dates} == set(range(2025, 2037))
    # Good Friday and the August bank holiday of England, not that of Scotland.
    assert {date(2026, 4, 3), date(2026, 8, 31)} <= dates
    assert date(2026, 8, 3) not in dates
    assert date(2026, 11, 30) not in dates


def test_warnings_name_the_line(look: Callable[..., Examined], config: Path):
    policy = yaml.safe_load((config / "policy.yaml").read_text())
    policy["profiles"]["lost"] = {"description": "Nobody."}
    policy["time_spaces"]["idle"] = policy["time_spaces"]["breaks"]
    policy["category_groups"]["idle-group"] = ["games"]
    policy["category_aliases"]["odd"] = "no-such-category"
    del policy["rules"][0]["clause"]
    policy["rules"].insert(-1, CATCH_ALL | {"id": "early"})
    text = yaml.safe_dump(policy, sort_keys=False)
    lines = text.splitlines()

    def line(of: str) -> str:
        return f"{config}/policy.yaml:{lines.index(of) + 1}"

    warnings = [str(each) for each in look(policy=text.replace("&id001", "").replace(
        "*id001", '[{days: daily, from: "01:00", to: "02:00"}]'
    )).warnings]  # fmt: skip
    last = len(policy["rules"]) - 1
    assert sorted(warnings) == sorted(
        [
            (
                f"{line('- id: everything-else')}: rules[{last}]: the rule everything-else can"
                " never decide: earlier rules always do (withdrawn, unrestricted, early)"
            ),
            (
                f"{line('- id: security-threats')}: rules[0]: the rule security-threats names"
                " no clause of the force's policy"
            ),
            f"{line('  idle: *id001')}: time_spaces.idle: is used by no rule",
            f"{line('  idle-group:')}: category_groups.idle-group: is used by no rule",
            f"{line('  lost:')}: profiles.lost: is given to nobody and named by no rule",
            (
                f"{line('  odd: no-such-category')}: category_aliases.odd: stands for"
                " no-such-category, which no list has and no rule uses"
            ),
        ]
    )


_OF_PACKS = ("safe-search-", "tenant-restrictions-", "our-pack-")


def test_the_examples_of_the_policys_documentation_are_valid(
    look: Callable[..., Examined], config: Path
):
    text = (ROOT / "docs/policy.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    document: dict[str, Any] = {"version": 1, "time_zone": "Europe/London"}
    rules: list[Any] = []
    for block in blocks:
        if "carriers:" in block:
            (config / "carriers.yaml").write_text(block)
        elif "parameters:" in block:
            (config / "packs/our-pack.yaml").write_text(block)
            rules.append({"pack": "our-pack", "with": {"tenants": "borsetshire.police.example"}})
        else:
            document |= yaml.safe_load(block)
            rules += document.pop("rules", [])
    document["rules"] = [*rules, CATCH_ALL]
    settings = look("listen: {}", yaml.safe_dump(document)).settings
    policy = settings.policy
    assert "our-translator" in {carrier.id for carrier in settings.carriers.all}
    assert len(blocks) >= 5
    assert set(policy.time_spaces) == {"breaks", "nights", "holidays"}
    own = [rule for rule in policy.rules if not rule.id.startswith(_OF_PACKS)]
    assert sum(rule.id.startswith(_OF_PACKS) for rule in policy.rules) == 6
    written = [rule["action"] for rule in document["rules"] if "pack" not in rule]
    assert sorted(rule.action for rule in own) == sorted(written)
    assert own[0].effects.never_overridden
    assert len(own) >= 16
    assert policy.social


def test_every_condition_is_documented():
    text = (ROOT / "docs/policy.md").read_text()
    rows = {name for row in re.findall(r"(?m)^\| (`.+?`) \|", text) for name in row.split(", ")}
    for name in (*_DEEPER, TIME, "any", "all", "not"):
        assert f"`{name}`" in rows, name


def test_every_rule_of_the_default_policy_is_documented(look: Callable[..., Examined]):
    text = (ROOT / "docs/policy.md").read_text()
    for rule in look().settings.policy.rules:
        assert f"`{rule.id}`" in text


def test_the_gates_own_rule_ids_are_reserved():
    own = {value for name, value in vars(rules).items() if name.startswith("RULE_")}
    assert own
    assert own | {NO_RULE_MATCHED} <= RESERVED_RULES


def test_settings_can_be_replaced_but_not_changed(look: Callable[..., Examined]):
    settings = look().settings
    assert replace(settings, policy_version="x").policy_version == "x"
    with pytest.raises(AttributeError):
        settings.policy_version = "y"  # type: ignore[misc]


def test_what_counts_as_personal_use(look: Callable[..., Examined]):
    policy = look().settings.policy
    assert {"shopping", "lingerie", "chat", "social_networks"} <= policy.personal
    assert policy.social == {"social-networks", "social_networks", "forums", "mail", "chat"}
    assert "news" not in policy.personal


def test_conditions_on_states_and_rules_that_coach(look: Callable[..., Examined], config: Path):
    text = (config / "policy.yaml").read_text()
    rule = (
        "rules:\n  - {id: warned, clause: Inf/27 1, reason: Fine., action: coach,"
        " when: {state: [on-break, no-rota], categories: news}}\n"
    )
    policy = look(policy=text.replace("rules:\n", rule, 1)).settings.policy
    assert policy.rules[0].action is Action.COACH
    assert policy.rules[0].states == {"on-break", "no-rota"}
    assert policy.states >= {"on-break", "no-rota"}


def test_conditions_on_what_is_found_in_bodies(look: Callable[..., Examined], config: Path):
    text = (config / "policy.yaml").read_text()
    rule = (
        "rules:\n  - {id: found, clause: Inf/27 1, reason: Fine., action: block,"
        " when: {file_type: [software, pdf], virus: found, categories: news}}\n"
    )
    rule = look(policy=text.replace("rules:\n", rule, 1)).settings.policy.rules[0]
    assert [each.kind for each in rule.findings] == ["file_type", "virus"]
    types, virus = rule.findings
    assert types.names == ("software", "pdf")
    assert {"file_type=pdf", "file_type=torrent"} < types.meant
    assert virus.meant == {"virus=found"}


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("file_type: windows-progam", "did you mean windows-program?"),
        ("marking: restrictd", "did you mean restricted?"),
        ("sends: force-adress", "did you mean force-address?"),
        ("virus: []", "wanted"),
    ],
)
def test_what_can_be_found_is_known(
    look: Callable[..., Examined], config: Path, condition: str, said: str
):
    text = (config / "policy.yaml").read_text()
    rule = f"rules:\n  - {{id: x, reason: Fine., action: block, when: {{{condition}}}}}\n"
    with pytest.raises(SettingsError) as caught:
        look(policy=text.replace("rules:\n", rule, 1))
    assert said in str(caught.value)
    assert condition.partition(":")[0] in str(caught.value)
