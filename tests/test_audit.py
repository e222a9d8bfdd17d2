"""scripts/audit: what it makes of every kind of answer. The tool is one of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

TOP = Path(__file__).parents[1]
HASH = "    --hash=sha256:" + "0" * 64
FIRST = f"first==1.0 \\\n{HASH} \\\n{HASH}\n"
LOCK = f"# a lock\n{FIRST}second==2.0 ; python_full_version < '4' \\\n{HASH}\n"

SOUND = {"name": "first", "version": "1.0", "vulns": []}
UNKNOWN = {"name": "second", "version": "2.0", "skip_reason": "Dependency not found"}
HOLED = {
    "name": "second", "version": "2.0",
    "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2.1"]}],
}  # fmt: skip


@pytest.fixture
def audit(tmp_path: Path) -> Callable[..., tuple[int, str, int]]:
    """Runs the audit on a lock of two packages; gives exit code, words, and how often it asked."""

    def run(*answers: Any, ignore: str = "") -> tuple[int, str, int]:
        for number, answer in enumerate(answers):
            said = answer if isinstance(answer, str) else json.dumps({"dependencies": answer})
            (tmp_path / f"answer-{number}").write_text(said)
        tool = tmp_path / "tool"
        tool.write_text(
            f"#!/bin/sh\ncd '{tmp_path}'; count=$(cat count 2>/dev/null || echo 0)\n"
            'while [ "$1" != --requirement ]; do shift; done; cp "$2" "asked-$count"\n'
            "echo $((count + 1)) >count; cat answer-$count; exit 1\n"
        )
        tool.chmod(0o755)
        (tmp_path / "lock").write_text(LOCK)
        (tmp_path / "ignore").write_text(ignore)
        done = subprocess.run(
            [sys.executable, "-m", "auditlib", "--tool", str(tool),
             "--ignore", str(tmp_path / "ignore"), str(tmp_path / "lock")],
            env={**os.environ, "PYTHONPATH": str(TOP / "scripts")},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert not done.stderr, done.stderr
        return done.returncode, done.stdout, len(list(tmp_path.glob("asked-*")))

    return run


def test_nothing_is_known(audit: Callable[..., Any], tmp_path: Path) -> None:
    assert audit([SOUND], [SOUND, SOUND]) == (
        0,
        "audited: 2 packages, no known vulnerability.\n",
        2,
    )
    assert (tmp_path / "asked-0").read_text() == FIRST
    assert (tmp_path / "asked-1").read_text() == LOCK


def test_a_known_vulnerability_fails(audit: Callable[..., Any]) -> None:
    code, said, _ = audit([SOUND], [SOUND, HOLED])
    assert code == 1
    assert "vulnerable: second 2.0: PYSEC-1, mended in 2.1" in said


@pytest.mark.parametrize("name", ["PYSEC-1", "CVE-1"])
def test_one_that_is_passed_over_with_a_reason(audit: Callable[..., Any], name: str) -> None:
    passed = f"# why\n\n{name}  until 2999-01-01  only its client is affected\n"
    assert audit([SOUND], [SOUND, HOLED], ignore=passed)[0] == 0


def test_passing_over_ends(audit: Callable[..., Any]) -> None:
    passed = "PYSEC-1 until 2026-01-01 only its client is affected"
    assert audit([SOUND], [SOUND, HOLED], ignore=passed)[0] == 1


@pytest.mark.parametrize(
    "line", ["PYSEC-1", "PYSEC-1 until 2999-01-01", "PYSEC-1 until 2999-02-30 why", "PYSEC-1 why"]
)
def test_an_exception_without_end_or_reason_fails(audit: Callable[..., Any], line: str) -> None:
    code, said, asked = audit([SOUND], ignore=line)
    assert (code, asked) == (1, 0)
    assert f"wanted `ID until YYYY-MM-DD reason`, found: {line}" in said


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        (["no route to host"], "could not be asked from here"),
        ([""], "could not be asked from here"),
        ([[]], "could not be asked from here"),
        ([[UNKNOWN]], "knows of no vulnerabilities"),
        ([[SOUND], "gone"], "the answers broke off"),
    ],
)
def test_who_cannot_be_asked_is_not_called_sound(
    audit: Callable[..., Any], answers: list[Any], words: str
) -> None:
    code, said, asked = audit(*answers)
    assert (code, asked) == (0, len(answers)), "with nothing known of one, the rest is not asked"
    assert said.startswith("not audited: ")
    assert words in said
    assert "no known vulnerability" not in said


def test_packages_of_which_nothing_is_known_are_counted(audit: Callable[..., Any]) -> None:
    code, said, _ = audit([SOUND], [SOUND, UNKNOWN])
    assert code == 0
    assert "not audited: 1 of 2 packages" in said
    assert "audited: 1 packages, no known vulnerability" in said


def test_the_exceptions_that_come_with_it_are_in_order(audit: Callable[..., Any]) -> None:
    ours = (TOP / "scripts/lib/audit-ignore.txt").read_text("utf-8")
    assert audit([SOUND], [SOUND], ignore=ours)[0] == 0
