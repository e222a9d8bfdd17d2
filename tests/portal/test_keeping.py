"""What the portal says of sealing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from proxy_addons.accesslog.keeper.state import NAME, State, StepState, write
from proxy_addons.portal import health, keeping

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_800_000_000.0


def kept(folder: Path, **steps: StepState) -> None:
    names = {name.replace("_", "-"): step for name, step in steps.items()}
    write(folder, State(NOW - 100_000, 1, names))


def test_all_well(tmp_path: Path) -> None:
    kept(
        tmp_path,
        seal_access=StepState(good=NOW - 60, known={"size": 42, "waiting": ["a", "b"]}),
        witnesses=StepState(
            good=NOW - 50,
            known={"access w1": {"size": 42, "at": NOW - 55}, "trail w1": {"size": 9, "at": NOW}},
        ),
        timestamps=StepState(good=NOW, known={"access": {"size": 42, "at": NOW - 58}}),
    )
    found = keeping.read(tmp_path, NOW)
    assert found == keeping.Sealing((), NOW - 60, 42, 2, NOW - 55, NOW - 58, ())
    values = {
        sample.name: sample.value for each in keeping.families(found) for sample in each.samples
    }
    assert values["watchhouse_seal_size"] == 42
    assert values["watchhouse_seal_timestamp_seconds"] == NOW - 60
    assert values["watchhouse_seal_witnessed_timestamp_seconds"] == NOW - 55


@pytest.mark.parametrize(
    ("good", "late"), [(NOW - 7190, False), (NOW - 7210, True), (0.0, True), (NOW, False)]
)
@pytest.mark.parametrize("log", ["access", "trail"])
def test_a_seal_that_is_late_is_a_problem(
    tmp_path: Path, good: float, late: bool, log: str
) -> None:
    step = StepState(good=good, problems=["SealError: the tiles"])
    kept(tmp_path, **{f"seal_{log}": step})
    problems = health.read(tmp_path / "metrics", 0, NOW, tmp_path).problems
    said = [each for each in problems if each.startswith(f"the {log} log was not sealed for ")]
    assert bool(said) is late
    assert "tiles" not in str(problems), "the page is for everybody"


def test_a_keeper_that_has_only_begun_is_not_late(tmp_path: Path) -> None:
    write(tmp_path, State(NOW - 60, 1, {"seal-access": StepState()}))
    found = keeping.read(tmp_path, NOW)
    assert found is not None
    assert (found.problems, found.last_seal) == ((), None)
    assert {each.name for each in keeping.families(found)} == {
        "watchhouse_seal_size",
        "watchhouse_seal_waiting",
        "watchhouse_seal_failing",
    }


def test_what_a_witness_remembers_otherwise_is_said_at_once(tmp_path: Path) -> None:
    loud = "witness w1, log access: it has seen 6 entries: IT MAY HAVE BEEN PUT BACK"
    kept(
        tmp_path,
        seal_access=StepState(good=NOW),
        witnesses=StepState(good=NOW, problems=["witness w2: does not answer", loud]),
    )
    found = health.read(tmp_path / "metrics", 0, NOW, tmp_path)
    assert "a witness remembers the log otherwise: it may have been put back" in found.problems
    assert found.sealing is not None
    assert found.sealing.failing == ("witnesses",)
    assert "w2" not in str(found.problems), "one that is down is asked again"


@pytest.mark.parametrize("text", [None, "", "{}", '{"version":1,"since":1,"pid":1,"steps":[]}'])
def test_a_state_that_cannot_be_read_says_nothing(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / NAME).write_text(text)
    assert keeping.read(tmp_path, NOW) is None
