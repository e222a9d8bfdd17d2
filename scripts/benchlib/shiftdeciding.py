"""What decisions cost with a worker's view of the duty day, and without, during a shift change.

In: the running simulation. Out: CPU of a request from its facts to its finished record, with the
view of one of the workers and without any; how long each took; how much more it is.
Must never: compare different requests, or take the noise for a difference: the gate without a view
is measured twice, as if the second had one.

The views go on looking, writing and being counted for between two slices; what that costs is in the
simulation's own figure.
"""

from __future__ import annotations

import gc
import random
import time
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from benchlib import gateconfig, lists
from benchlib.load import BadAnswerError
from benchlib.study import spread

if TYPE_CHECKING:
    from pathlib import Path

    from benchlib.shifting import ShiftChange
    from proxy_addons.gate.facts import RequestFacts, Visitor
    from proxy_addons.gate.gate import Gate

NAMES = 200_000
HOSTS = 4_000
PAGES, PARTS = 50, 10  # of a slice: somebody opens a page, and their browser gets its parts
REQUESTS = PAGES * PARTS
TICKS = 3  # half seconds between two slices: a quarter of a force asks so much in that time
WARM_UP = 10  # slices
PERSONAL, SOCIAL = ("category-00", "category-01"), "category-01"
WITHOUT, AGAIN, WITH = "without", "again", "with"


async def compare(change: ShiftChange, folder: Path, slices: int) -> dict[str, Any]:
    """Decide, slice by slice, with one gate after another."""
    from proxy_addons.accesslog import AccessLog  # noqa: PLC0415 (may not be there)
    from proxy_addons.categorisation import CategoryIndex  # noqa: PLC0415
    from proxy_addons.engine.tuning import tune  # noqa: PLC0415
    from proxy_addons.gate.gate import Gate, basis_of  # noqa: PLC0415
    from proxy_addons.gate.people import NOTHING_STANDING  # noqa: PLC0415
    from proxy_addons.settings.load import load  # noqa: PLC0415

    tune()  # as a worker does
    lists.write_made_up(folder / "lists", NAMES)
    made = lists.compiled(folder / "lists", folder / "shifts.index", folder / "asked")
    people = change.people // 4  # those of one worker
    config = _config(folder / "config", people)
    settings = load(config, environ={})
    index = CategoryIndex.open(made.index)
    log = AccessLog(folder / "log", 1)
    log.start()
    try:
        sides: dict[str, _Side] = {}
        for name in (WITHOUT, AGAIN, WITH):
            # A basis of its own: nothing that it remembers was learnt by another.
            gate = Gate(
                basis_of(settings, index),
                log,
                clock=lambda: change.wall().timestamp(),
                standing=NOTHING_STANDING,
            )
            if name == WITH:
                gate.people.today = change.views[0]
            sides[name] = _Side(gate)
        await _decide(change, sides, folder / "lists", people, slices)
    finally:
        log.close()
    states = sides[WITH].states()
    if not states >= {"on-duty", "off-duty", "on-break"}:
        raise BadAnswerError(f"the people who decide have no day: {sorted(states)}")
    return _figures(sides, slices)


async def _decide(
    change: ShiftChange, sides: dict[str, _Side], listed: Path, people: int, slices: int
) -> None:
    chance = random.Random(8)  # noqa: S311 (not for secrets: it must repeat itself)
    hosts = lists.hosts_of(listed, HOSTS)
    names = list(sides)
    for number in range(WARM_UP + slices):
        asked = [
            (client, _facts(host, part))
            for client in (gateconfig.address(chance.randrange(people)) for _ in range(PAGES))
            for part, host in enumerate(_drawn(chance, hosts))
        ]
        first = number % len(names)
        gc.collect()
        for name in (*names[first:], *names[:first]):
            sides[name].decide(asked, counts=number >= WARM_UP)
        for _ in range(TICKS):
            await change.half_a_second()


def _drawn(chance: random.Random, hosts: list[str]) -> list[str]:
    """Where the parts of a page are from: some hosts again and again."""
    return [hosts[int(len(hosts) * chance.random() ** 3)] for _ in range(PARTS)]


class _Side:
    """A gate, and what it took."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.cpu_us: list[float] = []
        self.latencies: list[float] = []
        self._visitors: dict[str, Visitor] = {}  # each client has one connection, and keeps it

    def states(self) -> set[str]:
        """What stands for any of those who have asked."""
        return {state for each in self._visitors.values() for state in each.person.states}

    def decide(self, asked: list[tuple[str, RequestFacts]], *, counts: bool) -> None:
        """The facts of requests in, verdicts and finished records out."""
        gate, visitors, took = self.gate, self._visitors, []
        start = time.thread_time()
        for client, facts in asked:
            began = time.perf_counter()
            visitor = visitors.get(client)
            if visitor is None:
                visitor = visitors[client] = gate.connected(client, 40000)
            transaction = gate.request(visitor, facts).transaction
            took.append(time.perf_counter() - began)
            assert transaction is not None
            transaction.finish(status=200, bytes_up=300, bytes_down=1024)
        spent = time.thread_time() - start
        if counts:
            self.cpu_us.append(1e6 * spent / len(asked))
            self.latencies += took


def _facts(host: str, part: int) -> RequestFacts:
    """The page itself, or one of its parts."""
    from proxy_addons.gate.facts import RequestFacts  # noqa: PLC0415

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
    personal = {"categories": list(PERSONAL)}
    rules = [
        gateconfig.rule("social-used", "allow", {"categories": SOCIAL, "state": "social-used"}),
        gateconfig.rule("used", "allow", {**personal, "state": "allowance-used"}),
        gateconfig.rule("on-break", "allow", {**personal, "state": "on-break"}),
        gateconfig.rule("off-duty", "allow", {**personal, "state": "off-duty"}),
        gateconfig.rule("no-rota", "allow", {**personal, "state": "no-rota"}),
        gateconfig.rule("personal", "allow", personal),
        gateconfig.rule("everything-else", "allow"),
    ]
    standard = [(gateconfig.address(number), "standard") for number in range(people)]
    personal_use = {"categories": list(PERSONAL), "social": [SOCIAL]}
    return gateconfig.write(folder, rules, standard, personal_use=personal_use)


def _figures(sides: dict[str, _Side], slices: int) -> dict[str, Any]:
    found: dict[str, Any] = {"decided": slices * REQUESTS}
    for name, side in sides.items():
        cuts = quantiles(side.latencies, n=100)
        found[name] = {
            "cpu_us": spread(side.cpu_us),
            "p50_us": 1e6 * median(side.latencies),
            "p99_us": 1e6 * cuts[98],
        }
    base = sides[WITHOUT]
    for name in (AGAIN, WITH):
        # Slice by slice: what else the machine does falls on all of them.
        ratios = [a / b for a, b in zip(sides[name].cpu_us, base.cpu_us, strict=True)]
        found[name]["more_percent"] = _more(median(ratios), 1)
        found[name]["p50_more_percent"] = 100 * (
            found[name]["p50_us"] / found[WITHOUT]["p50_us"] - 1
        )
    return found


def _more(figure: float, base: float) -> float:
    return 100 * (figure / base - 1)
