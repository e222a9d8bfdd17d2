"""`python -m proxy_addons.accesslog.feeds`: the feeds on their own, as the supervisor starts them.

In: options. Out: exit code 0 after SIGTERM, SIGINT or SIGHUP, 2 when it cannot start.
Must never: start on settings that have an error in them; take the processor from browsing.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

from proxy_addons.accesslog.feeds.running import Running
from proxy_addons.accesslog.feeds.where import this_gateway
from proxy_addons.rights.confine import harden
from proxy_addons.settings.load import load
from proxy_addons.settings.problems import SettingsError

_NICE = 10  # what is left over: nobody waits for a feed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m proxy_addons.accesslog.feeds", description="The feeds of Watchhouse."
    )
    config = Path(os.environ.get("WATCHHOUSE_CONFIG", "config"))
    parser.add_argument("--config", type=Path, default=config, help="configuration folder")
    parser.add_argument("--data", type=Path, help="data folder; else as the settings say")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a setting; may be repeated",
    )
    parser.add_argument(
        "--with-parent", action="store_true", help="end when the process that started it ends"
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the feeds.

    Args:
        arguments: without the program's name; None for those of the process.

    Returns:
        0, or 2 when it cannot start; the reason is on standard error.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    parent = os.getppid() if options.with_parent else None
    overrides = {}
    for pair in options.set:
        key, equals, value = pair.partition("=")
        if not equals:
            parser.error(f"--set {pair}: write KEY=VALUE")
        overrides[key] = value
    if options.data is not None:
        overrides["data_dir"] = str(options.data.absolute())
    logging.basicConfig(level=logging.INFO, format="feeds: %(message)s")
    try:
        harden()
        settings = load(options.config, overrides=overrides, environ=os.environ)
    except SettingsError as problem:
        # Nothing was sent, and no position moved.
        sys.stderr.write(f"feeds: {problem}\n")
        return 2
    os.nice(_NICE)
    running = Running(settings, this_gateway(), time.time, random.SystemRandom().random)
    # At SIGHUP the supervisor starts a successor with the new settings.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: running.stop())
    if parent is not None:
        _end_with(parent, running)
    running.run()
    return 0


def _end_with(parent: int, running: Running) -> None:
    """Stop when the parent process has ended, however it ended."""

    def wait() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        running.stop()

    threading.Thread(target=wait, name="parent", daemon=True).start()


if __name__ == "__main__":
    status = main()
    gc.freeze()  # nobody needs to wait until it has been looked through for garbage
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # a thread may wait for a receiver: its batch is sent again
