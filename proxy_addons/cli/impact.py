"""`watchhouse impact`: what would another policy have decided of the traffic in the log.

In: another policy, the access log, the present configuration.
Out: how many requests of how many people change, by rule and site; what could not be replayed.
Must never: show who asked, or a figure of fewer than ten people; change anything; contact anybody.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from proxy_addons.accesslog.compact.index import ParquetIndexError
from proxy_addons.accesslog.replay import Places, Traffic
from proxy_addons.cli.common import add_common, config_dir_of, overrides_of, settings_of
from proxy_addons.cli.impact_shown import Impact, as_json, show
from proxy_addons.cli.replayed import Asker, answer, counted, looked_at, progress_of, spans_of
from proxy_addons.settings.load import POLICY_FILE, load
from proxy_addons.settings.problems import Problem, SettingsError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from proxy_addons.policy.compiled import Policy
    from proxy_addons.settings.model import Paths
    from proxy_addons.urlkey import UrlKey

_DAYS = 7


class ImpactError(Exception):
    """It cannot be said; the text says why and what to do."""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "impact",
        help="say what another policy would have decided of the traffic in the log",
        description="Decide the traffic of the access log by another policy, and say what would"
        " change: by rule, with how many requests of how many people, and at which sites. Nothing"
        " is said of who asked, and no figure of fewer than ten people is shown.",
    )
    parser.add_argument(
        "--policy",
        metavar="NEW",
        type=Path,
        required=True,
        help="the other policy: a policy.yaml, or a configuration folder",
    )
    when = parser.add_argument_group("period").add_mutually_exclusive_group()
    when.add_argument(
        "--log",
        metavar="DAYS",
        type=int,
        default=_DAYS,
        help=f"the last so many days (default: {_DAYS})",
    )
    when.add_argument(
        "--from", dest="since", metavar="TIME", help="ISO 8601, in the policy's time zone; see --to"
    )
    parser.add_argument("--to", dest="until", metavar="TIME", help="likewise (default: now)")
    parser.add_argument(
        "--lists",
        choices=("logged", "now"),
        default="logged",
        help="categories as they were logged (default), or as the compiled lists say now",
    )
    parser.add_argument(
        "--sites", metavar="N", type=int, default=10, help="sites of each change (default: 10)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_common(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    try:
        found = _found(args)
    except (ImpactError, ParquetIndexError, duckdb.Error, OSError) as problem:
        # Nothing is said rather than half: whoever asked is told why. DuckDB may quote a value.
        why = type(problem).__name__ if isinstance(problem, duckdb.Error) else str(problem)
        print(f"watchhouse impact: {why}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps(as_json(found), indent=2, ensure_ascii=False))
    else:
        show(found)
    return 0


def _found(args: argparse.Namespace) -> Impact:
    since, until = _period(args, settings_of(args).policy)
    present = settings_of(args, today=since.date())
    new, paths = _new(args, since), present.paths
    lists = _lists(args, paths)
    spans = spans_of((present.policy, new), since, until)
    places = Places(paths.access_log_dir, paths.sealed_dir, paths.parquet_dir)
    optional = looked_at((present.policy, new)) if lists is None else ("url", "content_type")
    with Traffic(places, since, until, spans.begins, optional=optional) as traffic:
        with progress_of("reading") as told:
            traffic.read(told)
        as_logged = Asker(present.policy, spans.moments)
        before = as_logged if lists is None else Asker(present.policy, spans.moments, lists)
        after = Asker(new, spans.moments, lists)
        whole, version = traffic.questions(), present.policy_version
        with progress_of("deciding") as told:
            traffic.answer(
                answer(asked, before, after, as_logged, version)
                for asked in counted(traffic.asked(), whole, told)
            )
        return Impact(
            since=since,
            until=until,
            total=traffic.total,
            changes=traffic.changes(args.sites),
            left_out=traffic.left_out(),
            unreadable=traffic.unreadable,
            problems=tuple(traffic.problems),
        )


def _period(args: argparse.Namespace, policy: Policy) -> tuple[datetime, datetime]:
    now = datetime.now(UTC).astimezone(policy.time_zone)
    until = now if args.until is None else _time(args.until, "--to", policy)
    if args.since is not None:
        since = _time(args.since, "--from", policy)
    elif args.log < 1:
        raise ImpactError("--log: wanted at least one day")
    else:
        since = (until.astimezone(UTC) - timedelta(days=args.log)).astimezone(policy.time_zone)
    if since.timestamp() >= until.timestamp():
        raise ImpactError("--from is not before --to")
    return since, until


def _time(text: str, option: str, policy: Policy) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as problem:
        # Nothing is replayed for a time that was not understood.
        msg = f"{option} {text!r} is no ISO 8601 time such as 2026-11-24T10:30"
        raise ImpactError(msg) from problem
    aware = found.replace(tzinfo=policy.time_zone) if found.tzinfo is None else found
    return aware.astimezone(UTC).astimezone(policy.time_zone)


def _new(args: argparse.Namespace, since: datetime) -> Policy:
    """The other policy. A file alone is read with the rest of the present configuration."""
    path: Path = args.policy

    def loaded(folder: Path) -> Policy:
        overrides = overrides_of(args)
        return load(folder, overrides=overrides, environ=os.environ, today=since.date()).policy

    if path.is_dir():
        return loaded(path)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for each in config_dir_of(args).absolute().iterdir():
            if each.name != POLICY_FILE:
                (folder / each.name).symlink_to(each)
        (folder / POLICY_FILE).symlink_to(path.absolute())
        try:
            return loaded(folder)
        except SettingsError as problem:
            # The same problems, named after the file that was given.
            made = str(folder / POLICY_FILE)
            raise SettingsError(
                Problem(each.place.replace(made, str(path)), each.key, each.message)
                for each in problem.problems
            ) from problem


def _lists(args: argparse.Namespace, paths: Paths) -> Callable[[UrlKey], frozenset[str]] | None:
    if args.lists == "logged":
        return None
    from proxy_addons.categorisation import CategoryIndex, CategoryIndexError

    try:
        return CategoryIndex.open(paths.index_file).lookup
    except CategoryIndexError as problem:
        # As with `explain`: without lists the answer would be wrong.
        raise ImpactError(f"{problem}; run `watchhouse categories compile`") from problem
