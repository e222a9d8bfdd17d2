"""`watchhouse sampling`: a draw from its plan to its replay, each party under their own name."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from proxy_addons.cli import acting
from proxy_addons.cli.acting import Login

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
SETTINGS = """
portal:
  roles:
    - {role: psd, people: [pat]}
    - {role: auditor, people: [alex]}
"""
ROSTER = "name,class,unit\r\n" + "".join(
    f"p{number},{('officer', 'staff')[number % 2]},Unit {number % 3}\r\n" for number in range(20)
)


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
    (tmp_path / "roster.csv").write_text(ROSTER, newline="")

    def run(name: str, *arguments: str, typed: str = "") -> Any:
        monkeypatch.setattr(acting, "login_of", lambda *_: Login(0, sudo_user=name))
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        where = ("--config", str(config), "--data", str(tmp_path / "data"))
        alone = arguments[0] in {"secret", "replay", "how-to-replay"}
        return watchhouse("sampling", *arguments, *(() if alone else where))

    return run


def secret_of(by: Callable[..., Any], party: str) -> tuple[str, str]:
    """A secret and its commitment."""
    found = re.findall(
        r"^[0-9a-f]+$", by("root", "secret", reference(), "--party", party).out, re.MULTILINE
    )
    assert [len(each) for each in found] == [128, 64]
    return found[0], found[1]


def reference() -> str:
    """Of the plan: of this year."""
    from datetime import UTC, datetime  # noqa: PLC0415 - here alone

    return f"DS-{datetime.now(UTC).year}-0001"


def planned(by: Callable[..., Any]) -> None:
    done = by("pat", "plan", "--why", "Routine check of personal use.", "--authority",
              "AU-2026-0001", "--week", "2025-W10", "--size", "6", "--second", "alex")  # fmt: skip
    assert (done.code, done.err) == (0, "")
    assert reference() in done.out


def test_a_draw_and_its_replay(by: Callable[..., Any], tmp_path: Path) -> None:
    planned(by)
    file = str(tmp_path / "roster.csv")
    done = by("pat", "roster", reference(), "--file", file)
    assert "20 people in 6 strata. Nothing is fixed yet" in done.out
    assert by("pat", "roster", reference(), "--file", file, "--fix").code == 0
    secrets = {"pat": secret_of(by, "psd"), "alex": secret_of(by, "second")}
    for name, (_, shown) in secrets.items():
        assert by(name, "commit", reference(), shown).code == 0
    wrong = by("pat", "reveal", reference(), typed="00" * 64 + "\n")
    assert (wrong.code, wrong.out) == (1, "")
    for name, (secret, _) in secrets.items():
        done = by(name, "reveal", reference(), typed=secret + "\n")
        assert (done.code, done.err) == (0, "")
    shown = " ".join(by("pat", "show", reference()).out.split())
    assert "waiting: 6" in shown
    assert secrets["pat"][0] not in shown
    assert reference() in by("pat", "list").out

    record, names = tmp_path / "record.json", tmp_path / "names.csv"
    taken = ("record", reference(), "--to", str(record), "--roster-to", str(names))
    refused = by("pat", *taken)
    assert refused.code == 1
    assert "when the plan is closed" in refused.err
    assert not record.exists()
    assert by("alex", *taken).code == 0
    assert record.stat().st_mode & 0o777 == 0o600
    done = by("root", "replay", str(record), str(names), "--names")
    assert done.code == 0
    assert f"{reference()}, draw 1: 6 person-weeks, as its record says" in done.out
    assert len(re.findall(r"\bp\d+\b", done.out)) == 6
    names.write_text(names.read_text().replace("p3,", "q3,"))
    done = by("root", "replay", str(record), str(names))
    assert (done.code, done.out) == (1, "")
    assert "1 of its entries were not in it" in done.err

    rows = list(csv.DictReader(io.StringIO(by("pat", "coverage", "--csv").out)))
    assert rows[-1]["drawn"] == "6"
    assert "It does not show that there was nothing" not in by("pat", "coverage").out  # no reviews
    assert "HMAC" in by("root", "how-to-replay").out


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("root", ("plan", "--why", "Routine check of things.", "--authority", "AU-1", "--week",
                  "2025-W10", "--second", "alex"), "Only professional standards"),
        ("pat", ("plan", "--why", "Routine check of things.", "--authority", "AU-1", "--week",
                 "2025-W60", "--second", "alex"), "no week such as"),
        ("pat", ("show", "DS-1999-0001"), "no entry DS-1999-0001"),
        ("pat", ("roster", "DS-1999-0001", "--directory"), "There is no directory"),
        ("pat", ("roster", "DS-1999-0001", "--file", "/nonexistent"), "cannot be read"),
        ("pat", ("reveal", "DS-1999-0001"), "128 digits"),
        ("pat", ("replay", "/nonexistent", "/nonexistent"), "cannot be read"),
    ],
)  # fmt: skip
def test_what_is_refused(
    by: Callable[..., Any], name: str, arguments: tuple[str, ...], words: str
) -> None:
    done = by(name, *arguments)
    assert (done.code, done.out) == (1, "")
    assert words in done.err
