"""What a worker counts, for Prometheus: shared files that the portal adds up over all workers.

In: calls from the worker's hot path, and once a second a heartbeat, with which the counts of that
second become visible (a worker that is killed takes those of its last second with it).
Out: prometheus_client's multiprocess files, one set for each worker number.
Must never: take a label from outside (names come from the policy and from this package), raise into
the request in hand, or kill the worker when the disk is full.

Before `start` every call does nothing, so that programs that only decide need no files.
The files themselves are made in metricfiles.py, what they count is named in metricfamilies.py.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from prometheus_client import CollectorRegistry, Counter, values

from proxy_addons.gate import metricfiles
from proxy_addons.gate.metricfamilies import DECISION_BUCKETS, REQUEST_BUCKETS, Families
from proxy_addons.gate.tallies import OTHER, Spread, Tally

if TYPE_CHECKING:
    from pathlib import Path

# Labels come from the policy and are few; the cap holds the files to their allocated size should
# somebody generate a policy with thousands of rules.
MAX_SERIES: Final = 2_000


class WorkerMetrics:
    """The metrics of one worker.

    Args:
        worker: its number (the supervisor counts from 1). One live process for each number.
        directory: where the shared files are, or None to count inside this process only (tests).
    """

    def __init__(self, worker: int, directory: Path | None) -> None:
        self.worker = worker
        self.directory = directory
        self.registry: CollectorRegistry | None = None
        self._families: Families | None = None
        self._requests: dict[tuple[str, str], Counter] = {}
        self._refusals: dict[str, Counter] = {}
        self._connections = 0
        self._decided = Tally(MAX_SERIES, ("block", OTHER))
        self._refused = Tally(MAX_SERIES, OTHER)
        self._tried = Tally(MAX_SERIES, OTHER)
        self._unusable = Tally(MAX_SERIES, OTHER)
        self._signed_in = Tally(MAX_SERIES, (OTHER, OTHER))
        self._durations, self._decisions = Spread(REQUEST_BUCKETS), Spread(DECISION_BUCKETS)
        self._examinations = Spread(REQUEST_BUCKETS)
        self._up = self._down = 0
        self._lock: int | None = None
        self._value_class: Any = None
        self._started = 0.0
        self._attach()

    @property
    def attached(self) -> bool:
        """Whether calls are counted."""
        return self._families is not None

    # --- hot path ---------------------------------------------------------------------------

    def count(self, action: str, rule: str) -> None:
        """One request was decided."""
        self._decided.add((action, rule))

    def observe(self, seconds: float) -> None:
        """One request ended, so many seconds after its head."""
        self._durations.add(seconds)

    def observe_decision(self, seconds: float) -> None:
        """One decision took so many seconds."""
        self._decisions.add(seconds)

    def observe_examination(self, seconds: float) -> None:
        """One body was looked at, which took so many seconds."""
        self._examinations.add(seconds)

    def count_refusal(self, kind: str) -> None:
        """One answer of the gateway's own was given."""
        self._refused.add(kind)

    def count_would_block(self, rule: str) -> None:
        """One request was let through that a rule on trial would not have."""
        self._tried.add(rule)

    def count_unusable(self, why: str) -> None:
        """One connection ended before a request could be made on it."""
        self._unusable.add(why)

    def count_sign_in(self, way: str, outcome: str) -> None:
        """Somebody was asked who they are, or has said so."""
        self._signed_in.add((way, outcome))

    def count_bytes(self, up: int, down: int) -> None:
        """One request ended, having carried so many bytes from and to the client."""
        self._up += max(up, 0)
        self._down += max(down, 0)

    def connection_opened(self) -> None:
        """A client connected."""
        self._connections += 1

    def connection_closed(self) -> None:
        """A client connection ended."""
        self._connections -= 1

    # --- once a second ----------------------------------------------------------------------

    def heartbeat(
        self, *, now: float, index_built: float | None, log_healthy: bool, log_lag: float
    ) -> None:
        """The worker lives, and this is how it is.

        Args:
            now: seconds since the epoch.
            index_built: when the category index in use was compiled, or None without one.
            log_healthy: whether the access log can be written.
            log_lag: seconds that the log's oldest unsynced record waits.
        """
        if self._families is None:
            self._attach()
        families = self._families
        if families is None:
            return
        self.flush()
        self._started = self._started or now
        families.process.set(os.getpid())
        families.started.set(self._started)
        families.index_built.set(index_built or 0)
        families.log_healthy.set(log_healthy)
        families.log_lag.set(log_lag)
        families.heartbeat.set(now)

    def memory(self, used: int, *, shedding: bool) -> None:
        """So many bytes of memory are used, and this is whether new requests are refused for it."""
        if self._families is not None:
            self._families.memory.set(used)
            self._families.shedding.set(shedding)

    def held(self, bodies: int, memory: int, disk: int) -> None:
        """So many bodies are kept back, with so many bytes in memory and in files."""
        if self._families is not None:
            self._families.held_bodies.set(bodies)
            self._families.held_memory.set(memory)
            self._families.held_disk.set(disk)

    def flush(self) -> None:
        """Put what was counted since the last time where others can read it."""
        families = self._families
        if families is None:
            return
        for (action, rule), count in self._decided.take().items():
            self._request(families, action, rule).inc(count)
        for kind, count in self._refused.take().items():
            self._refusal(families, kind).inc(count)
        for rule, count in self._tried.take().items():
            families.would_block.labels(rule[:100]).inc(count)
        for why, count in self._unusable.take().items():
            families.unusable.labels(why).inc(count)
        for (way, outcome), count in self._signed_in.take().items():
            families.sign_ins.labels(way, outcome).inc(count)
        families.connections.set(self._connections)
        self._durations.pour(families.duration)
        self._decisions.pour(families.decision)
        self._examinations.pour(families.examination)
        families.bytes_up.inc(self._up)
        families.bytes_down.inc(self._down)
        self._up = self._down = 0

    def close(self) -> None:
        """Give the files and the number back. The counts stay; the gauges go with the heartbeat."""
        self.flush()
        self._families = None
        self._requests.clear()
        self._refusals.clear()
        if self._value_class is not None:
            self._value_class.close_all_files()
            self._value_class = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # --- inside -----------------------------------------------------------------------------

    def _request(self, families: Families, action: str, rule: str) -> Counter:
        child = self._requests.get((action, rule))
        if child is None:
            if len(self._requests) >= MAX_SERIES:
                return families.requests.labels(action, OTHER)
            child = self._requests[action, rule] = families.requests.labels(action, rule[:100])
        return child

    def _refusal(self, families: Families, kind: str) -> Counter:
        child = self._refusals.get(kind)
        if child is None:
            if len(self._refusals) >= MAX_SERIES:
                return families.refusals.labels(OTHER)
            child = self._refusals[kind] = families.refusals.labels(kind)
        return child

    def _attach(self) -> None:
        """Open the files, or stay without."""
        if self.directory is None:
            self._make_families(values.MutexValue)
            return
        try:
            if self._lock is None:
                self._lock = metricfiles.lock(self.directory, self.worker)
            for kind, size in metricfiles.SIZES.items():
                path = self.directory / f"{kind}_{self.worker}.db"
                if path.exists() and not metricfiles.sound(path):
                    # Its counts are lost (they are no evidence); the worker goes on.
                    path.unlink()
                metricfiles.allocate(path, size)
            self._make_families(self._shared_value_class(self.directory))
        except OSError:
            # Disk full, folder gone, or the number still in use. No request depends on counting;
            # the next heartbeat tries again, and meanwhile /healthz misses this worker.
            return

    def _shared_value_class(self, directory: Path) -> Any:
        # prometheus_client reads this variable whenever it opens a file.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)
        number = self.worker
        made = values.MultiProcessValue(lambda: number)  # type: ignore[no-untyped-call]
        self._value_class = made
        return made

    def _make_families(self, value_class: Any) -> None:
        values.ValueClass = value_class
        registry = CollectorRegistry()
        families = Families(self.worker, registry)
        families.connections.set(self._connections)
        self.registry, self._families = registry, families


