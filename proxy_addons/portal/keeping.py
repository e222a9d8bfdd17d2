"""How sealing is, as the keeper says in its state.

In: the run folder, the time. Out: a `Sealing` for `/healthz`, and metrics.
Must never: call sealing late before the keeper could have sealed; say what stands in the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from prometheus_client.core import GaugeMetricFamily

from proxy_addons.accesslog.keeper import state
from proxy_addons.accesslog.keeper.seals import SEAL
from proxy_addons.accesslog.keeper.step import ALARM
from proxy_addons.accesslog.seal.logs import ACCESS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from prometheus_client import Metric

LATE: Final = 2 * 3600.0
"""Seconds without a seal after which somebody should look."""
_WITNESSES, _STAMPS = "witnesses", "timestamps"


@dataclass(frozen=True, slots=True)
class Sealing:
    """How it is.

    Attributes:
        problems: what somebody should look at, in plain words.
        last_seal: when the access log was last sealed, or found to be; seconds since 1970; None:
            never.
        size: entries of its last checkpoint.
        waiting: segments that have not ended, or not in order.
        last_witness: when a witness last signed a checkpoint of it; None: none has.
        last_timestamp: when a checkpoint of it was last time-stamped; None: none was.
        failing: steps of the keeper that fail, or have something to say.
    """

    problems: tuple[str, ...]
    last_seal: float | None
    size: int
    waiting: int
    last_witness: float | None
    last_timestamp: float | None
    failing: tuple[str, ...]


def read(run_dir: Path, now: float) -> Sealing | None:
    """How sealing is now.

    Args:
        run_dir: of the gateway.
        now: seconds since 1970.

    Returns:
        None where the keeper has left nothing yet, or nothing that can be read.
    """
    found = state.read(run_dir)
    if found is None:
        return None
    problems = []
    for name, step in sorted(found.steps.items()):
        if not name.startswith(SEAL):
            continue
        last = step.good or found.since
        if now - last > LATE:
            hours = (now - last) / 3600
            log = name.removeprefix(SEAL)
            # Why is in the operational log: this page is for everybody.
            problems.append(f"the {log} log was not sealed for {hours:.0f} h")
    witnesses = found.steps.get(_WITNESSES)
    if witnesses is not None and any(ALARM in each for each in witnesses.problems):
        problems.append("a witness remembers the log otherwise: it may have been put back")
    sealed = found.steps.get(SEAL + ACCESS, state.StepState())
    return Sealing(
        problems=tuple(problems),
        last_seal=sealed.good or None,
        size=_number(sealed.known.get("size")),
        waiting=len(sealed.known.get("waiting") or ()),
        last_witness=_latest(witnesses),
        last_timestamp=_latest(found.steps.get(_STAMPS)),
        failing=tuple(sorted(name for name, step in found.steps.items() if step.problems)),
    )


def _latest(step: state.StepState | None) -> float | None:
    """When anything of the access log was last signed by somebody else."""
    times = [
        float(each["at"])
        for name, each in (step.known if step is not None else {}).items()
        if name.split(" ", 1)[0] == ACCESS and isinstance(each, dict) and "at" in each
    ]
    return max(times, default=None)


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def families(sealing: Sealing) -> Iterable[Metric]:
    """The metrics of sealing."""
    gauges = (
        ("seal_timestamp_seconds", "When the access log was last sealed.", sealing.last_seal),
        ("seal_size", "Entries of the last checkpoint of the access log.", sealing.size),
        ("seal_waiting", "Segments that have not ended, or not in order.", sealing.waiting),
        ("seal_failing", "Steps of the keeper that fail.", len(sealing.failing)),
        (
            "seal_witnessed_timestamp_seconds",
            "When a witness last signed a checkpoint of the access log.",
            sealing.last_witness,
        ),
        (
            "seal_stamped_timestamp_seconds",
            "When a checkpoint of the access log was last time-stamped.",
            sealing.last_timestamp,
        ),
    )
    for name, what, value in gauges:
        if value is not None:
            yield GaugeMetricFamily(f"watchhouse_{name}", what, value=value)
