"""`python -m proxy_addons.accesslog.keeper`: the keeper on its own, as the supervisor starts it.

In: options. Out: runs until it is ended; exit code 2 when it cannot start.
Must never: start on settings that have an error in them; outlive the process that started it; hold
what a worker needs.

It has no orderly end: each step may be cut short at any moment, and so a signal ends it at once.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys

from proxy_addons.accesslog.keeper.running import Keeper, loaded
from proxy_addons.accesslog.keeper.steps import STEPS
from proxy_addons.rights.confine import harden
from proxy_addons.rights.parent import when_ended
from proxy_addons.settings.parts import parser_of, settings_of
from proxy_addons.settings.problems import SettingsError

_NICE = 10  # browsing first


def main(arguments: list[str] | None = None) -> int:
    """Run the keeper.

    Args:
        arguments: without the program's name; None for those of the process.

    Returns:
        0 after one round, or 2 when it cannot start; the reason is on standard error.
    """
    parser = parser_of(
        "proxy_addons.accesslog.keeper", "Seals the access log of Watchhouse, each hour."
    )
    parser.add_argument("--once", action="store_true", help="one round, then end")
    options = parser.parse_args(arguments)
    if options.with_parent is not None:
        when_ended(options.with_parent, lambda: os._exit(0))
    logging.basicConfig(level=logging.INFO, format="keeper: %(message)s")
    try:
        harden()
        settings = settings_of(parser, options)
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
