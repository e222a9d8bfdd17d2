"""What the keeper has done, in a small file for others to read.

In: what each step came to. Out: `keeper.json` in the run folder, written whole.
Must never: be needed for anything: a state that is lost or damaged begins anew; fail a step because
it cannot be written.

Form: `{"version": 1, "since", "pid", "steps": {name: {"began", "ended", "good", "failed",
"problems", "known"}}}`; times are seconds since 1970, `good` is the last end without a failure.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAME: Final = "keeper.json"
VERSION: Final = 1
_MODE: Final = 0o640


@dataclass(slots=True)
class StepState:
    """What is known of a step.

    Attributes:
        began: when it last began.
        ended: when that ended, however.
        good: when it last ended without a failure; 0: never.
        failed: failures since then.
        problems: of the last run.
        known: what it said of itself.
    """

    began: float = 0.0
    ended: float = 0.0
    good: float = 0.0
    failed: int = 0
    problems: list[str] = field(default_factory=list)
    known: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class State:
    """What is known of the keeper.

    Attributes:
        since: when it began to be kept.
        pid: process id of the keeper that wrote it last.
        steps: by their names.
    """

    since: float
    pid: int = 0
    steps: dict[str, StepState] = field(default_factory=dict)

    def of(self, name: str) -> StepState:
        """What is known of a step; nothing yet of a new one."""
        return self.steps.setdefault(name, StepState())


def read(run_dir: Path) -> State | None:
    """The state in a run folder; None where there is none that can be read."""
    try:
        said = orjson.loads((run_dir / NAME).read_bytes())
        if said["version"] != VERSION:
            return None
        steps = {str(name): _step(each) for name, each in said["steps"].items()}
        return State(float(said["since"]), int(said["pid"]), steps)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # Lost with the run folder, or by a power cut: what it knew is asked for again.
        return None


def _step(said: Mapping[str, Any]) -> StepState:
    return StepState(
        float(said["began"]),
        float(said["ended"]),
        float(said["good"]),
        int(said["failed"]),
        [str(each) for each in said["problems"]],
        dict(said["known"]),
    )


def write(run_dir: Path, state: State) -> None:
    """Write it, whole. It need not outlive the power.

    Raises:
        OSError: it could not be written; the one before is still there.
    """
    said = {"version": VERSION, **asdict(state)}
    half = run_dir / f"{NAME}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(half, flags, _MODE), "wb") as file:
        file.write(orjson.dumps(said, option=orjson.OPT_INDENT_2))
    half.replace(run_dir / NAME)
