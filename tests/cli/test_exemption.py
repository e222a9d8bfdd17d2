from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from proxy_addons.cli import acting
from proxy_addons.cli.acting import Login

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WHY = "Open-source research for Operation Example."
REASON = "No longer needed."


@pytest.fixture
def by(
    watchhouse: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Any]:
    """A command of somebody who called it with sudo: the name, then the arguments."""

    def run(name: str, *arguments: str) -> Any:
        monkeypatch.setattr(acting, "login_of", lambda *_: Login(0, sudo_user=name))
        return watchhouse(*arguments, "--data", str(tmp_path))

    return run


def day(ahead: int) -> str:
    return f"{datetime.now(UTC).date() + timedelta(days=ahead)}"


def told(done: Any) -> str:
    """What a command said, without the table's spaces."""
    assert (done.code, done.err) == (0, "")
    return " ".join(done.out.split())


def refused(done: Any) -> str:
    assert (done.code, done.out) == (1, "")
    said: str = done.err
    assert said.startswith("watchhouse: ")
    return said


REQUEST = ("exemption", "request", "Jane", "--category", "webmail", "--why", WHY)


def test_a_whole_life(by: Callable[..., Any]):
    assert told(by("lee", "exemption", "list")) == (
        "no exemptions that hold or wait; --all lists others"
    )
    said = told(by("lee", *REQUEST, "--until", day(90), "--reference", "RISK/12"))
    assert "EX-2" in said
    assert "requested for jane, webmail" in said
    reference = said.split(":")[0]

    def step(name: str, *arguments: str) -> Any:
        command, *more = arguments
        return by(name, "exemption", command, reference, *more)

    assert "Nobody may approve an exemption that they asked for" in refused(step("lee", "approve"))
    assert "(Inf/27 2.13.1)" in refused(step("jane", "approve"))
    assert f"{reference}: approval by kim; live, webmail for jane" in told(step("kim", "approve"))
    assert "reference state person" in told(by("lee", "exemption", "list", "--person", "JANE"))
    assert "no exemptions" in told(by("lee", "exemption", "list", "--person", "john"))
    asked = told(step("jane", "extend", "--until", day(200), "--why", WHY))
    assert "an extension until" in asked
    assert "live, extension asked for" in told(by("lee", "exemption", "list"))
    said = refused(step("sam", "approve", "--seen", "2"))
    assert "has changed since you looked at it (extension-request by jane" in said
    told(step("sam", "approve", "--seen", "3", "--note", "Fine."))
    told(step("sam", "escalate", "--to", "SIRO"))
    told(step("kim", "review", "--note", "Used daily.", "--next", day(150)))
    shown = told(step("ann", "show"))
    for expected in (
        f"reference {reference} state live for jane opens webmail",
        f"why {WHY} force reference RISK/12 significant yes escalated to SIRO",
        "last used never steps 6",
        "extension sam command-line Fine. [ends:",
        "escalation sam command-line [escalated to: SIRO]",
    ):
        assert expected in shown
    assert "revocation by pat; revoked" in told(step("pat", "revoke", "--why", REASON))
    assert "no exemptions that hold" in told(by("lee", "exemption", "list"))
    assert reference in told(by("lee", "exemption", "list", "--all"))
    assert "there is nothing to revoke" in refused(step("pat", "revoke", "--why", REASON))


def test_the_last_day_counts(by: Callable[..., Any]):
    """Until a day is until its end, by the clock of the policy's time zone."""
    told(by("lee", *REQUEST, "--from", day(20), "--until", day(20)))
    shown = told(by("lee", "exemption", "show", f"EX-{day(0)[:4]}-0001"))
    last = datetime.fromisoformat(day(20))
    assert f"from {last:%d %b %Y} 00:00 until {last:%d %b %Y} why" in shown
    told(by("lee", *REQUEST, "--from", f"{day(30)}T08:00", "--until", f"{day(30)}T17:30"))
    shown = told(by("lee", "exemption", "show", f"EX-{day(0)[:4]}-0002"))
    last = datetime.fromisoformat(day(30))
    assert f"from {last:%d %b %Y} 08:00 until {last:%d %b %Y} 17:30 why" in shown


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ((*REQUEST, "--until", "2020-01-01"), "The end is in the past"),
        ((*REQUEST, "--category", "wembail", "--until", day(9)), "No list has a category wembail"),
        ((*REQUEST, "--everything", "--until", day(9)), "name besides only what it does not open"),
        ((*REQUEST[:3], "--why", WHY, "--until", day(9)), "everything, or categories by name"),
        (("exemption", "show", "EX-1999-0001"), "no entry EX-1999-0001"),
        (("exemption", "approve", "\x1b]0;x\x07"), "no entry (not shown)"),
        (("exemption", "list", "--person", "\x07"), "no login name"),
        ((*REQUEST, "--set", "standing.url=mysql://x/y", "--until", day(9)), "standing.url"),
        (
            (*REQUEST, "--set", "standing.url=postgresql://x@127.0.0.1:1/y", "--until", day(9)),
            "does not answer",
        ),
    ],
)
def test_what_is_refused(by: Callable[..., Any], arguments: tuple[str, ...], rule: str):
    done = by("lee", *arguments)
    assert done.code == 1
    assert rule in done.err
    assert done.err.rstrip("\n").replace("\n", "").isprintable()