# --- the worker's own, as the gate calls it -------------------------------------------------------

_current: WorkerMetrics | None = None


def start(worker: int, directory: Path | None) -> WorkerMetrics:
    """Begin to count in this process.

    Args:
        worker: the worker's number.
        directory: the folder that `prepare` made, or None to count inside this process only.
    """
    global _current  # noqa: PLW0603 - one process, one worker: the hot path carries no handle about
    stop()
    _current = WorkerMetrics(worker, directory)
    return _current


def stop() -> None:
    """Count no more."""
    global _current  # noqa: PLW0603 - see start
    if _current is not None:
        _current.close()
        _current = None


def count(action: str, rule: str) -> None:
    """One request was decided: `action` and id of the rule."""
    if _current is not None:
        _current.count(action, rule)


def observe(seconds: float) -> None:
    """One request ended, so many seconds after its head."""
    if _current is not None:
        _current.observe(seconds)


def observe_decision(seconds: float) -> None:
    """One decision took so many seconds."""
    if _current is not None:
        _current.observe_decision(seconds)


def observe_examination(seconds: float) -> None:
    """One body was looked at, which took so many seconds."""
    if _current is not None:
        _current.observe_examination(seconds)


def count_sign_in(way: str, outcome: str) -> None:
    """Somebody was asked who they are, or has said so: way and outcome, names of ours."""
    if _current is not None:
        _current.count_sign_in(way, outcome)


def count_refusal(kind: str) -> None:
    """One answer of the gateway's own was given: its `refusal.Kind`."""
    if _current is not None:
        _current.count_refusal(kind)


def count_would_block(rule: str) -> None:
    """One request was let through that a rule on trial would not have: id of the rule."""
    if _current is not None:
        _current.count_would_block(rule)


def count_unusable(why: str) -> None:
    """One connection ended before a request could be made on it.

    Args:
        why: `tls`, `tls-late`, `tls-left`, `proxy-header` or `proxy-header-late`.
    """
    if _current is not None:
        _current.count_unusable(why)


def count_bytes(up: int, down: int) -> None:
    """One request ended, having carried so many bytes from and to the client."""
    if _current is not None:
        _current.count_bytes(up, down)


def connection_opened() -> None:
    """A client connected."""
    if _current is not None:
        _current.connection_opened()


def connection_closed() -> None:
    """A client connection ended."""
    if _current is not None:
        _current.connection_closed()


def memory(used: int, *, shedding: bool) -> None:
    """The worker uses so many bytes; see `WorkerMetrics.memory`."""
    if _current is not None:
        _current.memory(used, shedding=shedding)


def held(bodies: int, memory: int, disk: int) -> None:
    """So many bodies are kept back; see `WorkerMetrics.held`."""
    if _current is not None:
        _current.held(bodies, memory, disk)


def heartbeat(*, now: float, index_built: float | None, log_healthy: bool, log_lag: float) -> None:
    """The worker lives; see `WorkerMetrics.heartbeat`."""
    if _current is not None:
        _current.heartbeat(
            now=now, index_built=index_built, log_healthy=log_healthy, log_lag=log_lag
        )
