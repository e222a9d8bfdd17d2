"""A force's shift change: what the store is asked, and what people's days cost decisions.

In: how many people, for how long. Out: statements for each minute of personal use; CPU of a request
with a worker's view of the duty day, against the same without.
Must never: take a simulation of fewer people for the real one (the goals say how many).
"""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, override

from benchlib.load import BadAnswerError
from benchlib.study import Bench, Figures, Study, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

PEOPLE, QUICK_PEOPLE = 13_000, 1_300
MINUTES, QUICK_MINUTES = 30, 4
SLICES, QUICK_SLICES = 300, 60


class ShiftChangeStudy(Study):
    """In simulated time, in a process of its own (shifting.py, shiftdeciding.py)."""

    name = "shift-change"
    title = "a shift change"

    @override
    def measure(self, bench: Bench) -> Figures:
        folder = bench.place.subfolder(self.name)
        sizes = (PEOPLE, MINUTES, SLICES)
        if bench.quick:
            sizes = (QUICK_PEOPLE, QUICK_MINUTES, QUICK_SLICES)
        bench.doing(f"{self.name}: {sizes[0]:,} people, {sizes[1]} minutes")
        command = [bench.place.python, "-m", "benchlib.shifting", str(folder), *map(str, sizes)]
        with bench.place.on(bench.place.proxy_cores):
            ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800)
        if ran.returncode:
            raise BadAnswerError(f"{self.name}: {ran.stderr[-1500:]}")
        figures: Figures = json.loads(ran.stdout)
        return figures

    @override
    def lines(self, figures: Figures) -> Iterator[str]:
        sent = ", ".join(f"{number:,} for {what}" for what, number in figures["statements"].items())
        yield (
            f"Shift change, {figures['people']:,} people, {figures['workers']} workers,"
            f" {figures['minutes']} minutes, {figures['personal_minutes']:,} minutes of personal"
            " use (shift-change)"
        )
        yield (
            f"  the store, SQLite: {figures['statements_a_second']:.0f} statements a second"
            f" ({sent}); {figures['a_person_minute']:.2f} for each minute of personal use,"
            f" {figures['a_person_and_minute']:.2f} for each person and minute;"
            f" all of it took {figures['cpu_percent_a_worker']:.1f} % of a core for each worker"
        )
        for name, said in (("without", "without"), ("again", "once more"), ("with", "with")):
            row = figures[name]
            more = f", {row['more_percent']:+.1f} %" if "more_percent" in row else ""
            yield (
                f"  a request {said} a view of the day: {shown(row['cpu_us'], 1)} CPU µs{more};"
                f" its decision p50 {row['p50_us']:.1f} µs, p99 {row['p99_us']:.1f} µs"
            )
