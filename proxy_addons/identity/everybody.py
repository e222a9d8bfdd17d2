"""Everybody whom the directory has: for reports of who has not done something.

In: the settings of the directory. Out: entries. Blocks, for seconds in a large force: it is for the
command line and for threads.
Must never: be asked in the way of a request; give half of them.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from proxy_addons.identity.ldap import Servers
from proxy_addons.identity.questions import Questions

if TYPE_CHECKING:
    from proxy_addons.identity.entries import Entry
    from proxy_addons.identity.link import Link
    from proxy_addons.settings import people

PATIENCE: Final = 120.0  # seconds for all of it; other questions are for one person each


def everybody(settings: people.Directory, *, patience: float = PATIENCE) -> tuple[Entry, ...]:
    """Everybody who may sign in, by name; their groups and line managers are left out.

    Args:
        settings: of the directory, with at least one server.
        patience: seconds for one server to give all of them.

    Raises:
        DirectorySettingsError: a URL or the CA file cannot be used.
        DirectoryUnavailableError: no server gives all of them.
    """
    servers = Servers(settings, keep=0, clock=time.monotonic)
    questions = Questions(settings)

    def ask(link: Link) -> tuple[Entry, ...]:
        link.until(time.monotonic() + patience)
        return questions.everybody(link)

    try:
        return servers.ask(ask)
    finally:
        servers.close()
