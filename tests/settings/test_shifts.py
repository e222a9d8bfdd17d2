"""`personal_use` of watchhouse.yaml: breaks, allowances, coaching, the statement, reports."""

from __future__ import annotations

from dataclasses import fields
from datetime import time
from typing import TYPE_CHECKING

import pytest

from proxy_addons.settings import shifts
from proxy_addons.settings.load import SettingsError
from proxy_addons.settings.shifts_keys import PERSONAL_USE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from proxy_addons.settings.load import Examined

    type Look = Callable[..., Examined]

ALL = """
personal_use:
  day_turns: "06:30"
  breaks: {enabled: false, choices: [10, 20], allowance: 40, gap: 0, warning: 5}
  allowances: {personal: 45, social: unlimited, low: 5}
  coach: {lasts: 480}
  keep: {figures: 62, duties: 8, reviews: 1}
  acknowledgement:
    required: true
    statement: texts/ours.md
    renewed: 90
    open_categories: [public-service, social-networks]
    open_hosts: control.force.example
  reports:
    smtp: "[2001:db8::5]:587"
    user: watchhouse
    password_env: SMTP_PASSWORD
    sender: web@force.example
    address: "{name}@force.example"
"""


def said(look: Look, text: str, environ: dict[str, str] | None = None, **overrides: str) -> str:
    with pytest.raises(SettingsError) as caught:
        look(text, environ=environ or {}, **overrides)
    return "\n".join(f"{problem.key}: {problem.message}" for problem in caught.value.problems)


def test_what_the_table_says_by_default_is_what_the_program_says(look: Look, config: Path):
    found = look("listen: {}\n").settings.shifts
    plain = shifts.Shifts()
    statement = shifts.Acknowledgement(statement=config / "statement.md")
    assert found == shifts.Shifts(acknowledgement=statement)
    assert found.breaks == plain.breaks
    (config / "statement.md").unlink()
    assert look("listen: {}\n").settings.shifts == plain


def test_every_attribute_has_its_key():
    own = {
        f"personal_use.{part.name}.{each.name}"
        for part in fields(shifts.Shifts)
        if part.name != "day_turns"
        for each in fields(getattr(shifts, part.name.capitalize()))
    }
    own -= {"personal_use.reports.password"}
    assert {setting.name for setting in PERSONAL_USE} == own | {
        "personal_use.day_turns", "personal_use.reports.password_env",
    }  # fmt: skip


def test_all_of_it(look: Look, config: Path):
    (config / "texts").mkdir()
    (config / "texts/ours.md").write_text("# Ours\n", encoding="utf-8-sig")
    found = look(ALL, environ={"SMTP_PASSWORD": "secret"}).settings.shifts
    assert found.day_turns == time(6, 30)
    assert found.breaks == shifts.Breaks(
        enabled=False, choices=(10, 20), allowance=40, gap=0, warning=5
    )
    assert found.allowances == shifts.Allowances(personal=45, social=None, low=5)
    assert found.coach == shifts.Coach(lasts=480)
    assert found.keep == shifts.Keep(figures=62, duties=8, reviews=1)
    assert found.acknowledgement == shifts.Acknowledgement(
        required=True,
        statement=config / "texts/ours.md",
        renewed=90,
        # The group's members, and the names that lists have for them.
        open_categories=("government", "police", "social-networks", "social_networks"),
        open_hosts=("control.force.example",),
    )
    assert found.reports.smtp == ("2001:db8::5", 587)
    assert (found.reports.user, found.reports.password) == ("watchhouse", "secret")
    assert "secret" not in repr(found)
    assert (found.reports.sender, found.reports.address) == (
        "web@force.example",
        "{name}@force.example",
    )


