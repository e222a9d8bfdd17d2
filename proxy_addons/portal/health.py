"""How the gateway is, seen from the workers' shared metrics.

In: the folder of shared metrics (gate/metricfiles.py), the number of workers there should be, the
time; the run folder, for what the keeper says of itself (keeping.py), and the supervisor of the
configuration (confighealth.py).
Out: a `Health` for `/healthz`, and the text of `/metrics` over all workers.
Must never: wait for a worker, or fail because one file is damaged.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector

from proxy_addons.gate import metricfiles
from proxy_addons.portal import alerthealth, confighealth, feedhealth, keeping, listhealth
from proxy_addons.settings import inforce

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from prometheus_client import Metric

    from proxy_addons.portal.alerthealth import AlertHealth
    from proxy_addons.portal.feedhealth import FeedHealth
    from proxy_addons.portal.listhealth import ListHealth
    from proxy_addons.settings.inforce import Rejected

# Workers beat once a second; ten missed beats are no busy moment any more.
SILENT_AFTER = 10.0

_PER_WORKER = {
    "watchhouse_worker_heartbeat_timestamp_seconds": "heartbeat",
    "watchhouse_worker_process_id": "pid",
    "watchhouse_index_built_timestamp_seconds": "index_built",
    "watchhouse_log_healthy": "log_healthy",
    "watchhouse_log_lag_seconds": "log_lag",
}


@dataclass(frozen=True, slots=True)
class WorkerHealth:
    """How one worker is.

    Attributes:
        worker: its number.
        pid: its process id.
        up: whether it has been heard in the last `SILENT_AFTER` seconds.
        heartbeat_age_seconds: since it was last heard.
        log_healthy: whether it can write its access log.
        log_lag_seconds: how long the oldest unsynced record of its log waits.
        index_age_seconds: since the category index it uses was compiled; None without one.
    """

    worker: int
    pid: int
    up: bool
    heartbeat_age_seconds: float
    log_healthy: bool
    log_lag_seconds: float
    index_age_seconds: float | None


@dataclass(frozen=True, slots=True)
class Health:
    """How the gateway is.

    Attributes:
        status: `ok`; `degraded`: it serves, but somebody should look; `down`: requests are being
            refused, or would be if they came this way.
        problems: what is wrong, in plain words.
        workers_expected: from `listen.workers`.
        workers: those that have been heard of.
        log_healthy: whether every live worker can write its access log.
        index_age_seconds: of the oldest index in use; None when a live worker has none.
        sealing: how sealing is; None where the keeper has left nothing yet.
        feeds: of the access log; what is wrong with them never takes the gateway down.
        alerts: likewise; None where there are none in the settings.
        lists: that are fetched; likewise.
        config_rejected: that the configuration files are not in force, since when, and where they
            are wrong; None while they are.
    """

    status: str
    problems: tuple[str, ...]
    workers_expected: int
    workers: tuple[WorkerHealth, ...]
    log_healthy: bool
    index_age_seconds: float | None
    sealing: keeping.Sealing | None = None
    feeds: tuple[FeedHealth, ...] = ()
    alerts: AlertHealth | None = None
    lists: tuple[ListHealth, ...] = ()
    config_rejected: Rejected | None = None

    @property
    def http_status(self) -> int:
        """200 while requests are served, else 503: what a load balancer asks for."""
        return 503 if self.status == "down" else 200

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"status": self.status, "portal": "up", **asdict(self)}


def _families(directory: Path) -> list[Metric]:
    """The metrics of all workers added up; damaged files are left out."""
    files = []
    for path in sorted(directory.glob("*.db")):
        try:
            if metricfiles.sound(path):
                files.append(str(path))
        except OSError:
            # Gone since the folder was listed, or not ours to read: counted without it.
            continue
    return list(MultiProcessCollector.merge(files))  # type: ignore[no-untyped-call]


def read(
    directory: Path,
    expected: int,
    now: float,
    run_dir: Path | None = None,
    feeds: tuple[FeedHealth, ...] = (),
    alerts: AlertHealth | None = None,
    lists: tuple[ListHealth, ...] = (),
) -> Health:
    """How the gateway is now.

    Args:
        directory: the folder of shared metrics; it may not exist yet.
        expected: the number of workers there should be.
        now: seconds since the epoch.
        run_dir: where the keeper says how sealing is; None: it is not looked at.
        feeds: how they go.
        alerts: how they go; None: there are none.
        lists: how fresh they are.
    """
    beside = _beside(run_dir, now)
    return _health(_families(directory), expected, now, beside, feeds, alerts, lists)


def _beside(run_dir: Path | None, now: float) -> tuple[keeping.Sealing | None, Rejected | None]:
    """What the keeper and the supervisor say."""
    if run_dir is None:
        return None, None
    return keeping.read(run_dir, now), inforce.rejected(run_dir)


def _health(
    families: Iterable[Metric],
    expected: int,
    now: float,
    beside: tuple[keeping.Sealing | None, Rejected | None],
    feeds: tuple[FeedHealth, ...],
    alerts: AlertHealth | None,
    lists: tuple[ListHealth, ...],
) -> Health:
    sealing, rejected = beside
    found: dict[int, dict[str, float]] = {}
    for family in families:
        for sample in family.samples:
            if sample.name in _PER_WORKER:
                number = int(sample.labels["worker"])
                found.setdefault(number, {})[_PER_WORKER[sample.name]] = sample.value
    workers = tuple(
        _worker(number, values, now)
        for number, values in sorted(found.items())
        if values.get("heartbeat")  # before its first heartbeat a worker is still starting
    )
    up = [worker for worker in workers if worker.up]
    problems = []
    if len(up) < expected:
        problems.append(f"{len(up)} of {expected} workers are up")
    problems += [
        f"worker {worker.worker} cannot write its access log and refuses all requests"
        for worker in up
        if not worker.log_healthy
    ]
    ages = [worker.index_age_seconds for worker in up]
    known = [age for age in ages if age is not None]
    if len(known) < len(ages):
        problems.append("there is no category index: all requests are refused")
    problems += sealing.problems if sealing is not None else ()
    problems += [said for said in (feed.sentence() for feed in feeds) if said is not None]
    problems += alerts.sentences() if alerts is not None else ()
    problems += [said for said in (each.sentence() for each in lists) if said is not None]
    problems += [confighealth.sentence(rejected)] if rejected is not None else ()
    log_healthy = all(worker.log_healthy for worker in up)
    serving = bool(up) and log_healthy and len(known) == len(ages)
    return Health(
        status="down" if not serving else "degraded" if problems else "ok",
        problems=tuple(problems),
        workers_expected=expected,
        workers=workers,
        log_healthy=bool(up) and log_healthy,
        index_age_seconds=max(known) if known and len(known) == len(ages) else None,
        sealing=sealing,
        feeds=feeds,
        alerts=alerts,
        lists=lists,
        config_rejected=rejected,
    )


def _worker(number: int, values: dict[str, float], now: float) -> WorkerHealth:
    age = max(now - values["heartbeat"], 0.0)
    built = values.get("index_built", 0.0)
    return WorkerHealth(
        worker=number,
        pid=int(values.get("pid", 0)),
        up=age <= SILENT_AFTER,
        heartbeat_age_seconds=round(age, 3),
        log_healthy=values.get("log_healthy") == 1,
        log_lag_seconds=round(values.get("log_lag", 0.0), 3),
        index_age_seconds=round(max(now - built, 0.0), 3) if built else None,
    )


class _Snapshot:
    """A collector for one scrape: what was read, and what is worked out from it."""

    def __init__(self, families: list[Metric], health: Health) -> None:
        self._families = families
        self._health = health

    def collect(self) -> Iterable[Metric]:
        yield from self._families
        health = self._health
        age = GaugeMetricFamily(
            "watchhouse_index_age_seconds", "Since the oldest category index in use was compiled."
        )
        if health.index_age_seconds is not None:
            age.add_metric([], health.index_age_seconds)
        yield age
        up = GaugeMetricFamily(
            "watchhouse_worker_up", "1 for a worker heard of lately; else 0.", labels=["worker"]
        )
        numbers = {worker.worker: worker.up for worker in health.workers}
        for number in sorted({*range(1, health.workers_expected + 1), *numbers}):
            up.add_metric([str(number)], float(numbers.get(number, False)))
        yield up
        yield GaugeMetricFamily(
            "watchhouse_healthy",
            "1 while requests are served, as /healthz says; else 0.",
            value=float(health.http_status == 200),
        )
        if health.sealing is not None:
            yield from keeping.families(health.sealing)
        yield from feedhealth.families(health.feeds)
        if health.alerts is not None:
            yield from alerthealth.families(health.alerts)
        yield from listhealth.families(health.lists)
        yield from confighealth.families(health.config_rejected)


def exposition(  # noqa: PLR0913 - what each of the others tells
    directory: Path,
    expected: int,
    now: float,
    accept: str,
    run_dir: Path | None = None,
    feeds: tuple[FeedHealth, ...] = (),
    alerts: AlertHealth | None = None,
    *,
    lists: tuple[ListHealth, ...] = (),
) -> tuple[bytes, str]:
    """The answer of `/metrics`.

    Args:
        directory: the folder of shared metrics.
        expected: the number of workers there should be.
        now: seconds since the epoch.
        accept: the request's Accept header: Prometheus text or OpenMetrics.
        run_dir: as of `read`.
        feeds: how they go.
        alerts: as of `read`.
        lists: likewise.

    Returns:
        Body and content type.
    """
    families = _families(directory)
    registry = CollectorRegistry()
    found = _health(families, expected, now, _beside(run_dir, now), feeds, alerts, lists)
    registry.register(_Snapshot(families, found))
    encoder, content_type = choose_encoder(accept)
    return encoder(registry), content_type
