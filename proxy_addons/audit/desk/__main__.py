"""`python -m proxy_addons.audit.desk`: the desk on its own, as the supervisor starts it.

In: options. Out: exit code 0 after SIGTERM, SIGINT or SIGHUP, 2 when it cannot start.
Must never: start on settings that have an error in them.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from typing import TYPE_CHECKING

from proxy_addons.audit.desk.service import Service
from proxy_addons.audit.store import StoreError
from proxy_addons.audit.trail import TrailError
from proxy_addons.rights.confine import harden
from proxy_addons.rights.parent import when_ended
from proxy_addons.settings.parts import parser_of, settings_of
from proxy_addons.settings.problems import SettingsError
from proxy_addons.standing.problems import StandingError

if TYPE_CHECKING:
    from proxy_addons.settings.model import Settings


async def _serve(settings: Settings, parent: int | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    if parent is not None:
        when_ended(parent, lambda: loop.call_soon_threadsafe(stop.set))
    service = await asyncio.to_thread(Service, settings)
    await service.serve(settings, stop)


def main(arguments: list[str] | None = None) -> int:
    """Run the desk.

    Args:
        arguments: without the program's name; None for those of the process.

    Returns:
        0, or 2 when it cannot start; the reason is on standard error.
    """
    parser = parser_of("proxy_addons.audit.desk", "The desk: reads the access log for people.")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="desk: %(message)s")
    try:
        harden()
        asyncio.run(_serve(settings_of(parser, options), options.with_parent))
    except (SettingsError, TrailError, StandingError, StoreError, OSError) as problem:
        # Nothing was shown: whoever asks is told that the desk does not answer.
        sys.stderr.write(f"desk: {problem}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
