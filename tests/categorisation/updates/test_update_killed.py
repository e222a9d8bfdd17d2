"""kill -9 at each step of an update: the last good list decides, and the next update goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]


def killed(folder: Path, *calls: str) -> list[dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "support.updatekill", str(folder), *calls],
        cwd=TESTS,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def look_at(found: list[dict[str, object]]) -> None:
    *ended, last = found
    assert not last["killed"]
    assert last["decided"] == "new"
    for each in ended:
        assert each["killed"], each
        assert each["decided"] in {"old", "new"}, each
        assert each["listed"] in {"old", "new"}, each
        # An index of the new list is there only when that list is in force.
        assert (each["decided"], each["listed"]) != ("new", "old"), each
        assert each["again"] in {"updated", "unchanged"}, each
        assert (each["decided_then"], each["listed_then"]) == ("new", "new"), each
        assert (each["store"], each["incoming"], each["versions"]) == (1, 0, 2), each


def test_at_each_change_of_a_name(tmp_path: Path) -> None:
    found = killed(tmp_path, "rename", "replace")
    look_at(found)
    assert len(found) > 8
    assert {"old", "new"} == {each["decided"] for each in found}


@pytest.mark.heavy
def test_at_each_call(tmp_path: Path) -> None:
    found = killed(tmp_path)
    look_at(found)
    assert len(found) > 60