@pytest.mark.parametrize(
    "arguments",
    [
        ("exemption",),
        ("exemption", "request", "jane", "--until", day(9)),
        (*REQUEST, "--until", "teatime"),
        (*REQUEST, "--until", "2026-02-30"),
        (*REQUEST, "--until", "9999-12-31"),
        (*REQUEST, "--until", "9999-12-31T23:00-09:00"),
        ("exemption", "refuse", "EX-2026-0001"),
        ("exemption", "approve", "EX-2026-0001", "--seen", "two"),
        ("withdraw", "jane"),
    ],
)
def test_wrong_usage(by: Callable[..., Any], arguments: tuple[str, ...]):
    done = by("lee", *arguments)
    assert done.code == 2
    assert "usage: watchhouse" in done.err


def test_significant_ones_are_escalated(by: Callable[..., Any]):
    told(by("lee", *REQUEST, "--until", day(9), "--significant"))
    reference = f"EX-{day(0)[:4]}-0001"
    assert "marked significant" in refused(by("kim", "exemption", "approve", reference))
    told(by("kim", "exemption", "approve", reference, "--escalated-to", "Risk board"))


def test_refused_requests(by: Callable[..., Any]):
    told(by("lee", *REQUEST, "--until", day(9)))
    reference = f"EX-{day(0)[:4]}-0001"
    assert "refusal by kim; refused" in told(
        by("kim", "exemption", "refuse", reference, "--why", REASON)
    )


def test_the_report(by: Callable[..., Any], tmp_path: Path):
    told(by("lee", *REQUEST, "--until", day(20)))
    told(by("kim", "exemption", "approve", f"EX-{day(0)[:4]}-0001"))
    told(by("lee", *REQUEST[:-1], "=HYPERLINK(1) is what I need", "--until", day(90)))
    said = told(by("ann", "exemption", "report"))
    assert "Waiting for a decision: 1" in said
    assert "Ending within 30 days: 1" in said
    assert "Review overdue: none" in said
    assert said.endswith("unknown 1 1 1 0 0 0")
    file = tmp_path / "report.csv"
    assert told(by("ann", "exemption", "report", "--csv", str(file))).endswith("2 exemptions")
    text = file.read_bytes().decode()
    assert by("ann", "exemption", "report", "--csv", "-").out == text
    rows = list(csv.DictReader(text.splitlines()))
    assert [row["state"] for row in rows] == ["live", "requested"]
    assert rows[1]["why"] == "'=HYPERLINK(1) is what I need"
    done = by("ann", "exemption", "report", "--csv", str(tmp_path / "none" / "x.csv"))
    assert (done.code, done.out) == (1, "")
    assert "No such file or directory" in done.err


def test_withdrawn_and_given_back(by: Callable[..., Any]):
    reason = ("--reason", "Personal use during duties.")
    year = day(0)[:4]
    assert told(by("boss", "withdraw", "Jane", *reason)) == (
        f"WD-{year}-0001: the web access of jane is withdrawn"
    )
    assert "withdrawn already" in refused(by("boss", "withdraw", "jane", *reason))
    assert "Nobody may give access back for themselves. (Inf/27 2.3.2)" in refused(
        by("jane", "withdraw", "jane", "--lift", *reason)
    )
    assert "has web access again" in told(by("boss", "withdraw", "jane", "--lift", *reason))
    assert "is not withdrawn" in refused(by("boss", "withdraw", "jane", "--lift", *reason))
    assert "reason of at least 10" in refused(by("boss", "withdraw", "jane", "--reason", "no"))


@pytest.mark.root
def test_what_root_makes_before_the_first_start_is_the_gateways(
    by: Callable[..., Any], tmp_path: Path
):
    done = by("lee", "exemption", "list", "--set", "run_as=nobody")
    assert (done.code, done.err) == (0, "")
    assert len(list(tmp_path.iterdir())) >= 2
    assert {path.stat().st_uid for path in (tmp_path, *tmp_path.iterdir())} == {65534}
    done = by("lee", "exemption", "list", "--set", "run_as=no-such-user")
    assert (done.code, done.out) == (1, "")
    assert "run_as" in done.err
