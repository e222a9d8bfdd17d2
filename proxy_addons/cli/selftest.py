"""`watchhouse selftest`: try the table of evasions on a running gateway.

In: the command line, the configuration of the gateway. Out: a line for each row; exit code 0 when
all that was run holds, 1 for a hole, 2 when it could not be run.
Must never: say that all is well when nothing could be told; reach a site that the policy refuses
for any other reason than a hole.
"""

from __future__ import annotations

import argparse
import socket
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from proxy_addons.cli.common import add_common, settings_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy_addons.selftest.run import Result
    from proxy_addons.selftest.send import Place
    from proxy_addons.selftest.table import Row

_OK, _HOLE, _CANNOT = 0, 1, 2
_LOCAL = ZoneInfo("Europe/London")


class CannotRunError(Exception):
    """The self-test cannot be run; the text says why and what to do."""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "selftest",
        help="try to get past a running gateway",
        description="Try every evasion of the table on a running gateway, raw over the wire. Exit"
        " code 0: all that was run holds; 1: a hole; 2: it could not be run.",
    )
    parser.add_argument(
        "--proxy", metavar="HOST:PORT", type=_address, help="the gateway (default: listen.proxy)"
    )
    parser.add_argument(
        "--blocked-host",
        metavar="NAME",
        help="a host that the policy refuses to this client (default: one that the policy says)",
    )
    parser.add_argument(
        "--allowed-host",
        metavar="NAME",
        help="a host that the policy allows (default: one that exists nowhere)",
    )
    parser.add_argument(
        "--spliced-host", metavar="NAME", help="a host that is never decrypted (default: a bank)"
    )
    parser.add_argument(
        "--origin",
        metavar="NAME:PORT",
        type=_address,
        help="start a small web server on PORT; the gateway must reach it as NAME",
    )
    parser.add_argument(
        "--only", metavar="GROUP", action="append", help="only this group of rows; may be repeated"
    )
    parser.add_argument("--patience", metavar="SECONDS", type=float, default=10.0, help="(10)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_common(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    try:
        return _run(args)
    except CannotRunError as problem:
        # Nothing can be said about the gateway.
        print(f"watchhouse: {problem}", file=sys.stderr)
        return _CANNOT


def _run(args: argparse.Namespace) -> int:
    from rich.console import Console

    from proxy_addons.selftest.judge import Outcome
    from proxy_addons.selftest.show import Report, as_json, show_summary

    rows = _rows(args.only)
    with ExitStack() as closing:
        place, at_hand = _place(args, closing)
        names = dict(place.names)
        began = datetime.now(UTC).astimezone(_LOCAL)
        proxy = f"{place.proxy[0]}:{place.proxy[1]}"
        console = Console(highlight=False, soft_wrap=True)
        report = Report(proxy, place.source, names, began, began)
        try:
            report.results = _try(rows, place, at_hand, console, quiet=args.json)
        except OSError as problem:
            msg = f"the proxy {proxy} can no longer be reached: {problem}"
            raise CannotRunError(msg) from problem
        report.ended = datetime.now(UTC).astimezone(_LOCAL)
    if args.json:
        print(as_json(report))
    else:
        show_summary(report, console)
    if not report.counts[Outcome.OK] + report.counts[Outcome.HOLE]:
        msg = "none of these rows can be run here"
        raise CannotRunError(msg)
    return _HOLE if report.counts[Outcome.HOLE] else _OK


def _try(
    rows: Sequence[Row], place: Place, at_hand: set[str], console: object, *, quiet: bool
) -> list[Result]:
    """Run the rows, with progress."""
    from rich.console import Console
    from rich.progress import Progress

    from proxy_addons.selftest.run import run as run_rows
    from proxy_addons.selftest.show import line_of

    assert isinstance(console, Console)
    errors = Console(stderr=True)
    results = []
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task("trying", total=len(rows))
        for result in run_rows(rows, place, at_hand):
            bar.advance(task)
            results.append(result)
            if not quiet:
                console.print(line_of(result))
    return results


def _rows(only: list[str] | None) -> tuple[Row, ...]:
    from proxy_addons.selftest.table import TableError, find, read
    from proxy_addons.settings.problems import nearest

    try:
        rows = read(find().read_text("utf-8"))
    except (OSError, TableError) as problem:
        msg = f"the table of evasions cannot be read: {problem}"
        raise CannotRunError(msg) from problem
    groups = list(dict.fromkeys(row.group for row in rows))
    for name in only or ():
        if name not in groups:
            msg = f"no group {name!r}{nearest(name, groups)}; groups: {', '.join(groups)}"
            raise CannotRunError(msg)
    return tuple(row for row in rows if not only or row.group in only)


def _place(args: argparse.Namespace, closing: ExitStack) -> tuple[Place, set[str]]:
    """Where rows are sent, under which names, and what is at hand for them."""
    from proxy_addons.selftest.send import Place
    from proxy_addons.selftest.table import spellings

    names = {"blocked": args.blocked_host, "allowed": args.allowed_host, "bank": args.spliced_host}
    proxy = args.proxy
    if proxy is None or args.blocked_host is None:
        proxy = _by_settings(args, names)
    client = _client(proxy)
    names["allowed"] = names["allowed"] or _default_allowed()
    names |= {
        "proxy": f"{_bracketed(proxy[0])}:{proxy[1]}",
        "proxy_port": str(proxy[1]),
        "site": names["allowed"],
    }
    at_hand = {"bank"} if names["bank"] else set()
    origin = None
    if args.origin is not None:
        from proxy_addons.selftest.origin import Origin

        try:
            origin = closing.enter_context(Origin([("", args.origin[1])]))
        except OSError as problem:
            msg = f"--origin: cannot listen on port {args.origin[1]}: {problem}"
            raise CannotRunError(msg) from problem
        names["site"] = f"{args.origin[0]}:{args.origin[1]}"
        at_hand.add("origin")
    known = spellings({name: value for name, value in names.items() if value})
    place = Place(proxy, known, client, origin, args.patience)
    _check(place)
    return place, at_hand


def _by_settings(args: argparse.Namespace, names: dict[str, str | None]) -> tuple[str, int]:
    """Fill in what the command line does not name from the gateway's own configuration."""
    from proxy_addons.categorisation import CategoryIndexError
    from proxy_addons.selftest.plan import Plan, PlanError, reachable

    settings = settings_of(args)
    proxy = args.proxy or _address(reachable(settings.listen.proxy[0]))
    names["portal"] = reachable(settings.listen.portal[0])
    try:
        plan = Plan(settings, _client(proxy))
        names["blocked"] = names["blocked"] or plan.refused()
        names["allowed"] = names["allowed"] or plan.allowed()
        names["bank"] = names["bank"] or plan.spliced()
    except (PlanError, CategoryIndexError) as problem:
        raise CannotRunError(str(problem)) from problem
    return proxy


def _check(place: Place) -> None:
    """That the allowed host is not refused: else every refusal would look good.

    Raises:
        CannotRunError: nothing could be told by what follows.
    """
    from proxy_addons.selftest.send import send
    from proxy_addons.selftest.table import Row

    for name in dict.fromkeys((place.names["allowed"], place.names["site"])):
        ask = f"GET http://{name}/ HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"
        try:
            seen = send(Row("", "", data=ask, want=("passed",), passed=1), place)
        except OSError as problem:
            msg = f"the proxy {place.names['proxy']} cannot be reached: {problem}"
            raise CannotRunError(msg) from problem
        for answer in seen.answers:
            if answer.by_gateway and answer.status in {400, 403, 429, 503}:
                msg = f"{name} should be allowed, but is refused: {answer}. Name another host"
                raise CannotRunError(msg)
        if name != place.names["allowed"] and not any(each.by_origin for each in seen.answers):
            msg = f"--origin: the gateway does not reach it as {name}: {seen.said}"
            raise CannotRunError(msg)
        if seen.silent:
            msg = f"the proxy {place.names['proxy']} does not answer"
            raise CannotRunError(msg)


def _client(proxy: tuple[str, int]) -> str:
    """The address that connections to the proxy come from."""
    try:
        with socket.create_connection(proxy, 10) as sock:
            host: str = sock.getsockname()[0]
    except OSError as problem:
        msg = f"the proxy {_bracketed(proxy[0])}:{proxy[1]} cannot be reached: {problem}"
        raise CannotRunError(msg) from problem
    return host


def _default_allowed() -> str:
    from proxy_addons.selftest.plan import ALLOWED

    return ALLOWED


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)
