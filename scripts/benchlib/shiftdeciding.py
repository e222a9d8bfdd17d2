"""What decisions cost with a worker's view of the duty day, and without, during a shift change.

In: the running simulation, slice by slice. Out: what a decision takes, on two clocks, with the view
of one of the workers and without any; the same of a request with its record, and of a connection's
beginning; how much more it is with.
Must never: compare different requests, or take the noise for a difference: the gate without a view
is there twice, and the second is measured as if it had one.

As in a worker, everybody connected is looked at once a second, and when the view says that
something has come (`Worker.reconsider`); what that takes is told apart.

A round is a minute of the simulation. What the views' own looking and writing costs is not in here,
but in the simulation's figure; what it does to the view is: breaks, recalls and minutes come while
decisions are made.
"""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections import defaultdict
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any, Self

from benchlib import gateconfig, lists
from benchlib.load import BadAnswerError
from benchlib.study import spread

if TYPE_CHECKING:
    from pathlib import Path

    from benchlib.shifting import ShiftChange
    from proxy_addons.accesslog import AccessLog, Transaction
    from proxy_addons.gate.facts import RequestFacts
    from proxy_addons.gate.gate import Gate
    from proxy_addons.gate.today import Today

NAMES = 200_000
HOSTS = 4_000
PAGES, PARTS = 30, 10  # of a slice: somebody opens a page, and their browser gets its parts
REQUESTS = PAGES * PARTS
IN_A_MINUTE = 100  # people who open these pages: some six each, as in the simulation
OWN_USE = 0.4  # of the pages, personal ones
OWN_HOSTS = 200
WARM_UP = 20  # slices
PERSONAL, SOCIAL = ("category-00", "category-01"), "category-01"
WITHOUT, AGAIN, WITH = "without", "again", "with"
DECISION, LATENCY, REQUEST, CONNECTION = "decision", "latency", "request", "connection"
MEASURES = (DECISION, LATENCY, REQUEST, CONNECTION)
SECOND = 1.0  # between two looks at what is open (engine/worker.py)


