"""Decisions against squidGuard's: the same lists, the same policy, the same questions.

In: lists (an archive, or made up). Out: CPU per decision of both, for distinct hosts and for a mix
in which people come back to the same sites (Zipf), and in how many questions both agree.
Must never: print a ratio when the two did not decide alike.
"""

from __future__ import annotations

import json
import random
import subprocess
from typing import TYPE_CHECKING, Any, override

from benchlib import gateconfig, lists
from benchlib.load import BadAnswerError
from benchlib.squidguard import Listed, SquidGuard
from benchlib.study import Bench, Figures, Study, shown, spread, spread_of_ratios

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUESTIONS, QUICK_QUESTIONS = 100_000, 20_000
# Of how many sites the mix is.
SITES = 10_000
MADE_UP_NAMES = 400_000
LISTS = 12
ALLOWED = frozenset({"bank", "press", "category-03", "category-07"})
TIMED_EVERY = 3
NETWORK = "10.0.0.0/8"
PEOPLE = 2_000
# Both know the same names; where they read a malformed entry differently is no question of cost.
LEAST_AGREEMENT = 0.999
MIXES = ("distinct", "zipf")


class Decisions(Study):
    """A URL, a person and a time in, a decision out."""

    name = "decisions"
    title = "decisions, against squidGuard"

    @override
    def measure(self, bench: Bench) -> Figures:
        folder = bench.place.subfolder("decisions")
        chosen, source = take_lists(bench, folder / "lists")
        policy = take_policy(chosen)
        files = questions(bench, folder)
        ours = _Ours(folder, policy)
        (folder / "squidguard").mkdir()
        guard = SquidGuard(folder / "squidguard", folder / "lists", policy, NETWORK)
        figures: Figures = {"lists": source, "categories": chosen, "squidguard": guard.version()}
        figures["entries"] = ours.entries
        rows: dict[str, dict[str, list[float]]] = {mix: {} for mix in MIXES}
        for number in range(bench.rounds):
            bench.doing(f"{self.name}: round {number + 1}")
            measured = ours.run(bench, list(files.values()))
            for mix, file in files.items():
                answers = folder / f"{mix}.answers"
                user, system = guard.decide(file, answers)
                count = measured["files"][file.name]["lines"]
                row = {
                    "squidguard_us": 1e6 * (user + system) / count,
                    "squidguard_user_us": 1e6 * user / count,
                    "decision_us": measured["files"][file.name]["decision_us"],
                    "recorded_us": measured["files"][file.name]["recorded_us"],
                    "refused_us": measured["files"][file.name]["refused_us"],
                }
                for key, value in row.items():
                    rows[mix].setdefault(key, []).append(value)
                figures[mix] = _agreement(guard, file, answers, mix) | {"questions": count}
                figures["octets_a_record"] = measured["files"][file.name]["octets_a_record"]
        for mix, row in rows.items():
            figures[mix] |= {key: spread(values) for key, values in row.items()}
            for key in ("decision_us", "recorded_us"):
                name = key.replace("_us", "_times")
                figures[mix][name] = spread_of_ratios(row["squidguard_us"], row[key])
        return figures

    @override
    def lines(self, figures: Figures) -> Iterator[str]:
        yield (
            f"Decisions, {figures['lists']}: {len(figures['categories'])} categories,"
            f" {figures['entries']:,} names; {figures['squidguard']} (decisions)"
        )
        for mix in MIXES:
            row = figures[mix]
            yield (
                f"  {mix}, {row['questions']:,} questions, {row['blocked']:.0%} blocked, both agree"
                f" in {row['agree']:.3%}: squidGuard {shown(row['squidguard_us'], 1)} CPU µs"
                f" ({row['squidguard_user_us']['median']:.1f} of them in user mode),"
                f" ours {shown(row['decision_us'], 1)}; with its record"
                f" {shown(row['recorded_us'], 1)}, a refusal with its page too"
                f" {shown(row['refused_us'], 1)}"
            )
            yield (
                f"    times as many per CPU second as squidGuard: {shown(row['decision_times'])},"
                f" with the record {shown(row['recorded_times'])}"
            )


