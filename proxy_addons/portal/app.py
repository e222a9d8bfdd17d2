"""The portal as one application: the pages for everybody, and those for who signs in.

In: settings. Out: an aiohttp application.
Must never: let a page for signed-in people be reached round its guard.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from aiohttp import web

from proxy_addons.portal import pac
from proxy_addons.portal.answers import Answers, errors, guard
from proxy_addons.portal.openpages import OpenPages

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.settings.model import Settings


def make_app(settings: Settings, *, clock: Callable[[], float] = time.time) -> web.Application:
    """The portal as an aiohttp application.

    Args:
        settings: of this gateway.
        clock: seconds since the epoch.

    Raises:
        PacError: `pac.proxies` names something that is no proxy.
    """
    if settings.pac.proxies:
        pac.script(settings, settings.pac.proxies)  # now, not at the first browser's request
    answers = Answers(settings.page)
    # No body is ever read; a kilobyte spares the odd POST a connection error before its 405.
    app = web.Application(middlewares=[errors(answers)], client_max_size=1024)
    app.on_response_prepare.append(guard)
    app.add_routes(OpenPages(settings, answers, clock).routes())
    return app
