"""What the sizing of a deployment is computed from (docs/performance.md has the formulae).

In: a run's figures. Out: each input with where it is from.
Must never: assume what a run can measure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchlib.goals import find

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OURS = "watchhouse"
# How busy a core may be on average if answers are to be prompt.
BUSY = 0.6
COSTS = {
    "request_ms": ("keep-alive", "an inspected request"),
    "plain_ms": ("plain", "a request in plain HTTP"),
    "connection_ms": ("connect-kept", "a new inspected connection with its first request"),
    "new_host_ms": ("connect-new-host", "the same to a host never seen before"),
    "tunnel_ms": ("splice-connect", "a new spliced tunnel"),
}


def inputs(written: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Name and meaning, value, scenario; those that the run has measured."""
    for name, (scenario, what) in COSTS.items():
        cost = find(written, ("scenarios", scenario, "cpu_ms", OURS, "median"))
        if cost is not None:
            yield f"`{name}`: CPU of {what}", f"{cost:.3f} ms", f"`{scenario}`"
    bulk = find(written, ("studies", "download", "ours", "cpu_s_per_gb", "median"))
    if bulk is not None:
        yield "`gb_s`: CPU of a GB of inspected bodies", f"{bulk:.2f} s", "`download`"
    worker = find(written, ("studies", "idle", "client_alone", "before_mb"))
    if worker is not None:
        yield "`worker_mb`: memory of a worker without connections", f"{worker:.0f} MB", "`idle`"
        whole = find(written, ("facts", "memory_mib", OURS))
        if whole is not None:
            rest = whole * 1.048576 - worker
            yield (
                "`rest_mb`: supervisor and portal",
                f"{rest:.0f} MB",
                "memory afterwards, less that",
            )
    for key, what in (("client_alone", "of the client"), ("both_sides", "and one to its server")):
        each = find(written, ("studies", "idle", key, "kb_each"))
        if each is not None:
            yield f"`{key}_kb`: an idle connection {what}", f"{each:.0f} kB", "`idle`"
    record = octets_a_record(written)
    if record is not None:
        yield (
            "`record_octets`: the log's record of a request",
            f"{record:.0f} octets",
            "`keep-alive`",
        )


def octets_a_record(written: Mapping[str, Any]) -> float | None:
    """Mean size of a record in the access log."""
    rounds = find(written, ("scenarios", "keep-alive", "rounds", OURS)) or []
    records = sum(each["records"] or 0 for each in rounds)
    return sum(each["log_octets"] for each in rounds) / records if records else None


def examples(written: Mapping[str, Any]) -> Iterator[str]:
    """What these come to, in a line each."""
    request, connection = (
        find(written, ("scenarios", COSTS[name][0], "cpu_ms", OURS, "median"))
        for name in ("request_ms", "connection_ms")
    )
    if request and connection:
        of_ten = (9 * request + connection) / 10
        yield (
            f"- A core kept to {BUSY:.0%} carries {1000 * BUSY / of_ten:,.0f} inspected requests a"
            " second, of which one in ten opens a connection."
        )
    record = octets_a_record(written)
    if record:
        yield f"- A million requests leave {record / 1e3:,.2f} GB in the access log."
    each = find(written, ("studies", "idle", "both_sides", "kb_each"))
    if each:
        yield f"- A thousand open connections, and theirs to servers, take {each:,.0f} MB."
