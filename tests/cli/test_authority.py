from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from proxy_addons.audit.authority.colleagues import Unit
from proxy_addons.cli import acting, authority_steps
from proxy_addons.cli.acting import Login

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
REASON = "Not needed any more."


def day(ahead: int) -> str:
    return f"{datetime.now(UTC).date() + timedelta(days=ahead)}"


APPLICATION = f"""\
kind: reactive
subjects:
  - {{name: Jane, class: officer}}
  - {{name: john, class: staff}}
investigators: sam
purpose: unauthorised-use
allegation: CM/123/26
necessity: |
  The allegation is about what was looked at,
  and nothing else records that.
proportionality: Only the days of the allegation, and only the two.
alternatives: Interviews alone would warn them.
collateral: No other person's records are asked for.
begins: {day(-30)}
ends: {day(-1)}
valid_until: {day(20)}
fields: [start, person, url, host, categories, action]
unmasked: dating
urgent: true
"""

SETTINGS = """
portal:
  roles:
    - {role: psd, people: [pat, sam, kim]}
audit:
  offices:
    - {office: head-of-acu, people: acu}
    - {office: head-of-hr, people: hr}
    - {office: head-of-psd, people: kim}
"""


@pytest.fixture
def by(
    watchhouse: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Any]:
    """A command of somebody who called it with sudo: the name, then the arguments."""
    config = tmp_path / "config"
    config.mkdir()
    for name in ("policy.yaml", "statement.md"):
        (config / name).write_bytes((ROOT / "config" / name).read_bytes())
    (config / "watchhouse.yaml").write_text(SETTINGS)

    def run(name: str, *arguments: str) -> Any:
        monkeypatch.setattr(acting, "login_of", lambda *_: Login(0, sudo_user=name))
        where = ("--config", str(config), "--data", str(tmp_path / "data"))
        return watchhouse("authority", *arguments, *where)

    return run


@pytest.fixture
def form(tmp_path: Path) -> Path:
    path = tmp_path / "application.yaml"
    path.write_text(APPLICATION)
    return path


def told(done: Any) -> str:
    """What a command said, without the table's spaces."""
    assert (done.code, done.err) == (0, "")
    return " ".join(done.out.split())


def refused(done: Any) -> str:
    assert (done.code, done.out) == (1, "")
    said: str = done.err
    return said


def test_a_whole_life(by: Callable[..., Any], form: Path):
    said = told(by("pat", "apply", str(form)))
    assert "approved by head-of-acu; and by head-of-hr" in said
    reference = said.split(":")[0]

    def step(name: str, command: str, *arguments: str) -> Any:
        return by(name, command, reference, *arguments)

    assert reference in told(by("sam", "list"))
    # At the machine as root, and yet: no right, and not even known.
    assert f"no entry {reference}" in refused(step("ops", "show"))
    assert "no authorisations that you may see" in told(by("ops", "list", "--all"))
    assert f"no entry {reference}" in refused(step("ops", "approve"))
    assert "(Inf/27 4.2.6)" in refused(step("pat", "approve"))
    assert "requested, waits for head-of-hr" in told(step("acu", "approve", "--note", "Yes."))
    minute = f"{datetime.now(UTC) - timedelta(minutes=5):%Y-%m-%dT%H:%M}+00:00"
    spoken = ("--by", "hr", "--at", minute, "--note", "On the phone, from the scene.")
    assert "approved, to be confirmed in writing by" in told(step("kim", "orally", *spoken))
    assert "written-up" in told(step("hr", "write-up"))
    assert "a renewal until" in told(
        step("sam", "renew", "--until", day(40), "--why", "The interviews take longer.")
    )
    assert "has changed since" in refused(step("acu", "approve", "--seen", "4"))
    told(step("acu", "approve"))
    told(step("hr", "approve"))
    told(step("kim", "review", "--note", "Still needed, still proportionate."))
    shown = told(step("kim", "show"))
    for expected in (
        f"reference {reference} state written-up form Form 840, v1 kind reactive",
        "subjects jane (officer), john (staff) applicant pat investigators sam",
        "approved by acu (head-of-acu); hr (head-of-hr, by word of mouth); hr (head-of-hr);",
        "purpose unauthorised-use (si-2018-356) allegation CM/123/26",
        "fields action, categories, host, person, start, url categories any not masked dating",
        "names shown rows at most 10000",
        "write-up hr command-line [office: head-of-hr]",
    ):
        assert expected in shown
    told(step("sam", "conflict", "--why", "He is my brother-in-law."))
    assert "no entry" in refused(step("sam", "show"))
    assert "cancelled" in told(step("kim", "cancel", "--why", REASON))
    assert "no authorisations" in told(by("pat", "list"))
    assert reference in told(by("pat", "list", "--all"))


