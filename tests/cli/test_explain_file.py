"""`watchhouse explain --file`: what is found in a file, and what the policy decides of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
TUESDAY = "2026-11-24T10:30"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "holiday.png"
    path.write_bytes(Path(sys.executable).read_bytes()[:10_000])
    return path


@pytest.fixture
def explain(watchhouse: Callable[..., Any], data: Path) -> Callable[..., dict[str, Any]]:
    def run(*arguments: str) -> dict[str, Any]:
        done = watchhouse("explain", *arguments, "--json", "--data", str(data), "--at", TUESDAY)
        assert (done.code, done.err) == (0, "")
        found: dict[str, Any] = json.loads(done.out)
        return found

    return run


def test_a_program_that_is_called_a_picture(explain: Callable[..., dict[str, Any]], program: Path):
    found = explain("https://www.gov.uk/holiday.png", "--file", str(program))
    assert (found["action"], found["rule"]) == ("block", "software")
    assert found["findings"] == ["file_type=linux-program"]
    assert found["file"]["file_types"] == ["linux-program"]
    assert found["file"]["name"] == "holiday.png"
    assert found["file"]["size"] == 10_000
    assert found["file"]["not_examined"] == ""
    assert explain("https://www.gov.uk/holiday.png")["action"] == "allow"


def test_a_packager_may_have_it(explain: Callable[..., dict[str, Any]], program: Path):
    found = explain("www.gov.uk", "--file", str(program), "--profile", "packagers")
    assert (found["action"], found["rule"]) == ("allow", "software-for-packagers")


def test_where_the_address_is_refused_the_file_makes_no_difference(
    explain: Callable[..., dict[str, Any]], program: Path
):
    found = explain("https://www.hotmail.com/", "--file", str(program))
    assert (found["action"], found["rule"], found["findings"]) == ("block", "webmail", [])


def test_as_if_it_were_called_otherwise(explain: Callable[..., dict[str, Any]], tmp_path: Path):
    path = tmp_path / "notes.txt"
    path.write_text("calc.exe\n")
    assert explain("--file", str(path))["file"]["file_types"] == ["text"]
    found = explain("--file", str(path), "--name", "notes.ps1")
    assert found["file"]["file_types"] == ["windows-script"]
    found = explain("--file", str(path), "--content-type", "application/x-sh; x=y")
    assert found["file"]["file_types"] == ["shell-script"]
    assert found["file"]["content_type"] == "application/x-sh"


def test_what_is_sent_counts_with_what_it_says(
    explain: Callable[..., dict[str, Any]], tmp_path: Path
):
    path = tmp_path / "minutes.txt"
    path.write_text("OFFICIAL-SENSITIVE\n\nMinutes of the meeting of Tuesday.\n")
    assert explain("--file", str(path))["file"]["said"] == []
    sent = explain("--file", str(path), "--method", "POST")
    assert sent["file"]["said"] == ["marking=official-sensitive"]


def test_the_keys_are_documented(explain: Callable[..., dict[str, Any]], program: Path):
    text = (ROOT / "docs/policy.md").read_text()
    found = explain("www.gov.uk", "--file", str(program))
    for key in (*found, *found["file"]):
        assert f"`{key}`" in text, key


def test_for_people(watchhouse: Callable[..., Any], data: Path, program: Path):
    done = watchhouse("explain", "www.gov.uk", "--file", str(program), "--data", str(data))
    assert done.code == 0
    assert "block by rule software" in done.out
    assert "a Linux program (linux-program)" in done.out
    done = watchhouse("explain", "--file", str(program), "--data", str(data))
    assert done.code == 0
    assert "a Linux program" in done.out
    assert "Give an address too" in done.out


def test_what_cannot_be_explained(watchhouse: Callable[..., Any], tmp_path: Path):
    done = watchhouse("explain")
    assert (done.code, done.out) == (1, "")
    assert "give an address, a file (--file PATH), or both" in done.err
    done = watchhouse("explain", "--file", str(tmp_path / "missing"))
    assert (done.code, done.out) == (1, "")
    assert "missing" in done.err
    assert "No such file" in done.err
