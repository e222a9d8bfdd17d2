"""How cost grows: with rules, with people, with the size of the lists.

In: configurations and lists of several sizes. Out: for each size the CPU of a decision, alone and
with its record, the time to load the settings, and memory.
Must never: let one thing grow while another does: what is not measured stays as `BASE` says.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, override

from benchlib import gateconfig, lists
from benchlib.decisions import SITES, run_deciding, write_questions
from benchlib.study import Bench, Figures, Study, spread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RULES = (10, 100, 1_000, 5_000)
PEOPLE = (100, 1_000, 10_000, 50_000)
NAMES = (100_000, 500_000, 1_000_000, 5_000_000)
QUICK_NAMES = (50_000, 100_000, 200_000)
QUESTIONS, QUICK_QUESTIONS = 40_000, 10_000
MOST_ROUNDS, QUICK_ROUNDS = 3, 1
WHAT = {"rules": "rules", "people": "people", "names": "names in the lists"}
MEASURED = ("decision_us", "repeated_us", "recorded_us", "load_seconds", "settings_mb")


class Growth(Study):
    """Each size in a fresh process, in turn, in rounds."""

    name = "growth"
    title = "how cost grows with rules, people and lists"

    @override
    def measure(self, bench: Bench) -> Figures:
        names = QUICK_NAMES if bench.quick else (*NAMES[:-1], max(NAMES[-2] + 1, bench.names))
        base = {"rules": 25, "people": 1_000, "names": names[0] if bench.quick else names[1]}
        points = {
            what: [base | {what: size} for size in sizes]
            for what, sizes in (("rules", RULES), ("people", PEOPLE), ("names", names))
        }
        folder = bench.place.subfolder("growth")
        distinct = list({_key(p): p for p in itertools.chain(*points.values())}.values())
        prepared = {_key(point): _Point(bench, folder, point) for point in distinct}
        for number in range(min(bench.rounds, QUICK_ROUNDS if bench.quick else MOST_ROUNDS)):
            for point in prepared.values():
                bench.doing(f"{self.name}: round {number + 1}, {point.sizes}")
                point.run(bench)
        return {
            "base": base,
            "questions": prepared[_key(distinct[0])].questions,
            "by": {
                what: {str(size[what]): prepared[_key(size)].figures() for size in sizes}
                for what, sizes in points.items()
            },
        }

    @override
    def lines(self, figures: Figures) -> Iterator[str]:
        base = figures["base"]
        yield (
            f"Growth (growth); what does not grow: {base['rules']} rules,"
            f" {base['people']:,} people, {base['names']:,} names"
        )
        for what, rows in figures["by"].items():
            for size, row in rows.items():
                yield (
                    f"  {int(size):>9,} {WHAT[what]}: decision {row['decision_us']['median']:.1f}"
                    f" CPU µs (host new), {row['repeated_us']['median']:.1f} (Zipf), with record"
                    f" {row['recorded_us']['median']:.1f}; settings load in"
                    f" {row['load_seconds']['median']:.2f} s and take"
                    f" {row['settings_mb']['median']:.1f} MB; index {row['index_mb']:.1f} MB"
                )


class _Point:
    """One size of each."""

    def __init__(self, bench: Bench, folder: Path, sizes: dict[str, int]) -> None:
        self.sizes, self._index = sizes, lists.made_up(bench.place, sizes["names"])
        here = folder / _key(sizes)
        rules = gateconfig.rules_of(sizes["rules"])
        everyone = [(gateconfig.address(n), "standard") for n in range(sizes["people"])]
        self._config = gateconfig.write(here, rules, everyone)
        self.questions = QUICK_QUESTIONS if bench.quick else QUESTIONS
        hosts = self._index.asked.read_text(encoding="utf-8").split()[: self.questions]
        asked = {"distinct": hosts, "zipf": lists.zipf(hosts[:SITES], self.questions)}
        self._files = [
            write_questions(here / mix, found, sizes["people"]) for mix, found in asked.items()
        ]
        self._rows: list[dict[str, float]] = []

    def run(self, bench: Bench) -> None:
        """Measure once."""
        found = run_deciding(bench, self._config, self._index.index, self._files)
        distinct, repeated = found["files"]["distinct"], found["files"]["zipf"]
        self._rows.append(
            {
                "decision_us": distinct["decision_us"],
                "repeated_us": repeated["decision_us"],
                "recorded_us": distinct["recorded_us"],
                "load_seconds": found["load_seconds"],
                "settings_mb": found["settings_mb"],
            }
        )

    def figures(self) -> dict[str, Any]:
        """All rounds together."""
        found: dict[str, Any] = {key: spread([r[key] for r in self._rows]) for key in MEASURED}
        return found | {"index_mb": self._index.size / 1e6}


def _key(sizes: dict[str, int]) -> str:
    return "-".join(str(number) for number in sizes.values())