def test_a_comparison_is_asked_for_in_the_form(
    by: Callable[..., Any], form: Path, monkeypatch: pytest.MonkeyPatch
):
    one = APPLICATION.replace("  - {name: john, class: staff}\n", "")
    why = "Whether it is much can only be told beside what is usual."
    form.write_text(f"{one}comparison: unit\ncomparison_why: {why}\n")
    assert "does not say in which unit" in refused(by("pat", "apply", str(form)))
    # Asking a directory is tried in tests/portal/psd/test_authority_directory.py.
    unit = Unit("Response B", frozenset(f"pc{number:02d}" for number in range(12)))
    monkeypatch.setattr(authority_steps, "unit_in", lambda *_: unit)
    reference = told(by("pat", "apply", str(form))).split(":")[0]
    said = told(by("acu", "show", reference))
    assert "median and quartiles of 12 others of Response B" in said
    assert why in said
    assert "pc05" not in said
    form.write_text(f"{one}comparison: force\n")
    done = by("pat", "apply", str(form))
    assert (done.code, "comparison" in done.err) == (1, True)


def test_refused_and_withdrawn(by: Callable[..., Any], form: Path):
    one = told(by("pat", "apply", str(form))).split(":")[0]
    two = told(by("pat", "apply", str(form))).split(":")[0]
    assert "refused" in told(by("hr", "refuse", one, "--why", "Not proportionate."))
    assert "withdrawn" in told(by("pat", "withdraw", two, "--why", REASON))


def test_deputies(by: Callable[..., Any], form: Path):
    reference = told(by("pat", "apply", str(form))).split(":")[0]
    assert told(by("ann", "deputies")) == "nobody deputises; --all lists what has ended"
    give = ("deputise", "head-of-acu", "Eve", "--until", day(3), "--why", "Annual leave.")
    assert "(Inf/27 3.6)" in refused(by("ops", *give))
    row = told(by("acu", *give))
    assert "eve deputises as head-of-acu from" in row
    assert "DG-" in told(by("ann", "deputies"))
    told(by("eve", "approve", reference))
    told(by("acu", "revoke", row.split(":")[0], "--why", "Back again, earlier."))
    assert "revoked by acu" in told(by("ann", "deputies", "--all"))
    assert "no entry" in refused(by("eve", "show", reference))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("kind: reactive", "kind: curious", "1: kind: found 'curious'; wanted reactive, live"),
        ("class: officer", "class: boss", "3: subjects[0].class: found 'boss'; wanted officer"),
        ("ends: ", "ends: soon # ", "ends: found 'soon'; wanted a day such as 2026-11-24"),
        ("urgent:", "hurry:", "hurry: unknown key"),
        ("necessity: |", "necessities: |", "necessity: not given; wanted a text"),
        ("url, host", "url, password", "fields[3]: found 'password'"),
        ("kind: reactive", "kind: [", "3: not readable as YAML"),
    ],
)
def test_a_form_with_mistakes(
    by: Callable[..., Any], form: Path, old: str, new: str, expected: str
):
    form.write_text(APPLICATION.replace(old, new, 1))
    said = refused(by("pat", "apply", str(form))).replace('"', "'")
    assert expected in said


def test_a_form_that_is_not_there(by: Callable[..., Any], tmp_path: Path):
    assert "No such file" in refused(by("pat", "apply", str(tmp_path / "none.yaml")))
