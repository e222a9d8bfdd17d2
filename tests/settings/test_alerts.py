"""`alerts` and `alert_webhooks` of watchhouse.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from proxy_addons.settings.alerts import DAY, Alert, AlertWhen, Hours
from proxy_addons.settings.load import SettingsError, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.settings.load import Examined

    type Look = Callable[..., Examined]

ROOT = Path(__file__).parents[2]
ENVIRON = {"SECRET": "sixteen characters", "SHORT": "short"}
LEAST = "{id: a, clause: c, words: w., when: {}, threshold: 1, within: 5"
HOOK = "{name: siem, url: 'https://siem.force.example/a', secret_env: SECRET"


def said(look: Look, alerts: str, hooks: str = "") -> str:
    with pytest.raises(SettingsError) as caught:
        look(f"alerts: [{alerts}]\nalert_webhooks: [{hooks}]\n", environ=ENVIRON)
    return "\n".join(
        f"{problem.place.rpartition('/')[2]}: {problem.key}: {problem.message}"
        for problem in caught.value.problems
    )


def test_the_default_configuration_has_those_of_the_issue(look: Look):
    found = {each.id: each for each in load(ROOT / "config", environ={}).alerts}
    assert {
        "offensive-or-illegal", "evasion", "excessive-upload", "excessive-volume",
        "exempt-odd-hours",
    } == set(found)  # fmt: skip
    assert found["evasion"].when.rules == {"hiding", "remote-access"}
    assert found["exempt-odd-hours"].when.outside == ("working-hours",)
    assert look("listen: {}\n").settings.alerts == ()


def test_all_of_it(look: Look):
    text = f"""
personal_use:
  reports: {{smtp: "mail.force.example:25", sender: w@force.example, address: "{{name}}@f.example"}}
alert_webhooks: [{HOOK}}}]
alerts:
  - id: a
    clause: c
    words: Words.
    when: {{rules: [games, warez], categories: threats, actions: block, profiles: standard,
      outside: [breaks], hours: "22:00-06:30", findings: [marking=secret], virus: true,
      opened_only: true}}
    per: client
    measure: down
    threshold: 1000000000000
    within: 1440
    quiet: 5
    severity: low
    to: [queue, "mail:psd@force.example", "webhook:siem"]
"""
    settings = look(text, environ=ENVIRON).settings
    assert settings.alerts == (
        Alert(
            "a", "c", "Words.",
            AlertWhen(
                rules=frozenset({"games", "warez"}),
                categories=settings.policy.expanded(["threats"]),
                actions=frozenset({"block"}), profiles=frozenset({"standard"}),
                outside=("breaks",), hours=Hours(22 * 60, 6 * 60 + 30),
                findings=frozenset({"marking=secret"}), virus=True, opened_only=True,
            ),
            per="client", measure="down", threshold=10**12, within=DAY, quiet=5, severity="low",
            mails=("psd@force.example",), webhooks=("siem",),
        ),
    )  # fmt: skip
    assert "cryptojacking" in (settings.alerts[0].when.categories or ())  # an alias of malware
    (hook,) = settings.alert_webhooks
    assert hook.secret == ENVIRON["SECRET"].encode()
    assert ENVIRON["SECRET"] not in repr(settings.alert_webhooks)


@pytest.mark.parametrize(
    ("alerts", "hooks", "message"),
    [
        ("{id: a}", "", "alerts[0].when: not given"),
        (f"{LEAST}, when: {{rules: gamez}}}}".replace("when: {}, ", ""), "", "no rule gamez; did"),
        (LEAST.replace("{}", "{categories: x}") + "}", "", "no list has the category x"),
        (LEAST.replace("{}", "{profiles: x}") + "}", "", "policy.yaml has no profile x"),
        (LEAST.replace("{}", "{outside: x}") + "}", "", "policy.yaml has no time space x"),
        (LEAST.replace("{}", "{hours: '8-9'}") + "}", "", "wanted hours of the clock"),
        (LEAST.replace("{}", "{hours: '08:00-08:00'}") + "}", "", "ends when it starts"),
        (
            LEAST.replace("{}", "{actions: warn}") + "}",
            "",
            "wanted allow, coach, redirect or block",
        ),
        (LEAST.replace("{}", "{rule: games}") + "}", "", "alerts[0].when.rule: unknown key"),
        (f"{LEAST}}}, {LEAST}}}", "", "watchhouse.yaml:1: alerts[1].id: a is given twice"),
        (f"{LEAST}, measure: bytes}}", "", "wanted records, up, down or hosts"),
        (f"{LEAST}, measure: hosts}}".replace("threshold: 1", "threshold: 5000"), "", "more than"),
        (f"{LEAST}, to: pigeon}}", "", "wanted queue, mail:ADDRESS or webhook:NAME"),
        (f"{LEAST}, to: 'mail:a@x'}}", "", "give personal_use.reports.smtp"),
        (f"{LEAST}, to: 'webhook:simm'}}", f"{HOOK}}}", "alert_webhooks has no simm; did"),
        ("", f"{HOOK}}}".replace("SECRET", "SHORT"), "SHORT does not hold a secret of at least 16"),
        ("", f"{HOOK}}}".replace("https", "http"), "wanted an address such as https"),
        ("", f"{HOOK}, ca_file: no.pem}}", "alert_webhooks[0].ca_file:"),
        ("", f"{HOOK}}}, {HOOK}}}", "siem is given twice"),
    ],
)
def test_what_is_wrong_is_named(look: Look, alerts: str, hooks: str, message: str):
    told = said(look, alerts, hooks)
    assert message in told
    assert "watchhouse.yaml:" in told
    assert ENVIRON["SHORT"] + " " not in told
