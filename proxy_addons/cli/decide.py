"""`watchhouse decide`: the helper behind Squid's `url_rewrite_program`, in squidGuard's place.

In: lines on standard input, as Squid writes them to its helpers. Out: a line on standard output for
each, in their order.
Must never: keep an answer back until more comes; let pass what it cannot decide; end because a file
is missing or wrong.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from proxy_addons.cli.common import add_common, config_dir_of, overrides_of
from proxy_addons.gate.redirector.answers import NOWHERE, PROTOCOLS, Redirect, redirect_of

if TYPE_CHECKING:
    import argparse

    from proxy_addons.cli.subcommands import Commands
    from proxy_addons.gate.redirector.desk import Desk
    from proxy_addons.gate.redirector.lines import TooLong
    from proxy_addons.gate.redirector.source import Source

_LOOKS_EVERY: Final = 1.0  # seconds between looks at the files
_OCTETS: Final = 65_536
# Objects made between two collections: lines make many, and no cycles.
_GARBAGE: Final = 50_000


def register(subparsers: Commands) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "decide",
        help="decide for Squid, in squidGuard's place",
        description="Decide lines as Squid writes them to its url_rewrite_program: URL,"
        " client/fqdn, ident and method, with or without a channel-ID before them. One line of"
        " answer for each. What cannot be read or decided is refused.",
    )
    parser.add_argument(
        "--redirect",
        metavar="URL",
        type=_redirect,
        help="where what is refused leads to, perhaps after 302:, with squidGuard's placeholders:"
        " %%a address, %%n name and %%i user of the client, %%s profile, %%t categories, %%u the"
        " URL asked for, %%p its path, %%f its file; %%r the rule (default: page.portal of the"
        " settings)",
    )
    parser.add_argument(
        "--redirects",
        metavar="FILE",
        type=Path,
        help="where what single rules refuse leads to, in place of --redirect",
    )
    parser.add_argument(
        "--people",
        metavar="FILE",
        type=Path,
        help="profiles by the names that Squid authenticates and by networks; the first entry that"
        " fits counts (default: identity.addresses of the settings alone)",
    )
    parser.add_argument(
        "--protocol",
        choices=PROTOCOLS,
        default=PROTOCOLS[0],
        help="of answers: 3.4 for Squid 3.4 and all after it, 3.3 for those before",
    )
    parser.add_argument(
        "--at",
        metavar="TIME",
        help="decide as if it were this time always, ISO 8601, in the policy's time zone unless it"
        " names one",
    )
    add_common(parser)
    parser.set_defaults(run=run)


def _redirect(text: str) -> Redirect:
    import argparse

    try:
        return redirect_of(text)
    except ValueError as problem:
        # Wrong usage: nothing is started.
        raise argparse.ArgumentTypeError(str(problem)) from problem


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from proxy_addons.cli.explain import ExplainError, asked_time
    from proxy_addons.gate.redirector.source import Source

    try:
        at = None if args.at is None else asked_time(args.at)
    except ExplainError as problem:
        # Nothing is decided for a time that was not understood.
        print(f"watchhouse: {problem}", file=sys.stderr)
        return 2
    source = Source(
        config_dir_of(args),
        overrides_of(args),
        os.environ,
        args.people,
        args.redirects,
        None if at is None else at.date(),
        _say,
    )
    gc.set_threshold(_GARBAGE)
    Helper(source, args.redirect, args.protocol, at).serve(0, 1)
    return 0


def _say(text: str) -> None:
    """What Squid puts into its cache.log."""
    for line in text.splitlines():
        print(f"watchhouse decide: {line}", file=sys.stderr, flush=True)


class Helper:
    """Answers until nothing more comes.

    Args:
        source: what is decided by.
        redirect: where what is refused leads to; None: the portal, as the settings have it.
        protocol: of answers.
        at: a moment in place of the present one; without a zone it is local.
    """

    def __init__(
        self, source: Source, redirect: Redirect | None, protocol: str, at: datetime | None
    ) -> None:
        self._source = source
        self._redirect, self._protocol, self._at = redirect, protocol, at
        self._again = False
        self._due = 0.0
        self._desk = self._new_desk()

    def serve(self, source: int, answers: int) -> None:
        """Answer what comes on one descriptor, on another one.

        Raises:
            BrokenPipeError: nobody reads the answers any more.
        """
        from proxy_addons.gate.redirector.lines import Feed

        signal.signal(signal.SIGHUP, self._hang_up)
        os.set_blocking(source, True)
        os.set_blocking(answers, True)
        poll = select.poll()
        poll.register(source, select.POLLIN)
        feed = Feed()
        self._look()
        gc.freeze()
        while True:
            ready = poll.poll(1000 * _LOOKS_EVERY)
            if self._again or time.monotonic() >= self._due:
                self._look()
            if not ready:
                continue
            data = os.read(source, _OCTETS)
            if not data:
                _write(answers, self._answers(feed.end()))
                return
            _write(answers, self._answers(feed.feed(data)))

    def _answers(self, texts: list[str | TooLong]) -> bytes:
        found: list[str] = []
        if texts:
            now = datetime.now(UTC) if self._at is None else self._at
            for text in texts:
                if isinstance(text, str):
                    found += self._desk.answers(text, now)
                else:
                    found.append(self._desk.too_long(text.beginning))
        return "\n".join([*found, ""]).encode("ascii", "replace")

    def _hang_up(self, *_: object) -> None:
        self._again = True

    def _look(self) -> None:
        """See whether anything has changed of what is decided by."""
        again, self._again = self._again, False
        if self._source.look(again=again):
            self._desk = self._new_desk()
        self._due = time.monotonic() + _LOOKS_EVERY

    def _new_desk(self) -> Desk:
        from proxy_addons.gate.redirector.desk import Desk

        basis = self._source.basis
        redirect = self._redirect
        if redirect is None:
            portal = basis.settings.page.portal if basis is not None else None
            redirect = Redirect("302", (f"{portal}/" if portal else NOWHERE,))
        desk = Desk(redirect, self._protocol)
        if basis is not None:
            desk.rest_on(basis)
            if self._at is not None and self._at.tzinfo is None:
                self._at = self._at.replace(tzinfo=basis.settings.policy.time_zone)
        return desk


def _write(answers: int, octets: bytes) -> None:
    rest = memoryview(octets)
    while rest:
        rest = rest[os.write(answers, rest) :]
