"""`watchhouse test`: does the policy decide what its cases want.

In: the configuration, `policy_tests.yaml` beside it or other files of cases, the category index.
Out: exit code 0, or 1 with every case that is not met: what was wanted, what was got, and why.
Must never: contact anything, write anything but the report that was asked for, or call a case that
could not be run a success.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from proxy_addons.cli.common import add_common, config_dir_of, settings_of
from proxy_addons.cli.tested import Outcome, cases_of, coverage, tested
from proxy_addons.settings.cases_file import CASES_FILE, Case
from proxy_addons.settings.problems import Report

if TYPE_CHECKING:
    import argparse

    from proxy_addons.categorisation import CategoryIndex
    from proxy_addons.cli.tested import Coverage
    from proxy_addons.settings.model import Settings


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "test",
        help="check that the policy decides what its cases want",
        description="Run the cases of policy_tests.yaml against the policy. Exit code 0: all are"
        " met; 1: one is not, or could not be run. Nothing is contacted.",
    )
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="*",
        type=Path,
        help=f"files of cases (default: {CASES_FILE} in the configuration folder)",
    )
    parser.add_argument(
        "--only", metavar="TEXT", help="only cases that hold this text, in any case of letters"
    )
    parser.add_argument(
        "--no-lists",
        action="store_true",
        help="leave out cases that need the category lists (those with url and no categories)",
    )
    parser.add_argument(
        "--uncovered", action="store_true", help="exit code 1 also when no case decides a rule"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--junit", metavar="PATH", type=Path, help="also write a report in JUnit's XML to this file"
    )
    add_common(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from proxy_addons.cli.tested_shown import as_json, junit, show

    settings = settings_of(args)
    cases = _cases(args, settings)
    needs_lists = any(case.categories is None for case in cases)
    index = _index(settings) if needs_lists else None
    outcomes = list(tested(cases, lambda at: settings_of(args, today=at.date()), index))
    found = coverage(settings.policy, outcomes)
    if args.json:
        print(json.dumps(as_json(outcomes, found), indent=2, ensure_ascii=False))
    else:
        show(outcomes, found)
    if args.junit is not None:
        args.junit.write_bytes(junit(outcomes))
    return _code(args, outcomes, found)


def _cases(args: argparse.Namespace, settings: Settings) -> list[Case]:
    """The cases that were asked for; a file with anything wrong is refused as a whole."""
    report = Report()
    files = args.files or [config_dir_of(args) / CASES_FILE]
    cases = [case for file in files for case in cases_of(file, settings.policy, report)]
    report.raise_if_any()
    if args.only:
        text = args.only.casefold()
        cases = [case for case in cases if text in case.title.casefold()]
    if args.no_lists:
        cases = [case for case in cases if case.categories is not None]
    return cases


def _index(settings: Settings) -> CategoryIndex | None:
    from proxy_addons.categorisation import CategoryIndex, CategoryIndexError

    try:
        return CategoryIndex.open(settings.paths.index_file)
    except CategoryIndexError:
        return None  # the cases that need it say so, and count as not met


def _code(args: argparse.Namespace, outcomes: list[Outcome], found: Coverage) -> int:
    if not outcomes:
        return 1  # nothing was tested: a misspelt --only must not look like a success
    if args.uncovered and found.uncovered:
        return 1
    return 0 if all(each.met for each in outcomes) else 1
