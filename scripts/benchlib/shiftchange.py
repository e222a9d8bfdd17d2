"""A force's shift change: what the store is asked, and what people's days cost decisions.

In: how many people, for how long. Out: statements for each minute of personal use, on either store;
what a decision takes with a worker's view of the duty day, against the same without.
Must never: take a simulation of fewer people for the real one (the goals say how many).
"""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, override

from support.postgres import binaries

from benchlib.load import BadAnswerError
from benchlib.study import Bench, Figures, Study, left_out, shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PEOPLE, QUICK_PEOPLE = 13_000, 1_300
MINUTES, QUICK_MINUTES = 30, 4
TITLES = (
    ("decision", "a decision, CPU µs"),
    ("latency", "a decision, elapsed µs"),
    ("request", "a request with its record, CPU µs"),
    ("connection", "a connection's beginning, CPU µs"),
)
LABELS = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


class ShiftChangeStudy(Study):
    """In simulated time, in a process of its own (shifting.py, shiftdeciding.py)."""

    name = "shift-change"
    title = "a shift change"

    @override
    def measure(self, bench: Bench) -> Figures:
        folder = bench.place.subfolder(self.name)
        size = (QUICK_PEOPLE, QUICK_MINUTES) if bench.quick else (PEOPLE, MINUTES)
        figures = self._run(bench, folder, size, "sqlite")
        if binaries() is None:
            left = "no PostgreSQL: apt-get install postgresql"
            figures["left_out"] = {"postgresql": left}
        else:
            figures["postgresql"] = self._run(bench, folder / "postgresql", size, "postgresql")
        return figures

    def _run(self, bench: Bench, folder: Path, size: tuple[int, int], store: str) -> Figures:
        people, minutes = size
        bench.doing(f"{self.name}: {people:,} people, {minutes} minutes, {LABELS[store]}")
        folder.mkdir(exist_ok=True)
        arguments = [str(folder), str(people), str(minutes), store]
        with bench.place.on(bench.place.proxy_cores):
            ran = subprocess.run(
                [bench.place.python, "-m", "benchlib.shifting", *arguments],
                capture_output=True, text=True, check=False, timeout=1800,
            )  # fmt: skip
        if ran.returncode:
            raise BadAnswerError(f"{self.name}: {ran.stderr[-1500:]}")
        figures: Figures = json.loads(ran.stdout)
        return figures

    @override
    def lines(self, figures: Figures) -> Iterator[str]:
        yield (
            f"Shift change, {figures['people']:,} people, {figures['workers']} workers,"
            f" {figures['minutes']} minutes, {figures['personal_minutes']:,} minutes of personal"
            " use (shift-change)"
        )
        for name, label in LABELS.items():
            row = figures if name == "sqlite" else figures.get(name)
            if row is not None:
                yield _store(label, row)
        for what, title in TITLES:
            without, again, having = (figures[each] for each in ("without", "again", "with"))
            yield (
                f"  {title}: {shown(without[what + '_us'], 1)} without a view of the day,"
                f" {shown(having[what + '_us'], 1)} with:"
                f" {shown(having['more_percent'][what], 1)} % more;"
                f" noise: {shown(again['more_percent'][what], 1)} %"
            )
        for which in ("p50", "p99"):
            found = ", ".join(
                f"{figures[name][which + '_us']:.1f} {said}"
                for name, said in (("without", "without"), ("again", "once more"), ("with", "with"))
            )
            yield f"  elapsed µs of a decision, {which} of all: {found}"
        seconds = 60 * figures["minutes"]
        looked = ", ".join(
            f"{100 * figures[name]['reconsidering_seconds'] / seconds:.2f} {said}"
            for name, said in (("without", "without"), ("with", "with"))
        )
        yield f"  looking at everybody who is connected, % of a core: {looked}"
        yield from left_out(figures)


def _store(label: str, row: Figures) -> str:
    sent = ", ".join(f"{number:,} for {what}" for what, number in row["statements"].items())
    return (
        f"  {label}: {row['statements_a_second']:.0f} statements a second ({sent});"
        f" {row['a_person_minute']:.2f} for each minute of personal use,"
        f" {row['a_person_and_minute']:.2f} for each person and minute;"
        f" all of it took {row['cpu_percent_a_worker']:.1f} % of a core for each worker"
    )