def test_by_option_and_environment(look: Look):
    environ = {"WATCHHOUSE_PERSONAL_USE_ALLOWANCES_PERSONAL": "unlimited"}
    found = look(
        environ=environ, personal_use__breaks__choices="5,10", personal_use__day_turns="04:00"
    ).settings.shifts
    assert found.allowances.personal is None
    assert found.breaks.choices == (5, 10)
    assert found.day_turns == time(4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("day_turns: 5", "day_turns: found the number 5; wanted a time such as"),
        ('day_turns: "24:00"', 'day_turns: found "24:00"; wanted a time such as "09:30"'),
        ("day_turn: '05:00'", "day_turn: unknown key; did you mean day_turns?"),
        ("breaks: {choices: []}", "breaks.choices: found an empty list"),
        ("breaks: {choices: [30, 15]}", "breaks.choices: not ascending, or a number twice"),
        ("breaks: {choices: [15, 15]}", "breaks.choices: not ascending, or a number twice"),
        ("breaks: {choices: [0, 15]}", "breaks.choices[0]: found the number 0; wanted a whole"),
        ("breaks: {choices: 20, allowance: 19}", "breaks.allowance: no break fits into it: the"),
        ("breaks: {choices: 5, warning: 5}", "breaks.warning: the shortest break has 5 minutes"),
        ("keep: {figures: 61}", "keep.figures: found the number 61; wanted a whole number from 62"),
        ("breaks: {gap: '30'}", 'breaks.gap: found "30"'),
        (
            "allowances: {personal: 0}",
            (
                "allowances.personal: found the number 0; wanted a whole number from 1 to 1440, or"
                " unlimited"
            ),
        ),
        ("allowances: {personal: auto}", "allowances.personal: found "),
        (
            "allowances: {personal: 15}",
            (
                "allowances.personal: 20 minutes of social networks are more than the 15 of all"
                " personal use; set personal_use.allowances.social to at most 15, or to unlimited"
            ),
        ),
        ("allowances: {social: 61}", "allowances.social: 61 minutes of social networks are more"),
        ("coach: {lasts: 0}", "coach.lasts: found the number 0"),
        (
            "acknowledgement: {required: yes}",
            'acknowledgement.required: found "yes"; wanted true or false',
        ),
        ("acknowledgement: {statement: no-such.md}", "acknowledgement.statement: there is no file"),
        (
            "acknowledgement: {open_categories: [goverment]}",
            (
                "acknowledgement.open_categories[0]: no list has the category goverment; did you"
                " mean government?"
            ),
        ),
        ("acknowledgement: {open_categories: porn}", "porn is an alias of adult"),
        ("acknowledgement: {open_hosts: 'a b'}", "acknowledgement.open_hosts: found "),
        ("reports: {smtp: mail.force.example}", "reports.sender: not given"),
        ("reports: {smtp: mail.force.example}", "reports.address: not given"),
        ("reports: {smtp: 'smtp://mail'}", "reports.smtp: found "),
        ("reports: {sender: force.example}", "reports.sender: found "),
        ("reports: {sender: 'A <a@b.example>'}", "reports.sender: found "),
        ("reports: {address: all@force.example}", "with {name} in it"),
        ("reports: {address: '{name}@{name}'}", "with {name} in it"),
        ("reports: {user: jane}", "reports.user: personal_use.reports.user and .password_env go"),
        ("reports: {password_env: SMTP_PASSWORD}", "reports.password_env: "),
        ("reports: {password_env: hunter2!}", "is no name of a variable"),
        (
            (
                "reports: {smtp: mail.force.example, user: a, password_env: SMTP_PASSWORD,"
                " sender: a@b.example, address: '{name}@b.example', starttls: false}"
            ),
            "reports.starttls: the password would go to mail.force.example in the clear",
        ),
    ],
)
def test_what_is_wrong_is_said(look: Look, text: str, message: str):
    found = said(look, f"personal_use:\n  {text}\n", {"SMTP_PASSWORD": "sesame"})
    assert message in found
    assert "sesame" not in found
    assert "hunter2" not in found


def test_a_password_that_is_not_there(look: Look):
    assert "the environment variable SMTP_PASSWORD is not set" in said(look, ALL)


def test_signing_in_on_this_machine_may_be_in_the_clear(look: Look):
    text = ALL.replace("[2001:db8::5]", "127.0.0.1").replace("texts/ours", "statement")
    plain = look(text + "    starttls: false\n", environ={"SMTP_PASSWORD": "x"})
    assert plain.settings.shifts.reports.starttls is False
    assert plain.warnings == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "acknowledgement.required: needs a statement: write "),
        (b" \n", "statement.md is empty"),
        (b"\xff\xfe", "statement.md is not UTF-8"),
        (b"x" * (256 * 1024 + 1), "statement.md has more than 256 KiB"),
    ],
)
def test_a_statement_that_cannot_be_shown(
    look: Look, config: Path, content: bytes | None, message: str
):
    file = config / "statement.md"
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    assert message in said(look, "personal_use: {acknowledgement: {required: true}}\n")


def test_a_folder_in_place_of_the_statement(look: Look, config: Path):
    (config / "statement.md").unlink()
    (config / "statement.md").mkdir()
    assert "cannot be read: Is a directory" in said(look, "listen: {}\n")


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("breaks: {choices: [15, 90]}", None),  # the allowance is nobody's choice
        (
            "breaks: {choices: [15, 90], allowance: 60}",
            "breaks.allowance: breaks of 90 minutes (personal_use.breaks.choices) are never",
        ),
        (
            "allowances: {personal: 30, social: 10}",
            "allowances.social: people are told of their last 10 minutes from the first on",
        ),
        (
            (
                "reports: {smtp: mail.force.example, sender: a@b.example, starttls: false,"
                " address: '{name}@b.example'}"
            ),
            "reports.starttls: what people did would go through the net in the clear",
        ),
    ],
)
def test_what_is_odd_is_said(look: Look, text: str, warning: str | None):
    found = [str(each) for each in look(f"personal_use:\n  {text}\n").warnings]
    if warning is None:
        assert found == []
    else:
        assert len(found) == 1
        assert warning in found[0]


def test_what_no_rule_looks_at_is_odd(look: Look, config: Path):
    policy = (config / "policy.yaml").read_text()
    head, _, _ = policy.partition("rules:\n")
    rules = "rules:\n  - {id: rest, clause: Inf/27 1, reason: Fine., action: allow}\n"
    main = "personal_use: {breaks: {enabled: true}, allowances: {personal: 60, social: 20}}\n"
    found = "\n".join(str(each) for each in look(main, policy=head + rules).warnings)
    assert "personal_use.breaks.enabled: no rule of policy.yaml has state: on-break" in found
    assert "allowances.personal: no rule of policy.yaml has state: allowance-used" in found
    assert "allowances.social: no rule of policy.yaml has state: social-used" in found
    off = "personal_use: {breaks: {enabled: false}, allowances: {personal: unlimited}}\n"
    quiet = "\n".join(str(each) for each in look(off, policy=head + rules).warnings)
    assert "state:" not in quiet
