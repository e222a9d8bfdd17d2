"""A seal may be killed at any moment: nothing is lost, and what was signed still verifies."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[2]


def test_a_seal_that_is_killed_at_any_call_loses_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "support.sealkill", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": f"{TESTS}:{TESTS.parent}", "PATH": "/usr/bin:/bin"},
        timeout=120,
    )
    said = [json.loads(line) for line in done.stdout.splitlines()]
    *killed, last = said
    assert len(killed) >= 100, "points"
    assert all(each["killed"] for each in killed)
    assert not last["killed"]
    assert {each["call"] for each in killed} >= {"open", "write", "fsync", "rename", "close"}
    for each in said:
        where = f"{each['number']}: {each['call']}"
        assert each["faults_then"] == [], where
        assert each["size_then"] in {2, 6}, where
        assert (each["size"], each["records"], each["faults"]) == (6, 180, []), where
        assert each["kept"], where
    assert {each["size_then"] for each in killed} == {2, 6}, "also between signing and showing"
