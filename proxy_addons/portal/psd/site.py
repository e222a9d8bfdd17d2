"""All pages of the console, put together.

In: services, the guard. Out: routes. Must never: hold a page that goes round the guard.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.portal.psd.alerts import AlertQueue
from proxy_addons.portal.psd.alerts_one import OneAlert
from proxy_addons.portal.psd.asking import Asking
from proxy_addons.portal.psd.search import Searching
from proxy_addons.portal.psd.trail import TrailPages
from proxy_addons.portal.statics import Statics

if TYPE_CHECKING:
    from aiohttp import web

    from proxy_addons.portal.signin.guard import Guard
    from proxy_addons.portal.signin.services import Services


def routes(services: Services, guard: Guard) -> list[web.RouteDef]:
    """The routes. Blocks: reads the files that pages run."""
    statics = Statics()
    asking = Asking(services, statics.addresses)
    return [
        *statics.routes(),
        *Searching(asking, guard).routes(),
        *TrailPages(asking, guard).routes(),
        *AlertQueue(services, guard).routes(),
        *OneAlert(services, guard).routes(),
    ]
