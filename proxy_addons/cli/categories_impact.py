"""`watchhouse categories impact`: what would other lists have changed for the traffic in the log?

In: another version of a list, or an index; the access log; the policy in force.
Out: which verdicts change because which categories do: requests, people and sites, as numbers.
Must never: show who asked, or a figure of fewer than ten people (docs/adr/0047); change anything.
"""

from __future__ import annotations

import sys
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proxy_addons.cli.categories_diff import VERSION
from proxy_addons.cli.categories_shown import (
    FAILED,
    OK,
    explained,
    print_json,
    print_table,
    progress_bar,
    updater_of,
)
from proxy_addons.cli.common import add_common, settings_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from proxy_addons.accesslog.replay import Answer, Asked, Change, Traffic
    from proxy_addons.categorisation import CategoryIndex, Progress
    from proxy_addons.cli.replayed import Asker
    from proxy_addons.cli.subcommands import Commands
    from proxy_addons.settings.model import Settings

_DAYS = 7
_APART = "|"  # between a verdict and categories: neither has one
type Sites = dict[tuple[str, str], set[str]]
"""Hosts by what was and what would be."""


def register(actions: Commands) -> None:
    """Add the action."""
    action = actions.add_parser(
        "impact",
        help="say what other lists would have decided of the traffic in the log",
        description="Look the traffic of the access log up in other lists, and decide it by the"
        " policy in force: which verdicts would change, because of which categories, for how many"
        " requests of how many people at which sites. Nothing is said of who asked, and no figure"
        " of fewer than ten people is shown.",
    )
    action.add_argument(
        "new",
        metavar="NEW",
        help="NAME@VERSION (one that is kept, or held back), or a path: a folder, an archive, a"
        " file that can be imported, an index file",
    )
    action.add_argument(
        "--name", help="the list that it replaces (default: by its name; a new list if none has it)"
    )
    action.add_argument(
        "--days", metavar="N", type=int, default=_DAYS, help=f"of the log (default: {_DAYS})"
    )
    action.add_argument(
        "--sites", metavar="N", type=int, default=10, help="sites of each change (default: 10)"
    )
    action.add_argument("--json", action="store_true", help="print JSON")
    add_common(action)
    action.set_defaults(run=explained(_impact))


def _impact(args: argparse.Namespace, settings: Settings) -> int:
    import duckdb

    from proxy_addons.accesslog.compact.index import ParquetIndexError

    if args.days < 1:
        print("watchhouse: --days: wanted at least one day", file=sys.stderr)
        return FAILED
    try:
        with ExitStack() as held:
            found = _found(args, settings, held)
    except (ParquetIndexError, duckdb.Error, OSError) as problem:
        # Nothing is said rather than half: whoever asked is told why. DuckDB may quote a value.
        why = type(problem).__name__ if isinstance(problem, duckdb.Error) else str(problem)
        print(f"watchhouse: {why}", file=sys.stderr)
        return FAILED
    if args.json:
        print_json(found)
    else:
        _show(found)
    return OK


def _found(args: argparse.Namespace, settings: Settings, held: ExitStack) -> dict[str, Any]:
    from proxy_addons.accesslog.replay import Places, Traffic
    from proxy_addons.categorisation import CategoryIndex
    from proxy_addons.cli.replayed import Asker, spans_of

    until = datetime.now(UTC).astimezone(settings.policy.time_zone)
    since = (until.astimezone(UTC) - timedelta(days=args.days)).astimezone(until.tzinfo)
    settings = settings_of(args, today=since.date())  # bank holidays of that time
    policy, paths = settings.policy, settings.paths
    progress = held.enter_context(progress_bar())
    old = CategoryIndex.open(paths.index_file)
    new = _index_of(args, settings, held, progress)
    spans = spans_of((policy,), since, until)
    places = Places(paths.access_log_dir, paths.sealed_dir, paths.parquet_dir)
    traffic = held.enter_context(Traffic(places, since, until, spans.begins, optional=("url",)))
    traffic.read(lambda done, whole: progress("reading", done, whole))
    replay = _Replay(
        old,
        new,
        Asker(policy, spans.moments, old.lookup),
        Asker(policy, spans.moments, new.lookup),
        Asker(policy, spans.moments),
        settings.policy_version,
    )
    traffic.answer(replay.answers(traffic, progress))
    left_out = traffic.left_out()
    return {
        "from": since.isoformat(timespec="seconds"),
        "to": until.isoformat(timespec="seconds"),
        "requests": traffic.total,
        "replayed": traffic.total - sum(left_out.values()),
        "changes": [_change(each, replay.sites) for each in traffic.changes(args.sites)],
        "not_replayed": left_out,
        "unreadable": traffic.unreadable,
        "problems": list(traffic.problems),
    }