class _Ours:
    """Our gate on the same lists and policy."""

    def __init__(self, folder: Path, policy: list[Listed]) -> None:
        made = lists.compiled(folder / "lists", folder / "decisions.index", folder / "asked")
        self._folder, self.entries, self._index = folder, made.entries, made.index
        rules = []
        for each in policy:
            when: dict[str, Any] = {"categories": each.name}
            if each.timed:
                when["time"] = {"within": "always"}
            rules.append(gateconfig.rule(each.name, "block" if each.blocked else "allow", when))
        rules.append(gateconfig.rule("everything-else", "allow"))
        people = [(gateconfig.address(n), "standard") for n in range(PEOPLE)]
        self._config = gateconfig.write(folder / "config", rules, people)

    def run(self, bench: Bench, files: list[Path]) -> dict[str, Any]:
        """Decide all files in a fresh process."""
        return run_deciding(bench, self._config, self._index, files)


def run_deciding(bench: Bench, config: Path, index: Path, files: list[Path]) -> dict[str, Any]:
    """Decide files of questions in a fresh process (deciding.py).

    Raises:
        BadAnswerError: it failed, or left fewer records than questions.
    """
    command = [bench.place.python, "-m", "benchlib.deciding", str(config), str(index)]
    command += [str(config / "log"), *map(str, files)]
    with bench.place.on(bench.place.proxy_cores):
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    if ran.returncode:
        raise BadAnswerError(f"deciding: {ran.stderr[-1500:]}")
    found: dict[str, Any] = json.loads(ran.stdout)
    for name, row in found["files"].items():
        if row["records"] < row["recorded"]:
            raise BadAnswerError(f"{name}: {row['records']} records of {row['recorded']} questions")
    return found


def write_questions(file: Path, hosts: list[str], people: int) -> Path:
    """A file of questions as squidGuard reads them."""
    chance = random.Random(6)  # noqa: S311 (it must repeat itself)
    with file.open("w", encoding="utf-8") as written:
        for host in hosts:
            path = f"/{chance.randrange(1000)}/page.html"
            client = gateconfig.address(chance.randrange(people))
            written.write(f"http://{host}{path} {client}/- - GET\n")
    return file


def take_policy(chosen: list[str]) -> list[Listed]:
    """The order of allowing and blocking, and what of it is timed."""
    return [
        Listed(name, name not in ALLOWED, place % TIMED_EVERY == 0)
        for place, name in enumerate(chosen)
    ]


def take_lists(bench: Bench, folder: Path) -> tuple[list[str], str]:
    """The categories, the largest first, and where they are from."""
    if bench.lists:
        return lists.unpack(bench.lists, folder, LISTS), bench.lists.name
    lists.write_made_up(folder, MADE_UP_NAMES)
    chosen = sorted(folder.iterdir())[:LISTS]
    for path in set(folder.iterdir()) - set(chosen):
        (path / "domains").unlink()
        path.rmdir()
    return [path.name for path in chosen], "made-up names"


def questions(bench: Bench, folder: Path, whole: int = QUESTIONS) -> dict[str, Path]:
    """A file of lines for each mix.

    Args:
        bench: whether it is a quick one.
        folder: with `lists`; the files come beside.
        whole: lines of each, where it is not.
    """
    number = QUICK_QUESTIONS if bench.quick else whole
    hosts = lists.hosts_of(folder / "lists", number)
    asked = {"distinct": hosts, "zipf": lists.zipf(hosts[:SITES], number)}
    return {mix: write_questions(folder / mix, found, PEOPLE) for mix, found in asked.items()}


def _agreement(guard: SquidGuard, file: Path, answers: Path, mix: str) -> dict[str, Any]:
    theirs = guard.blocked(answers)
    ours = [mark == ord("B") for mark in file.with_suffix(".decided").read_bytes()]
    if len(theirs) != len(ours):
        raise BadAnswerError(f"{mix}: {len(theirs)} answers of squidGuard, {len(ours)} of ours")
    same = sum(a == b for a, b in zip(theirs, ours, strict=True)) / len(ours)
    asked = file.read_text(encoding="utf-8").splitlines()
    differ = [
        f"{question.split()[0]} ({'squidGuard' if a else 'ours'} blocks)"
        for question, a, b in zip(asked, theirs, ours, strict=True)
        if a != b
    ]
    if same < LEAST_AGREEMENT:
        raise BadAnswerError(f"{mix}: only {same:.2%} decided alike, not so: {differ[:5]}")
    return {"agree": same, "differ": differ[:5], "blocked": sum(ours) / len(ours)}
