"""What `watchhouse check` says of settings that are valid and less safe than they may look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from proxy_addons.settings.table import DENIED_DESTINATIONS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ALL_BUT_ONE = [each for each in DENIED_DESTINATIONS if each != "fe80::/10"]
LOOPBACK_PERSON = "identity: {addresses: [{network: 127.0.0.0/8, person: S, profile: standard}]}\n"
OTHER_PERSON = "identity: {addresses: [{network: 10.1.0.0/16, person: S, profile: standard}]}\n"


def said(result: Any) -> list[str]:
    """The warnings of the main file, without the folder's name."""
    found = [str(each) for each in result.warnings]
    return [each[each.index("watchhouse.yaml") :] for each in found if "watchhouse.yaml" in each]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "network: {deny_destinations: []}\n",
            ["leaves out 0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, …"],
        ),
        (
            f"network: {{deny_destinations: {ALL_BUT_ONE}}}\n",
            ["leaves out fe80::/10: a name could lead there"],
        ),
        ("network: {deny_destinations: [0.0.0.0/0, '::/0']}\n", []),
        ("network: {deny_destinations: [0.0.0.0/1, 128.0.0.0/1, '::/0']}\n", []),
        ("network: {intranet: [0.0.0.0/0]}\n", ["0.0.0.0/0 holds 169.254.0.0/16: this machine"]),
        ("network: {intranet: [127.0.0.0/8]}\n", ["127.0.0.0/8 holds 127.0.0.0/8"]),
        ("network: {intranet: ['::/0']}\n", ["::/0 holds ::1/128"]),
        ("network: {intranet: [10.0.0.0/8, 127.0.0.9/32, police.example]}\n", []),
        ("network: {allow_ports: [443, 22]}\n", ["22 is for remote logins"]),
        ("network: {allow_ports: [443, 8443]}\n", []),
        ("listen: {proxy: '0.0.0.0:8080'}\n", ["0.0.0.0 is every address of this machine"]),
        ("listen: {proxy: '[::]:8080'}\n", [":: is every address of this machine"]),
        (
            "listen: {proxy_tls: '0.0.0.0:8443'}\n",
            ["listen.proxy_tls: 0.0.0.0 is every address of this machine"],
        ),
        ("listen: {proxy: 10.20.0.5:8080}\n", []),
        ("listen: {proxy: 10.20.0.5:8080}\n" + LOOPBACK_PERSON, ["127.0.0.0/8 is S: programs on"]),
        ("listen: {proxy: 10.20.0.5:8080}\n" + OTHER_PERSON, []),
        ("listen: {proxy: ['127.0.0.1:8080', '[::1]:8080']}\n" + LOOPBACK_PERSON, []),
    ],
)
def test_the_setting_is_named(look: Callable[..., Any], text: str, expected: list[str]) -> None:
    found = said(look(text))
    assert len(found) == len(expected), found
    for each, wanted in zip(found, expected, strict=True):
        assert wanted in each
        assert each.startswith(("watchhouse.yaml:1: ", "watchhouse.yaml:2: "))


@pytest.mark.parametrize("name", ["watchhouse.yaml", "policy.yaml", ""])
def test_a_file_that_everybody_may_change(
    look: Callable[..., Any], config: Path, name: str
) -> None:
    assert not [each for each in look().warnings if "everybody" in str(each)]
    path = config / name
    path.chmod(path.stat().st_mode | 0o002)
    (found,) = [str(each) for each in look().warnings if "everybody" in str(each)]
    assert found == f"{path}: everybody on this machine may change it: chmod o-w {path}"


@pytest.mark.parametrize(("mode", "warns"), [(0o600, False), (0o640, False), (0o644, True)])
def test_a_keytab_that_others_can_read(
    look: Callable[..., Any], config: Path, mode: int, warns: bool
):
    keytab = config / "proxy.keytab"
    keytab.touch()
    keytab.chmod(mode)
    found = look("identity: {order: kerberos, kerberos: {keytab: proxy.keytab}}\n")
    said = [each.message for each in found.warnings if each.place == str(keytab)]
    assert said == (
        [f"everybody on this machine may read it: chmod o-rw {keytab}"] if warns else []
    )
