"""`watchhouse decide` against squidGuard: the same lines on standard input, as Squid writes them.

In: lists (an archive, or made up). Out: CPU a line of both helpers, for distinct hosts and for a
mix in which people come back to the same sites; in how many lines both agree.
Must never: give ours another policy than squidGuard's: it is the translation of its configuration.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, override

from benchlib.decisions import (
    LEAST_AGREEMENT,
    MIXES,
    NETWORK,
    questions,
    take_lists,
    take_policy,
)
from benchlib.load import BadAnswerError
from benchlib.squidguard import BLOCKED_PAGE, SquidGuard
from benchlib.study import Bench, Figures, Study, shown, spread, spread_of_ratios

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Our start, which is taken off, takes as long as 250,000 lines, and varies by a tenth of that.
LINES = 300_000
_COMMAND = "import sys; from proxy_addons.cli import main; sys.exit(main())"
# Something could not be translated, and was listed.
_NOT_ALL = 3


class Decide(Study):
    """A line in, a line out, by two processes."""

    name = "decide"
    title = "watchhouse decide, against squidGuard"

    @override
    def measure(self, bench: Bench) -> Figures:
        folder = bench.place.subfolder("decide")
        chosen, source = take_lists(bench, folder / "lists")
        files = questions(bench, folder, LINES)
        (folder / "squidguard").mkdir()
        guard = SquidGuard(folder / "squidguard", folder / "lists", take_policy(chosen), NETWORK)
        ours = _Ours(bench, folder / "ours", guard.conf)
        figures: Figures = {"lists": source, "categories": chosen, "squidguard": guard.version()}
        rows: dict[str, dict[str, list[float]]] = {mix: {} for mix in MIXES}
        for number in range(bench.rounds):
            bench.doing(f"{self.name}: round {number + 1}")
            for mix, file in files.items():
                count = len(file.read_bytes().splitlines())
                theirs, mine = folder / f"{mix}.theirs", folder / f"{mix}.ours"
                user, system = guard.decide(file, theirs)
                spent = ours.decide(file, mine)
                rows[mix].setdefault("squidguard_us", []).append(1e6 * (user + system) / count)
                rows[mix].setdefault("ours_us", []).append(1e6 * spent / count)
                figures[mix] = {"questions": count, "agree": _agree(guard, theirs, mine, mix)}
        for mix, row in rows.items():
            figures[mix] |= {key: spread(values) for key, values in row.items()}
            figures[mix]["times"] = spread_of_ratios(row["squidguard_us"], row["ours_us"])
        return figures

    @override
    def lines(self, figures: Figures) -> Iterator[str]:
        yield (
            f"watchhouse decide, {figures['lists']}: {len(figures['categories'])} categories;"
            f" {figures['squidguard']} (decide)"
        )
        for mix in MIXES:
            row = figures[mix]
            yield (
                f"  {mix}, {row['questions']:,} lines, both agree in {row['agree']:.3%}: squidGuard"
                f" {shown(row['squidguard_us'], 1)} CPU µs a line, ours {shown(row['ours_us'], 1)};"
                f" lines per CPU second ÷ squidGuard's {shown(row['times'])}"
            )


class _Ours:
    """Our helper, with the translation of a squidGuard.conf."""

    def __init__(self, bench: Bench, folder: Path, conf: Path) -> None:
        self._bench, self._folder = bench, folder
        made = subprocess.run(
            [bench.place.python, "-c", _COMMAND, "import-squidguard", conf, "--to", folder],
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        if made.returncode not in {0, _NOT_ALL}:
            raise BadAnswerError(f"import-squidguard: {made.stderr[-1500:]}")

    def decide(self, lines: Path, answers: Path) -> float:
        """CPU seconds for every line of a file, its start with no line taken off."""
        nothing = lines.with_name("nothing")
        nothing.touch()
        start = self._run(nothing, answers.with_suffix(".none"))
        return self._run(lines, answers) - start

    def _run(self, lines: Path, answers: Path) -> float:
        command = [self._bench.place.python, "-c", _COMMAND, "decide"]
        command += ["--config", str(self._folder / "config"), "--redirect", BLOCKED_PAGE]
        with (
            lines.open("rb") as asked,
            answers.open("wb") as written,
            self._bench.place.on(self._bench.place.proxy_cores),
        ):
            running = subprocess.Popen(
                command, stdin=asked, stdout=written, stderr=subprocess.DEVNULL
            )
            _, status, used = os.wait4(running.pid, 0)
            running.returncode = os.waitstatus_to_exitcode(status)
        if running.returncode:
            raise BadAnswerError(f"watchhouse decide ended with {running.returncode}")
        return used.ru_utime + used.ru_stime


def _agree(guard: SquidGuard, theirs: Path, ours: Path, mix: str) -> float:
    one, other = guard.blocked(theirs), guard.blocked(ours)
    if len(one) != len(other):
        raise BadAnswerError(f"{mix}: {len(one)} answers of squidGuard, {len(other)} of ours")
    same = sum(a == b for a, b in zip(one, other, strict=True)) / len(one)
    if same < LEAST_AGREEMENT:
        raise BadAnswerError(f"{mix}: only {same:.2%} decided alike")
    return same
