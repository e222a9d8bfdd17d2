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
    from collections.abc import AsyncIterator, Callable

    from proxy_addons.portal.signin.services import Services
    from proxy_addons.settings.model import Settings

# No body is ever read where nobody signs in; a kilobyte spares the odd POST a connection error
# before its 405.
_NO_BODY = 1024
_LARGEST_FORM = 64 * 1024  # bytes; the longest fields together have a quarter of that


def make_app(settings: Settings, *, clock: Callable[[], float] = time.time) -> web.Application:
    """The portal as an aiohttp application.

    Args:
        settings: of this gateway.
        clock: seconds since the epoch.

    Raises:
        PacError: `pac.proxies` names something that is no proxy.
        KerberosError: `portal.sign_in` says `kerberos`, and the keytab cannot be used.
        PasswordsError: it says `accounts`, and their file cannot be used.
        StandingError: `standing.url` names nothing that can be used.
    """
    if settings.pac.proxies:
        pac.script(settings, settings.pac.proxies)  # now, not at the first browser's request
    signs_in = bool(settings.portal.sign_in)
    answers = Answers(settings.page, signs_in=signs_in)
    app = web.Application(
        middlewares=[errors(answers)], client_max_size=_LARGEST_FORM if signs_in else _NO_BODY
    )
    app.on_response_prepare.append(guard)
    app.add_routes(OpenPages(settings, answers, clock).routes())
    if signs_in:
        # Imported here: a gateway whose portal nobody signs in to needs none of these packages.
        from proxy_addons.portal.signin.services import Services  # noqa: PLC0415 - only with signing in
        from proxy_addons.portal.signin.site import routes  # noqa: PLC0415 - only with signing in

        services = Services.open(settings, answers, clock)
        app.add_routes(routes(services))
        app.cleanup_ctx.append(_closing(services))
    return app


def _closing(services: Services) -> Callable[[web.Application], AsyncIterator[None]]:
    async def context(app: web.Application) -> AsyncIterator[None]:
        del app
        yield
        await services.close()

    return context
