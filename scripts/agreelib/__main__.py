"""The command `scripts/agree`: asks both, and prints where they differ and why.

In: command line. Out: a table; exit status 1 where a difference has no reason.
Must never: count a line twice, or leave one out.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agreelib.lines import Drawn, Line
from agreelib.reasons import NONE, Reasons
from agreelib.sides import TIMES, AgreeError, Sides, refused, unpack
from proxy_addons.categorisation import CategoryIndex
from proxy_addons.settings.load import load

if TYPE_CHECKING:
    from collections.abc import Sequence

_EXAMPLES = 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="scripts/agree", description=__doc__)
    parser.add_argument("--lists", type=Path, required=True, help="an archive of lists (.tar.gz)")
    parser.add_argument("--lines", type=int, default=300_000, help="how many (default: 300000)")
    parser.add_argument("--squid", type=int, default=0, help="requests through two real Squids")
    parser.add_argument("--seed", type=int, default=1, help="of the draw (default: 1)")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument(
        "--work", type=Path, help="a folder for all that is made (default: thrown away)"
    )
    args = parser.parse_args(argv)
    try:
        if args.work is not None:
            args.work.mkdir(parents=True)
            return _all(args, args.work)
        with tempfile.TemporaryDirectory(prefix="watchhouse-agree-") as folder:
            return _all(args, Path(folder))
    except AgreeError as problem:
        # Nothing was compared to the end: no figure is printed.
        print(f"scripts/agree: {problem}", file=sys.stderr)
        return 2


def _all(args: argparse.Namespace, folder: Path) -> int:
    folder.chmod(0o755)  # Squid's helpers run as somebody else
    unpack(args.lists, folder / "lists")
    figures = agreement(folder, args.lines, args.seed)
    _show("lines on standard input, as Squid writes them", figures)
    unexplained = figures["reasons"].get(NONE, 0)
    if args.squid:
        from agreelib.through_squid import agreement_through_squid

        figures["through_squid"] = agreement_through_squid(folder, args.squid, args.seed + 1)
        _show("requests through two real Squids", figures["through_squid"])
        unexplained += figures["through_squid"]["reasons"].get(NONE, 0)
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return 1 if unexplained else 0


def agreement(
    folder: Path, number: int, seed: int, times: Sequence[str] = TIMES, network: str = "10"
) -> dict[str, Any]:
    """Ask both about lines; as many of them at each moment.

    Args:
        folder: with `lists`.
        number: of lines.
        seed: of the draw.
        times: the moments.
        network: beginning of clients' addresses.
    """
    sides = Sides(folder, network)
    drawn = Drawn(sides.lists, seed, network).lines(number)
    figures: dict[str, Any] = {"lines": number, "refused": 0, "cpu": Counter()}
    totals = Counter(line.kind for line in drawn)
    reasons: Counter[str] = Counter()
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    examples: dict[str, list[str]] = defaultdict(list)
    index = CategoryIndex.open(sides.ours / "data" / "categories.index")
    carriers = load(sides.ours / "config", environ={}).carriers
    looks = Reasons(sides.lists, index, carriers)
    for place, at in enumerate(times):
        part = drawn[place :: len(times)]
        texts = [line.text for line in part]
        theirs, spent = sides.ask("squidGuard", texts, at)
        figures["cpu"]["squidGuard"] += spent
        ours, spent = sides.ask("ours", texts, at)
        figures["cpu"]["ours"] += spent
        figures["refused"] += sum(map(refused, ours))
        differing = [
            (line, refused(our))
            for line, their, our in zip(part, theirs, ours, strict=True)
            if refused(their) != refused(our)
        ]

        def ask(lines: list[str], at: str = at) -> list[bool]:
            return list(map(refused, sides.ask("squidGuard", lines, at)[0]))

        for (line, our_verdict), reason in zip(differing, looks.of(differing, ask), strict=True):
            reasons[reason] += 1
            kinds[reason][f"{line.kind} ({'ours' if our_verdict else 'squidGuard'} refuses)"] += 1
            if len(examples[reason]) < _EXAMPLES or reason == NONE:
                examples[reason].append(f"{at} {line.text}")
    return figures | {
        "totals": totals,
        "differ": sum(reasons.values()),
        "reasons": reasons,
        "kinds": kinds,
        "examples": examples,
        "not_translated": [
            line.strip() for line in sides.said.partition("Not translated")[2].splitlines()[1:-6]
        ],
    }


def _show(title: str, figures: dict[str, Any]) -> None:
    number, differ = figures["lines"], figures["differ"]
    print(f"\n{title}: {number:,}, of which ours refuses {figures['refused']:,}")
    if figures.get("not_asked"):
        print(f"and {figures['not_asked']:,} that Squid itself refuses, without asking either")
    print(
        f"both agree on {number - differ:,} ({(number - differ) / number:.3%}); {differ:,} differ:"
    )
    for reason, count in figures["reasons"].most_common():
        print(f"  {count:6,}  {reason}")
        for kind, times in figures["kinds"][reason].most_common():
            print(f"            {times:,} {kind}")
        for example in figures["examples"][reason]:
            print(f"            e.g. {example}")


__all__ = ["Line", "agreement", "main"]

if __name__ == "__main__":
    sys.exit(main())