def _index_of(
    args: argparse.Namespace, settings: Settings, held: ExitStack, progress: Progress
) -> CategoryIndex:
    """The index as it would be."""
    from proxy_addons.categorisation import CategoryIndex, CategorySourceError, import_lists
    from proxy_addons.categorisation.imports import default_name
    from proxy_addons.categorisation.updates.sides import is_index
    from proxy_addons.categorisation.updates.trial import index_with

    updater = updater_of(settings)
    lists = settings.paths.imported_lists_dir
    lists.mkdir(parents=True, exist_ok=True)
    work = Path(held.enter_context(tempfile.TemporaryDirectory(dir=lists, prefix=".impact.")))
    if kept := VERSION.fullmatch(args.new):
        versions = updater.versions(kept[1])
        folder = versions.tree(versions.get(kept[2]).id)
        return index_with(updater.folders, args.name or kept[1], folder, work, progress)
    path = Path(args.new)
    if path.is_file() and is_index(path):
        return CategoryIndex.open(path)
    name = args.name or default_name(path)
    if not path.exists():
        raise CategorySourceError(f"{args.new!a}: there is no such file, folder or version")
    report = import_lists(path, work / "lists", name=name, progress=progress)
    return index_with(updater.folders, name, report.folder, work, progress)


class _Replay:
    """Asks the same questions of two indexes.

    Args:
        old: the index in force.
        new: the other.
        present: asks the policy with the one.
        other: asks it with the other.
        as_logged: asks it with the categories of the record.
        version: of the configuration in force.

    Attributes:
        sites: hosts by change.
    """

    def __init__(
        self,
        old: CategoryIndex,
        new: CategoryIndex,
        present: Asker,
        other: Asker,
        as_logged: Asker,
        version: str,
    ) -> None:
        self._old, self._new = old, new
        self._askers = (present, other, as_logged)
        self._version = version
        self.sites: Sites = defaultdict(set)

    def answers(self, traffic: Traffic, progress: Progress) -> Iterator[Answer]:
        """What becomes of each question."""
        from proxy_addons.cli.replayed import counted

        whole = traffic.questions()
        for asked in counted(
            traffic.asked(), whole, lambda done, total: progress("deciding", done, total)
        ):
            yield self._answer(asked)

    def _answer(self, asked: Asked) -> Answer:
        from proxy_addons.accesslog.replay import Answer
        from proxy_addons.cli.replayed import answer, key_of

        found = answer(asked, *self._askers, self._version)
        if found.left_out:
            return found
        key = key_of(asked)
        was, becomes = self._old.lookup(key), self._new.lookup(key)
        if was == becomes:
            return Answer(asked.number, "", "")
        change = (
            found.was + _APART + ", ".join(sorted(was)),
            found.becomes + _APART + ", ".join(sorted(becomes)),
        )
        self.sites[change].add(asked.host)
        return Answer(asked.number, *change)


def _change(each: Change, sites: Sites) -> dict[str, Any]:
    """One change, as plain values; of few people without figures."""
    was, _, old = each.was.partition(_APART)
    becomes, _, new = each.becomes.partition(_APART)
    return {
        "was": was,
        "becomes": becomes,
        "categories_were": old.split(", ") if old else [],
        "categories_become": new.split(", ") if new else [],
        "requests": each.requests,
        "people": each.people,
        "sites": None if each.people is None else len(sites[each.was, each.becomes]),
        "top_sites": [
            {"host": host, "requests": requests, "people": people}
            for host, requests, people in each.sites
        ],
    }


def _show(found: dict[str, Any]) -> None:
    from proxy_addons.accesslog.replay import FEWEST

    print(
        f"{found['from']} to {found['to']}: {found['requests']:,} requests,"
        f" {found['replayed']:,} replayed"
    )
    changes: list[dict[str, Any]] = found["changes"]
    verdicts = [each for each in changes if each["was"] != each["becomes"]]
    others = [each for each in changes if each["was"] == each["becomes"]]
    if not changes:
        print("Nothing changes.")
    for title, several in (
        ("verdicts change", verdicts),
        ("categories change, verdicts do not", others),
    ):
        if several:
            print(f"\n{title}:")
            print_table(
                ("was", "becomes", "requests", "people", "sites", "for example"),
                [_row(each, FEWEST) for each in several],
                numbers=("requests", "people", "sites"),
                unfolded=(),
            )
    for why, number in found["not_replayed"].items():
        print(f"cannot be replayed: {number:,}, {why}")
    if found["unreadable"]:
        print(f"lines that are no records: {found['unreadable']:,}")
    for problem in found["problems"]:
        print(f"not read: {problem}", file=sys.stderr)


def _row(each: dict[str, Any], fewest: int) -> tuple[str, ...]:
    few = each["people"] is None
    sites = ", ".join(f"{site['host']} ({site['requests']:,})" for site in each["top_sites"])
    return (
        f"{each['was']} ({', '.join(each['categories_were']) or 'uncategorised'})",
        f"{each['becomes']} ({', '.join(each['categories_become']) or 'uncategorised'})",
        "" if few else f"{each['requests']:,}",
        f"fewer than {fewest}" if few else f"{each['people']:,}",
        "" if few else f"{each['sites']:,}",
        sites or f"each of fewer than {fewest} people",
    )