class Deciding:
    """Gates that are asked the same in turn. Made by `begin`."""

    def __init__(
        self, change: ShiftChange, sides: dict[str, _Side], log: AccessLog, listed: Path
    ) -> None:
        self._change = change
        self._sides = sides
        self._log = log
        self._hosts = lists.hosts_of(listed, HOSTS)
        self._own = [
            host
            for name in PERSONAL
            for host in (listed / name / "domains").read_text().split()[:OWN_HOSTS]
        ]
        self._minute, self._there = -1, [0]
        self._chance = random.Random(8)  # noqa: S311 (not for secrets: it must repeat itself)
        self._has_come = False

    @classmethod
    async def begin(cls, change: ShiftChange, folder: Path) -> Self:
        """Everybody has a connection, to each gate, and everything has been done a few times."""
        from proxy_addons.accesslog import AccessLog
        from proxy_addons.categorisation import CategoryIndex
        from proxy_addons.engine.tuning import tune
        from proxy_addons.gate.gate import Gate, basis_of
        from proxy_addons.gate.people import NOTHING_STANDING
        from proxy_addons.settings.load import load

        tune()  # as a worker does
        lists.write_made_up(folder / "lists", NAMES)
        made = lists.compiled(folder / "lists", folder / "shifts.index", folder / "asked")
        settings = load(_config(folder / "config", people_of(change)), environ={})
        index = CategoryIndex.open(made.index)
        log = AccessLog(folder / "log", 1)
        log.start()
        sides: dict[str, _Side] = {}
        for name in (WITHOUT, AGAIN, WITH):
            # A basis of its own: nothing that it remembers was learnt by another.
            gate = Gate(
                basis_of(settings, index), log, clock=change.seconds, standing=NOTHING_STANDING
            )
            gate.people.today = change.views[0] if name == WITH else _nothing()
            sides[name] = _Side(gate, people_of(change))
        deciding = cls(change, sides, log, folder / "lists")
        change.views[0].on_change = deciding.has_come
        for _ in range(WARM_UP):
            await deciding.once(counts=False)
        gc.collect()
        gc.freeze()  # what stays is not looked through before each slice
        return deciding

    def has_come(self) -> None:
        """The view says that something has come."""
        self._has_come = True

    def reconsider(self) -> None:
        """Look at who is connected, each half second in which a worker does."""
        all_of_them = self._change.now % SECOND == 0
        for name, side in self._sides.items():
            if all_of_them or (name == WITH and self._has_come):
                side.reconsider()
        self._has_come = False

    async def once(self, *, counts: bool = True) -> None:
        """One slice: the same requests to each gate, another beginning each time."""
        minute = int(self._change.now // 60)
        if minute != self._minute:
            people = range(people_of(self._change))
            self._minute, self._there = minute, self._chance.sample(people, IN_A_MINUTE)
        pages = [(self._chance.choice(self._there), self._page()) for _ in range(PAGES)]
        sides = list(self._sides.values())
        gc.collect()
        gc.disable()
        for page in pages:
            # In turn, page by page, in any order: a machine that is shared is faster now and slower
            # then, by more than what is looked for. Who begins pays for what nobody has looked at
            # yet, and who goes on finds some of it at hand.
            self._chance.shuffle(sides)
            for side in sides:
                side.decide(*page)
        gc.enable()
        for side in sides:
            gc.collect()
            side.finish(pages, minute if counts else None)
            await asyncio.to_thread(self._written)

    def _written(self) -> None:
        """Wait until nobody's records would be written in another's time."""
        while self._log.pending:
            time.sleep(0.001)

    def _page(self) -> list[RequestFacts]:
        """The page itself and its parts: of its own host, and of some that are everywhere."""
        chance = self._chance
        host = chance.choice(self._own) if chance.random() < OWN_USE else self._any_host()
        return [_facts(self._any_host() if n % 2 else host, n) for n in range(PARTS)]

    def _any_host(self) -> str:
        return self._hosts[int(len(self._hosts) * self._chance.random() ** 3)]

    def end(self) -> dict[str, Any]:
        """The figures.

        Raises:
            BadAnswerError: the people who decide have no day.
        """
        self._log.close()
        states = self._sides[WITH].states()
        if not states >= {"on-duty", "off-duty", "on-break"}:
            msg = f"the people who decide have no day: {sorted(states)}"
            raise BadAnswerError(msg)
        found: dict[str, Any] = {name: side.figures() for name, side in self._sides.items()}
        base = self._sides[WITHOUT]
        for name in (AGAIN, WITH):
            side = self._sides[name]
            found[name]["more_percent"] = {
                what: spread(side.more_than(base, what)) for what in MEASURES
            }
            found[name]["p99_more_percent"] = 100 * (found[name]["p99_us"] / base.p99() - 1)
        return found | {"decided": sum(map(len, base.took[LATENCY].values())) * REQUESTS}


class _Side:
    """A gate, and what it took.

    Attributes:
        gate: the gate.
        took: µs of one, by what and minute, a figure for each slice.
    """

    def __init__(self, gate: Gate, people: int) -> None:
        self.gate = gate
        self.took: dict[str, dict[int, list[float]]] = {
            name: defaultdict(list) for name in MEASURES
        }
        self._latencies: list[float] = []
        # Of the slice in hand.
        self._cpu = 0.0
        self._elapsed: list[float] = []
        self._transactions: list[Transaction | None] = []
        self._reconsidered = 0.0
        self._visitors = [  # each client has one connection, and keeps it
            gate.connected(gateconfig.address(number), 40000) for number in range(people)
        ]

    def states(self) -> set[str]:
        """What stands for any of those who have asked."""
        return {state for each in self._visitors for state in each.person.states}

    def reconsider(self) -> None:
        """Look at everybody who is connected."""
        begins, reconsider = time.process_time(), self.gate.reconsider
        for visitor in self._visitors:
            reconsider(visitor)
        self._reconsidered += time.process_time() - begins

    def decide(self, person: int, page: list[RequestFacts]) -> None:
        """The facts of a page's requests in, verdicts out.

        Args:
            person: who opens it.
            page: its requests.
        """
        visitor, took = self._visitors[person], []
        request, keep, note = self.gate.request, self._transactions.append, took.append
        cpu, wall = time.thread_time, time.perf_counter
        begins = cpu()
        for facts in page:
            began = wall()
            verdict = request(visitor, facts)
            note(wall() - began)
            keep(verdict.transaction)
        self._cpu += cpu() - begins
        self._elapsed += took

    def finish(self, pages: list[tuple[int, list[RequestFacts]]], minute: int | None) -> None:
        """The slice is decided: its records are finished, the same people connect once more.

        Args:
            pages: of the slice.
            minute: for which it counts; None: for none.
        """
        cpu, asked = time.thread_time, len(self._transactions)
        begins = cpu()
        for transaction in self._transactions:
            assert transaction is not None
            transaction.finish(status=200, bytes_up=300, bytes_down=1024)
        finished = cpu()
        fresh = [self.gate.connected(gateconfig.address(number), 40001) for number, _ in pages]
        connected = cpu()
        for visitor in fresh:
            self.gate.disconnected(visitor)
        if minute is not None:
            took = {
                DECISION: self._cpu / asked,
                LATENCY: sum(self._elapsed) / asked,
                REQUEST: (self._cpu + finished - begins) / asked,
                CONNECTION: (connected - finished) / len(pages),
            }
            for what, seconds in took.items():
                self.took[what][minute].append(1e6 * seconds)
            self._latencies += self._elapsed
        self._cpu, self._elapsed = 0.0, []
        self._transactions = []

    def more_than(self, base: _Side, what: str) -> list[float]:
        """Percent that one took more than the other's, in each round.

        Of the ratios of the same slice: what else the machine does falls on both.
        """
        return [
            100 * (median(a / b for a, b in zip(slices, base.took[what][minute], strict=True)) - 1)
            for minute, slices in self.took[what].items()
        ]

    def of(self, what: str) -> list[float]:
        """µs of one in each round."""
        return [median(slices) for slices in self.took[what].values()]

    def p99(self) -> float:
        """µs that one decision of a hundred takes or more."""
        return 1e6 * quantiles(self._latencies, n=100)[98]

    def figures(self) -> dict[str, Any]:
        """Of all rounds."""
        found: dict[str, Any] = {f"{what}_us": spread(self.of(what)) for what in MEASURES}
        return found | {
            "p50_us": 1e6 * median(self._latencies),
            "p99_us": self.p99(),
            "reconsidering_seconds": self._reconsidered,
        }


def _nothing() -> Today:
    """As a gate has it without a view, of a class of its own.

    CPython makes code fast for the class that it meets most often, and slower for others that come
    the same way. A worker has one view only: here all sides must be strangers to each other.
    """
    from proxy_addons.gate.today import NOTHING_TODAY

    plain = type(NOTHING_TODAY)
    latest = type(plain.latest)
    return type("Nothing", (plain,), {"latest": type("Never", (latest,), {})()})()


def people_of(change: ShiftChange) -> int:
    """How many people use the worker that is measured."""
    return change.people // 4


def _facts(host: str, part: int) -> RequestFacts:
    """The page itself, or one of its parts."""
    from proxy_addons.gate.facts import RequestFacts

    opened = part == 0
    return RequestFacts(
        "GET",
        host,
        host,
        1,
        f"/{part}/page.html",
        "text/html" if opened else "*/*",
        fetch_dest="document" if opened else "image",
        fetch_mode="navigate" if opened else "no-cors",
        fetch_user="?1" if opened else "",
    )


def _config(folder: Path, people: int) -> Path:
    """A policy that asks for a person's states as the default one does, but refuses nobody.

    A refusal with its page costs as much as many decisions: the same requests have to pass with a
    view and without, or the pages are what is measured.
    """
    personal, no_rota = {"categories": list(PERSONAL)}, {"state": "no-rota"}
    rules = [
        gateconfig.rule("social-used", "allow", {"categories": SOCIAL, "state": "social-used"}),
        gateconfig.rule("used", "allow", {**personal, "state": "allowance-used"}),
        gateconfig.rule("on-break", "allow", {**personal, "state": "on-break"}),
        gateconfig.rule("off-duty", "allow", {**personal, "state": "off-duty"}),
        gateconfig.rule("nights", "allow", {**personal, **no_rota, "time": {"within": "nights"}}),
        gateconfig.rule("no-rota", "allow", {**personal, **no_rota}),
        gateconfig.rule("personal", "allow", personal),
        gateconfig.rule("everything-else", "allow"),
    ]
    standard = [(gateconfig.address(number), "standard") for number in range(people)]
    personal_use = {"categories": list(PERSONAL), "social": [SOCIAL]}
    return gateconfig.write(folder, rules, standard, personal_use=personal_use)
