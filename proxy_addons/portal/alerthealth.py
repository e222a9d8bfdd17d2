"""How the alerts go, as their process tells it.

In: the file that it writes (audit/alerts/running.py), the time. Out: an `AlertHealth`, for
`/healthz` and `/metrics`.
Must never: take an old file for the present; fail because it is not there; say of whom an alert is,
who is told of it, or what a receiver has answered: anybody may ask for the health.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson
from prometheus_client.core import GaugeMetricFamily

from proxy_addons.portal.feedhealth import SILENT_AFTER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from prometheus_client import Metric

STATE_FILE: Final = "alerts.json"
LATE: Final = 300.0
"""Seconds from which on something is said of a lag, or of what was not delivered."""
_WORDS: Final = {"mail": "by e-mail", "webhook": "by webhook"}


@dataclass(frozen=True, slots=True)
class Deliveries:
    """How telling others goes, by one way.

    Attributes:
        way: `mail` or `webhook`.
        waiting: how many messages are not delivered yet.
        failing: how many of these were tried, and came back.
        oldest_seconds: since the alert of the oldest one was raised; 0: none waits.
        given_up: how many were given up within a day.
    """

    way: str
    waiting: int
    failing: int
    oldest_seconds: float
    given_up: int

    def sentences(self) -> Iterator[str]:
        """What somebody should look at."""
        words = _WORDS.get(self.way, f"by {self.way}")
        if self.waiting and self.oldest_seconds > LATE:
            yield (
                f"alerts are not delivered {words}: {self.waiting} wait, the oldest for"
                f" {self.oldest_seconds:.0f} s"
            )
        if self.given_up:
            yield f"alerts were given up {words}: {self.given_up} within a day"


@dataclass(frozen=True, slots=True)
class AlertHealth:
    """How the alerts go.

    Attributes:
        status: `ok`, `behind`, `undelivered`, `stopped`, or `silent`: their process does not tell.
        lag_seconds: age of the oldest record that is not counted; None: not known.
        deliveries: by each way that has something to say.
    """

    status: str
    lag_seconds: float | None = None
    deliveries: tuple[Deliveries, ...] = ()

    def sentences(self) -> tuple[str, ...]:
        """What somebody should look at; none when it goes well."""
        if self.status == "silent":
            return ("the process of the alerts does not tell how it goes",)
        said = []
        if self.status == "stopped":
            said.append("the alerts stand still: the operational log says why")
        elif self.lag_seconds is not None and self.lag_seconds > LATE:
            said.append(f"the alerts are {self.lag_seconds:.0f} s behind")
        said += [sentence for each in self.deliveries for sentence in each.sentences()]
        return tuple(said)


def read(file: Path, now: float) -> AlertHealth:
    """How the alerts go now.

    Args:
        file: what their process tells.
        now: Unix time.
    """
    try:
        told = orjson.loads(file.read_bytes())
        if not -SILENT_AFTER <= now - told["at"] <= SILENT_AFTER:
            return AlertHealth("silent")
        lag = float(told["lag_seconds"])
        deliveries = tuple(map(_deliveries, told["deliveries"]))
        stopped = told["status"] == "stopped"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # Not there, or not ours: nothing is known.
        return AlertHealth("silent")
    status = "ok"
    if stopped:
        status = "stopped"
    elif lag > LATE:
        status = "behind"
    elif any(True for each in deliveries for _ in each.sentences()):
        status = "undelivered"
    return AlertHealth(status, lag, deliveries)


def families(alerts: AlertHealth) -> Iterator[Metric]:
    """The same as metrics."""
    yield GaugeMetricFamily(
        "watchhouse_alerts_stopped",
        "1 while alerts stand still until somebody acts, or their process does not tell; else 0.",
        value=float(alerts.status in {"stopped", "silent"}),
    )
    if alerts.lag_seconds is not None:
        yield GaugeMetricFamily(
            "watchhouse_alerts_lag_seconds",
            "Age of the oldest record that alerts have not counted; 0: there is none.",
            value=alerts.lag_seconds,
        )
    kinds: dict[str, tuple[str, Any]] = {
        "undelivered": ("Messages of alerts that are not delivered yet.", "waiting"),
        "undelivered_oldest_seconds": (
            "Since the alert of the oldest message was raised that is not delivered yet.",
            "oldest_seconds",
        ),
        "delivery_failing": ("Messages that were tried, and wait to be tried again.", "failing"),
        "given_up": ("Messages that were given up within a day.", "given_up"),
    }
    for name, (words, field) in kinds.items():
        family = GaugeMetricFamily(f"watchhouse_alerts_{name}", words, labels=["way"])
        for each in alerts.deliveries:
            family.add_metric([each.way], float(getattr(each, field)))
        yield family


def _deliveries(told: dict[str, Any]) -> Deliveries:
    return Deliveries(
        str(told["way"]),
        int(told["waiting"]),
        int(told["failing"]),
        float(told["oldest_seconds"]),
        int(told["given_up"]),
    )
