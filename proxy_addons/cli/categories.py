"""`watchhouse categories`: import lists, compile them, look addresses up, count.

In: lists, addresses; the configuration, for where things are. Out: tables, or JSON.
Must never: decide anything (`watchhouse explain` does), or print text of a list or an address that
a terminal would obey.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proxy_addons.cli import (
    categories_diff,
    categories_history,
    categories_impact,
    categories_update,
)
from proxy_addons.cli.categories_shown import explained, print_json, print_table, progress_bar
from proxy_addons.cli.common import add_common
from proxy_addons.urlkey import UrlKeyError, url_key

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from proxy_addons.categorisation import CompileReport, Ensured, ImportReport, Progress
    from proxy_addons.settings.model import Settings

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_KINDS = ("domains", "hosts", "urls", "expressions")
_FORMATS = ("auto", "squidguard", "domains", "hosts", "adblock", "rpz", "e2guardian")


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "categories",
        help="import, compile and question category lists",
        description="Category lists: docs/categories.md says how they work.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)

    action = actions.add_parser(
        "import",
        help="import a list: squidGuard (UT1), domains, hosts, Adblock, RPZ or E2Guardian",
        description="Import a list, replacing one of the same name, and compile the index.",
    )
    action.add_argument(
        "path",
        metavar="PATH",
        type=Path,
        help="a folder, a .tar (.gz, .bz2, .xz) or .zip archive, or one file (it may be packed)",
    )
    action.add_argument(
        "--name", help="name of the list (default: that of the file, without a date)"
    )
    action.add_argument(
        "--format",
        choices=_FORMATS,
        default="auto",
        help="how it is written (default: auto, found out by what is in it)",
    )
    action.add_argument(
        "--category",
        help="what its entries are, where the format has no categories (default: the file's name)",
    )
    action.add_argument(
        "--very-restrictive",
        action="store_true",
        help="also take the expressions that UT1 calls very restrictive; they refuse much",
    )
    add_common(action)
    action.set_defaults(run=explained(_import))

    action = actions.add_parser(
        "lookup",
        help="say which categories an address has, and from which entries",
        description="Say which categories an address has. Nothing is contacted.",
    )
    action.add_argument("url", metavar="URL", help="an address; https:// is added if it has none")
    action.add_argument("--json", action="store_true", help="print JSON")
    add_common(action)
    action.set_defaults(run=explained(_lookup))

    action = actions.add_parser(
        "list",
        help="count the entries of each category",
        description="Count the entries of each category in the compiled index.",
    )
    action.add_argument("--json", action="store_true", help="print JSON")
    add_common(action)
    action.set_defaults(run=explained(_list))

    action = actions.add_parser(
        "compile",
        help="compile all lists into the index",
        description="Compile all lists into the index; a running gateway takes it over by itself.",
    )
    add_common(action)
    action.set_defaults(run=explained(_compile))

    categories_update.register(actions)
    categories_history.register(actions)
    categories_diff.register(actions)
    categories_impact.register(actions)


def _import(args: argparse.Namespace, settings: Settings) -> int:
    from proxy_addons.categorisation import Format, import_lists

    with progress_bar() as progress:
        report = import_lists(
            args.path,
            settings.paths.imported_lists_dir,
            name=args.name,
            format=Format(args.format),
            category=args.category,
            very_restrictive=args.very_restrictive,
            progress=progress,
        )
        ensured = _made(settings, progress)
    _show_import(report)
    _show_compiled(ensured)
    return 0


def _compile(_args: argparse.Namespace, settings: Settings) -> int:
    with progress_bar() as progress:
        ensured = _made(settings, progress)
    if ensured.report is not None:
        _complain(ensured.report.problems.lines())
        _complain(ensured.report.ignored)
    _show_compiled(ensured)
    return 0


def _made(settings: Settings, progress: Progress) -> Ensured:
    from proxy_addons.categorisation import (
        SourceFolders,
        ensure_index,
    )

    paths = settings.paths
    folders = SourceFolders(paths.categories_dir, paths.imported_lists_dir)
    return ensure_index(folders, paths.index_file, force=True, progress=progress)


def _lookup(args: argparse.Namespace, settings: Settings) -> int:
    from proxy_addons.categorisation import CategoryIndex

    try:
        key = url_key(args.url if _SCHEME.match(args.url) else f"https://{args.url}")
    except UrlKeyError as problem:
        # The gateway would refuse such a request; the URL is not repeated, it may hold a password.
        print(f"watchhouse: the gateway would refuse this URL: {problem}", file=sys.stderr)
        return 1
    index = CategoryIndex.open(settings.paths.index_file)
    categories = sorted(index.lookup(key))
    matches = [
        {
            "list": match.source,
            "category": match.category,
            "kind": match.kind.value,
            "entry": match.entry,
            "counts": match.counts,
            "exception": match.excepts,
        }
        for match in index.explain(key)
    ]
    if args.json:
        print_json(
            {
                "url": str(key),
                "host": key.host,
                "categories": categories,
                "matches": matches,
                "list_version": index.version,
            }
        )
        return 0
    rows = [
        (
            str(match["category"]),
            str(match["list"]),
            str(match["kind"]).removesuffix("s"),
            str(match["entry"]),
            _standing(match),
        )
        for match in matches
    ]
    print(f"{key}\n{', '.join(categories) or 'uncategorised'}")
    if rows:
        print_table(("category", "list", "kind", "entry", ""), rows)
    return 0


def _standing(match: Mapping[str, object]) -> str:
    if match["exception"]:
        return "an exception" if match["counts"] else "an exception, overridden"
    return "" if match["counts"] else "overridden"


def _list(args: argparse.Namespace, settings: Settings) -> int:
    from proxy_addons.categorisation import CategoryIndex

    index = CategoryIndex.open(settings.paths.index_file)
    if args.json:
        categories = {
            category: {kind: index.counts_by_kind[category].get(kind, 0) for kind in _KINDS}
            | {
                "lists": list(index.sources[category]),
                "description": index.descriptions.get(category, ""),
            }
            for category in sorted(index.categories)
        }
        print_json(
            {
                "list_version": index.version,
                "built": index.built.isoformat(),
                "entries": index.entries,
                "skipped": index.skipped,
                "categories": categories,
            }
        )
        return 0
    rows = [
        (
            category,
            *_amounts(index.counts_by_kind[category]),
            ", ".join(index.sources[category]),
            index.descriptions.get(category, ""),
        )
        for category in sorted(index.categories)
    ]
    print_table(("category", *_KINDS, "lists", "description"), rows, numbers=_KINDS)
    print(
        f"{len(rows)} categories, {index.entries:,} names and URLs, {index.size / 1e6:.1f} MB; "
        f"version {index.version}, compiled {index.built:%Y-%m-%d %H:%M} UTC"
    )
    if index.skipped:
        print(f"{index.skipped} lines are not used; to see why: watchhouse categories compile")
    return 0


def _show_import(report: ImportReport) -> None:
    _complain(report.problems.lines())
    _complain(report.ignored)
    rows = [
        (category, *_amounts(counts), _exceptions(report, category), _same_as(report, category))
        for category, counts in sorted(report.counts.items())
    ]
    print_table(("category", *_KINDS, "exceptions", ""), rows, numbers=(*_KINDS, "exceptions"))
    done = "replaced" if report.replaced else "imported"
    print(
        f"{done} list {report.name}, read as {report.format}: {len(rows)} categories; "
        f"{len(report.problems)} lines not used"
    )


def _exceptions(report: ImportReport, category: str) -> str:
    return f"{report.exceptions[category]:,}" if report.exceptions.get(category) else ""


def _same_as(report: ImportReport, category: str) -> str:
    target = report.aliases.get(category)
    return f"the same entries as {target}" if target else ""


def _show_compiled(ensured: Ensured) -> None:
    report: CompileReport | None = ensured.report
    if report is None:
        return
    print(
        f"compiled {report.entries:,} names and URLs and {report.expressions} expressions in "
        f"{report.categories} categories: {report.size / 1e6:.1f} MB in {report.seconds:.1f} s, "
        f"at most {report.peak_memory / 1e6:.0f} MB of memory; version {report.version}"
    )


def _amounts(counts: Mapping[Any, int]) -> tuple[str, ...]:
    return tuple(f"{counts[kind]:,}" if counts.get(kind) else "" for kind in _KINDS)


def _complain(lines: Iterator[str] | tuple[str, ...]) -> None:
    for line in lines:
        print(line, file=sys.stderr)
