"""The goals, and where in a run's figures each is found.

In: what a run has written (`--json`). Out: for each goal the figure, and whether it is met.
Must never: call a goal met that was not measured, or of which the run measured less than it asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

AT_MOST, AT_LEAST = "at most", "at least"


@dataclass(frozen=True, slots=True)
class Goal:
    """One of them.

    Attributes:
        what: what is held against what.
        scenario: where it is measured, as for `--only`.
        path: keys to the figure.
        limit: the goal.
        sense: `at most` or `at least`.
        unit: of figure and limit.
        digits: behind the point.
        asks: keys to a number, and the least it must be for the goal to be judged.
        stretch: it is more than is asked.
    """

    what: str
    scenario: str
    path: tuple[str, ...]
    limit: float
    sense: str = AT_MOST
    unit: str = ""
    digits: int = 2
    asks: tuple[tuple[str, ...], float] | None = None
    stretch: bool = False


def _ratio(what: str, scenario: str, pair: str, limit: float, *, stretch: bool = False) -> Goal:
    path = ("scenarios", scenario, "ratios", pair)
    return Goal(f"{what}, CPU", scenario, path, limit, stretch=stretch)


def _study(scenario: str, *path: str) -> tuple[str, ...]:
    return ("studies", scenario, *path)


KEPT = "inspected request, keep-alive"
TUNNEL = "new spliced tunnel and a request, ÷ `squid-peek`"
MEMORY_OF_H2 = "one HTTP/2 connection, memory a request from the 5,000th to the 50,000th"

ENOUGH_PAGES = (_study("content-pages", "requests"), 3000)
ENOUGH_DOCUMENTS = (_study("content-documents", "downloads"), 4)
ENOUGH_OCTETS = (_study("content-large", "octets"), 2e9)

GOALS: tuple[Goal, ...] = (
    _ratio(f"{KEPT}, ÷ `mitmdump`", "keep-alive", "watchhouse/mitmdump", 0.2),
    _ratio(f"{KEPT}, ÷ `e2guardian` (plain HTTP)", "keep-alive", "watchhouse/e2guardian", 0.5),
    _ratio(f"{KEPT}, ÷ `squid`", "keep-alive", "watchhouse/squid", 2, stretch=True),
    _ratio(f"{KEPT}, generic lane, ÷ `mitmdump`", "keep-alive", "watchhouse-generic/mitmdump", 0.6),
    _ratio("new inspected connection, ÷ `squid-peek`", "connect", "watchhouse/squid-peek", 1),
    _ratio("new inspected connection, ÷ `squid`", "connect", "watchhouse/squid", 1),
    _ratio(TUNNEL, "splice-connect", "watchhouse/squid-peek", 2),
    Goal(
        "bulk through a spliced tunnel, MB/s ÷ `squid-peek`",
        "splice-bulk",
        _study("splice-bulk", "speed_ratio", "watchhouse/squid-peek"),
        1,
        AT_LEAST,
    ),
    Goal(
        "decisions, distinct hosts, per CPU second ÷ squidGuard",
        "decisions",
        _study("decisions", "distinct", "decision_times"),
        5,
        AT_LEAST,
    ),
    Goal(
        "`watchhouse decide`, distinct hosts, per CPU second ÷ squidGuard",
        "decide",
        _study("decide", "distinct", "times"),
        5,
        AT_LEAST,
    ),
    Goal(
        "decisions, Zipf mix, per CPU second ÷ squidGuard",
        "decisions",
        _study("decisions", "zipf", "decision_times"),
        10,
        AT_LEAST,
    ),
    Goal(
        "two workers ÷ one, requests/s",
        "two-workers",
        _study("two-workers", "judged"),
        1.8,
        AT_LEAST,
    ),
    Goal(
        "inspected download, MB/s ÷ stock",
        "download",
        _study("download", "mb_per_s_ratio"),
        0.8,
        AT_LEAST,
        asks=(_study("download", "octets"), 2e9),
    ),
    Goal(
        "inspected download, memory beyond that before",
        "download",
        _study("download", "ours", "extra_mb"),
        40,
        unit=" MB",
        digits=1,
        asks=(_study("download", "octets"), 2e9),
    ),
    Goal(
        "idle inspected connection, memory",
        "idle",
        _study("idle", "client_alone", "kb_each"),
        60,
        unit=" kB",
        digits=0,
        asks=(_study("idle", "client_alone", "connections"), 10_000),
    ),
    Goal(
        # Flat: what 45,000 requests leave behind is no more than the noise of such a reading.
        MEMORY_OF_H2,
        "h2-requests",
        _study("h2-requests", "octets_a_request"),
        50,
        unit=" octets",
        digits=0,
        asks=(_study("h2-requests", "requests"), 50_000),
    ),
    Goal(
        "sign-in by Kerberos, what it adds to a new connection, ÷ `squid`, CPU",
        "sign-in",
        _study("sign-in", "ratio", "added", "ticket"),
        1,
        asks=(_study("sign-in", "sign_ins"), 2000),
    ),
    *(
        Goal(
            f"{what}, signed in: more than known by address, CPU",
            "signed-in",
            _study("signed-in", "more_percent", "watchhouse", key, "signed-in"),
            3,
            unit=" %",
            digits=1,
            asks=(_study("signed-in", "requests"), 4800),
        )
        for key, what in (("inspected", KEPT), ("plain", "plain HTTP request, keep-alive"))
    ),
    Goal(
        "shift change, statements to the store for each minute of personal use",
        "shift-change",
        _study("shift-change", "a_person_minute"),
        1,
        asks=(_study("shift-change", "people"), 13_000),
    ),
    *(
        Goal(
            f"shift change, a decision with a view of people's days: more than without, {clock}",
            "shift-change",
            _study("shift-change", "with", "more_percent", key),
            3,
            unit=" %",
            digits=1,
            asks=(_study("shift-change", "people"), 13_000),
        )
        for key, clock in (("decision", "CPU"), ("latency", "elapsed"))
    ),
    *(
        Goal(
            f"page of 10 kB, {case}, ÷ the same without a look at it, CPU",
            "content-pages",
            _study("content-pages", "cases", case, "cpu_ratio", "watchhouse/watchhouse-off"),
            1.1,
            asks=ENOUGH_PAGES,
        )
        for case in ("inspected", "inspected, gzip")
    ),
    *(
        Goal(
            f"{what}, with clamd, ÷ `e2guardian` with clamd (plain HTTP), CPU",
            scenario,
            _study(scenario, "cases", case, "cpu_ratio", "watchhouse-clamd/e2guardian-clamd"),
            1,
            asks=asks,
        )
        for what, scenario, case, asks in (
            ("page of 10 kB", "content-pages", "plain", ENOUGH_PAGES),
            ("page of 10 kB, gzip", "content-pages", "plain, gzip", ENOUGH_PAGES),
            ("Word document of 10 MB", "content-documents", "docx", ENOUGH_DOCUMENTS),
            ("PDF of 10 MB", "content-documents", "pdf", ENOUGH_DOCUMENTS),
        )
    ),
    Goal(
        "film of 2 GB, memory beyond that before, clamd counted",
        "content-large",
        _study("content-large", "cases", "film", "memory", "watchhouse-clamd", "extra_mb"),
        40,
        unit=" MB",
        digits=0,
        asks=ENOUGH_OCTETS,
    ),
    Goal(
        "added latency p99, 200 connections, ÷ `mitmdump`",
        "latency",
        _study("latency", "added_ratio", "watchhouse/mitmdump", "p99"),
        1.5,
    ),
    Goal(
        "category index of 5 M names, size",
        "index",
        _study("index", "megabytes"),
        60,
        unit=" MB",
        digits=0,
        asks=(_study("index", "names"), 4.9e6),
    ),
    Goal(
        "category index of 5 M names, opened and verified",
        "index",
        _study("index", "open_ms"),
        50,
        unit=" ms",
        digits=1,
        asks=(_study("index", "names"), 4.9e6),
    ),
    Goal(
        "category index of 5 M names, a look-up with its key",
        "index",
        _study("index", "keyed_us"),
        12,
        unit=" µs",
        digits=1,
        asks=(_study("index", "names"), 4.9e6),
    ),
    *(
        Goal(
            f"importing lists of 638,000 names and compiling them, {what}",
            "import",
            _study("import", "squidguard", key),
            limit,
            unit=unit,
            digits=digits,
            asks=(_study("import", "squidguard", "entries"), 600_000),
        )
        for what, key, limit, unit, digits in (
            ("time", "seconds", 15, " s", 1),
            ("memory", "peak_mb", 500, " MB", 0),
        )
    ),
    Goal(
        "sealing and compacting a day of 20 million records",
        "audit-seal",
        _study("audit-seal", "seconds"),
        600,
        unit=" s",
        digits=0,
        asks=(_study("audit-seal", "rows"), 20e6),
    ),
    Goal(
        "the same, memory",
        "audit-seal",
        _study("audit-seal", "peak_mb"),
        1500,
        unit=" MB",
        digits=0,
        asks=(_study("audit-seal", "rows"), 20e6),
    ),
    Goal(
        "one person's 30 days out of 20 million records",
        "audit-query",
        _study("audit-query", "questions", "one person, 30 days, 200 newest rows", "seconds"),
        0.15,
        unit=" s",
        asks=(_study("audit-query", "lines"), 20e6),
    ),
    Goal(
        "category by hour of 20 million records",
        "audit-query",
        _study("audit-query", "questions", "category by hour", "seconds"),
        1.5,
        unit=" s",
        asks=(_study("audit-query", "lines"), 20e6),
    ),
)


@dataclass(frozen=True, slots=True)
class Judged:
    """What a run says of a goal.

    Attributes:
        goal: the goal.
        figure: the figure as text; a dash where the run has none.
        verdict: `met`, `missed`, `not measured`, or what the run measured too little of.
    """

    goal: Goal
    figure: str
    verdict: str

    @property
    def limit(self) -> str:
        """The goal as text."""
        text = f"{self.goal.sense} {self.goal.limit:g}{self.goal.unit}"
        return f"{text} (stretch)" if self.goal.stretch else text


def judge(written: Mapping[str, Any]) -> Iterator[Judged]:
    """Every goal."""
    for goal in GOALS:
        figure = find(written, goal.path)
        if figure is None:
            yield Judged(goal, "-", "not measured")
            continue
        value = figure["median"] if isinstance(figure, dict) else figure
        text = _text(figure, goal)
        asked = find(written, goal.asks[0]) if goal.asks else None
        if goal.asks and (asked is None or asked < goal.asks[1]):
            yield Judged(goal, text, f"not judged: {asked:,.0f} of {goal.asks[1]:,.0f}")
            continue
        met = value <= goal.limit if goal.sense == AT_MOST else value >= goal.limit
        yield Judged(goal, text, "met" if met else "missed")


def find(written: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """The figure at a path; None where the run has none."""
    found: Any = written
    for key in path:
        if not isinstance(found, dict) or key not in found:
            return None
        found = found[key]
    return found


def _text(figure: Any, goal: Goal) -> str:
    if not isinstance(figure, dict):
        return f"{figure:.{goal.digits}f}{goal.unit}"
    d = goal.digits
    return f"{figure['median']:.{d}f}{goal.unit} ({figure['least']:.{d}f}-{figure['most']:.{d}f})"
