"""Whether what stands in the configuration files is in force.

In: the note of the supervisor in the run folder. Out: a sentence for `/healthz`, and metrics.
Must never: say what stands in a file; only which, and in which line.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import Metric

    from proxy_addons.settings.inforce import Rejected


def sentence(rejected: Rejected) -> str:
    """What somebody should look at, in plain words."""
    since = datetime.fromtimestamp(rejected.since, UTC)
    places = f" ({', '.join(rejected.places)})" if rejected.places else ""
    return (
        f"the configuration files are not in force since {since:%Y-%m-%d %H:%M:%S} UTC{places}:"
        " the last good ones are"
    )


def families(rejected: Rejected | None) -> Iterable[Metric]:
    """The same as metrics."""
    yield GaugeMetricFamily(
        "watchhouse_config_rejected",
        "1 while the configuration files are not in force, as they are wrong; else 0.",
        value=float(rejected is not None),
    )
    yield GaugeMetricFamily(
        "watchhouse_config_rejected_since_timestamp_seconds",
        "Since when they are not; 0 while they are.",
        value=rejected.since if rejected is not None else 0.0,
    )
