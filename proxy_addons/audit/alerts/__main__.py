"""`python -m proxy_addons.audit.alerts`: the alerts on their own, as the supervisor starts them.

In: options. Out: exit code 0 after SIGTERM, SIGINT or SIGHUP, 2 when it cannot start.
Must never: start on settings that have an error in them; take the processor from browsing.
"""

from __future__ import annotations

import gc
import logging
import os
import random
import signal
import sys
import time

from proxy_addons.accesslog.feeds.where import this_gateway
from proxy_addons.audit.alerts.running import Running
from proxy_addons.rights.confine import harden
from proxy_addons.rights.parent import when_ended
from proxy_addons.settings.parts import parser_of, settings_of
from proxy_addons.settings.problems import SettingsError
from proxy_addons.standing.problems import StandingError

_NICE = 10  # what is left over: browsing goes first


def main(arguments: list[str] | None = None) -> int:
    """Run the alerts.

    Args:
        arguments: without the program's name; None for those of the process.

    Returns:
        0, or 2 when it cannot start; the reason is on standard error.
    """
    parser = parser_of("proxy_addons.audit.alerts", "The alerts of Watchhouse.")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="alerts: %(message)s")
    try:
        harden()
        settings = settings_of(parser, options)
        os.nice(_NICE)
        entropy = random.SystemRandom().random
        running = Running(settings, this_gateway().name, time.time, entropy)
    except (SettingsError, StandingError) as problem:
        # Nothing was counted; it is when this is mended.
        sys.stderr.write(f"alerts: {problem}\n")
        return 2
    # At SIGHUP the supervisor starts a successor with the new settings.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: running.stop())
    if options.with_parent is not None:
        when_ended(options.with_parent, running.stop)
    running.run()
    return 0


if __name__ == "__main__":
    status = main()
    gc.freeze()  # nobody needs to wait until it has been looked through for garbage
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # a thread may wait for a receiver: its batch is sent again
