"""The metric families of a worker: their names, texts, labels and buckets.

In: a worker's number, a registry. Out: the families, to be counted in (metrics.py).
Must never: have a label from outside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import Counter, Gauge, Histogram

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

# Seconds. A refusal takes under a millisecond, a page from the web tenths, a download minutes.
REQUEST_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
# Seconds. Decisions take microseconds; what is slower than a millisecond deserves a look.
DECISION_BUCKETS: Final = (25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 25e-3, 0.1)


class Families:
    """All metric families of a worker, with the children of its hot path looked up beforehand.

    Args:
        worker: the worker's number, the `worker` label of what is told apart by worker.
        registry: where the families are registered.
    """

    def __init__(self, worker: int, registry: CollectorRegistry) -> None:
        name = str(worker)

        def gauge(metric: str, text: str) -> Gauge:
            # `livemax` with a label of our own, because the `pid` label of the other modes would
            # hold the worker's number.
            family = Gauge(
                metric, text, ("worker",), registry=registry, multiprocess_mode="livemax"
            )
            return family.labels(name)

        self.requests = Counter(
            "watchhouse_requests", "Decided requests.", ("action", "rule"), registry=registry
        )
        self.refusals = Counter(
            "watchhouse_refusals", "Answers of the gateway's own.", ("kind",), registry=registry
        )
        self.would_block = Counter(
            "watchhouse_would_block",
            "Requests let through that a rule on trial would not have.",
            ("rule",),
            registry=registry,
        )
        self.unusable = Counter(
            "watchhouse_unusable_connections",
            "Connections that ended before a request could be made on them.",
            ("why",),
            registry=registry,
        )
        self.sign_ins = Counter(
            "watchhouse_sign_in",
            "Attempts to find out who is asking.",
            ("way", "outcome"),
            registry=registry,
        )
        volume = Counter(
            "watchhouse_bytes", "Bytes of finished requests.", ("direction",), registry=registry
        )
        self.bytes_up = volume.labels("up")
        self.bytes_down = volume.labels("down")
        self.duration = Histogram(
            "watchhouse_request_duration_seconds",
            "From the request's head to the end of its answer.",
            registry=registry,
            buckets=REQUEST_BUCKETS,
        )
        self.decision = Histogram(
            "watchhouse_decision_duration_seconds",
            "From the request's head to the decision.",
            registry=registry,
            buckets=DECISION_BUCKETS,
        )
        self.connections = gauge("watchhouse_open_connections", "Client connections now open.")
        self.memory = gauge(
            "watchhouse_worker_memory_bytes", "Memory of the worker, without mapped files."
        )
        self.shedding = gauge(
            "watchhouse_worker_shedding", "1 while the worker takes on nothing new; else 0."
        )
        self.heartbeat = gauge(
            "watchhouse_worker_heartbeat_timestamp_seconds", "When the worker last said it lives."
        )
        self.process = gauge("watchhouse_worker_process_id", "Process id of the worker.")
        self.started = gauge(
            "watchhouse_worker_start_timestamp_seconds", "When the worker began to work."
        )
        self.index_built = gauge(
            "watchhouse_index_built_timestamp_seconds",
            "When the category index in use was compiled; 0 while there is none.",
        )
        self.held_bodies = gauge(
            "watchhouse_held_bodies", "Bodies that are kept back until they have been looked at."
        )
        self.held_memory = gauge(
            "watchhouse_held_memory_bytes", "Bytes of bodies that are kept back, in memory."
        )
        self.held_disk = gauge(
            "watchhouse_held_disk_bytes", "Bytes of bodies that are kept back, in files."
        )
        self.examination = Histogram(
            "watchhouse_examination_duration_seconds",
            "From the last byte of a body that is kept back to the word on what is in it.",
            registry=registry,
            buckets=REQUEST_BUCKETS,
        )
        self.log_healthy = gauge(
            "watchhouse_log_healthy", "1 while the access log can be written; else 0."
        )
        self.log_lag = gauge(
            "watchhouse_log_lag_seconds", "How long the oldest unsynced record of the log waits."
        )
