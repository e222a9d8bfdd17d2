"""`python -m proxy_addons.accesslog.keeper`: the keeper on its own, as the supervisor starts it.

In: options. Out: runs until it is ended; exit code 2 when it cannot start.
Must never: start on settings that have an error in them; outlive the process that started it; hold
what a worker needs.

It has no orderly end: each step may be cut short at any moment, and so a signal ends it at once.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import select
import sys
import threading
from pathlib import Path

from proxy_addons.accesslog.keeper.running import Keeper, loaded
from proxy_addons.accesslog.keeper.steps import STEPS
from proxy_addons.rights.confine import harden
from proxy_addons.settings.load import load
from proxy_addons.settings.problems import SettingsError

_NICE = 10  # browsing first


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m proxy_addons.accesslog.keeper",
        description="Seals the access log of Watchhouse, each hour.",
    )
    config = Path(os.environ.get("WATCHHOUSE_CONFIG", "config"))
    parser.add_argument("--config", type=Path, default=config, help="configuration folder")
    parser.add_argument("--data", type=Path, help="data folder; else as the settings say")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a setting, e.g. log.seal_every=600; may be repeated",
    )
    parser.add_argument("--once", action="store_true", help="one round, then end")
    parser.add_argument(
        "--with-parent",
        nargs="?",
        type=int,
        const=0,
        metavar="PID",
        help="end when the process that started it ends; with its id also where that has ended"
        " before this one could look",
    )
    return parser


def _end_with(parent: int) -> None:
    """End this process when its parent has ended, in the middle of whatever it does.

    Args:
        parent: its process id; 0: whoever is the parent now.
    """

    def wait() -> None:
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            descriptor = os.pidfd_open(parent or os.getppid())
            if parent in {0, os.getppid()}:  # else another process has its number by now
                select.select([descriptor], [], [])
        os._exit(0)

    threading.Thread(target=wait, name="parent", daemon=True).start()


def main(arguments: list[str] | None = None) -> int:
    """Run the keeper.

    Args:
        arguments: without the program's name; None for those of the process.

    Returns:
        0 after one round, or 2 when it cannot start; the reason is on standard error.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.with_parent is not None:
        _end_with(options.with_parent)
    overrides = {}
    for pair in options.set:
        key, equals, value = pair.partition("=")
        if not equals:
            parser.error(f"--set {pair}: write KEY=VALUE")
        overrides[key] = value
    if options.data is not None:
        overrides["data_dir"] = str(options.data.absolute())
    logging.basicConfig(level=logging.INFO, format="keeper: %(message)s")
    try:
        harden()
        settings = load(options.config, overrides=overrides, environ=os.environ)
    except SettingsError as problem:
        # Nothing was begun: no segment is in hand.
        sys.stderr.write(f"keeper: {problem}\n")
        return 2
    with contextlib.suppress(OSError):
        # Where a filter of system calls forbids it, it seals at the priority of the others.
        os.nice(_NICE)
    settings.paths.run_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
    keeper = Keeper(settings, loaded(STEPS))
    if options.once:
        keeper.round()
        return 0
    keeper.forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
