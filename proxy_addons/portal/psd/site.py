"""All pages of the console, put together.

In: services, the guard. Out: routes. Must never: hold a page that goes round the guard.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.portal.psd.alerts import AlertQueue
from proxy_addons.portal.psd.alerts_one import OneAlert
from proxy_addons.portal.psd.asking import Asking
from proxy_addons.portal.psd.authority.applying import Applying
from proxy_addons.portal.psd.authority.deputising import Deputising
from proxy_addons.portal.psd.authority.listed import ListOfAuthorisations
from proxy_addons.portal.psd.authority.one import OneAuthorisation
from proxy_addons.portal.psd.compared import ComparedPage
from proxy_addons.portal.psd.copies import Copies
from proxy_addons.portal.psd.hold import OneHold
from proxy_addons.portal.psd.live import Observation
from proxy_addons.portal.psd.packs import Packs
from proxy_addons.portal.psd.plan import OnePlan
from proxy_addons.portal.psd.planning import Planning
from proxy_addons.portal.psd.retention import RetentionPages
from proxy_addons.portal.psd.sample import Samples
from proxy_addons.portal.psd.saved import SavedPages
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
        *ListOfAuthorisations(services, guard).routes(),
        *Applying(services, guard).routes(),  # before what holds for any reference
        *OneAuthorisation(services, guard).routes(),
        *Deputising(services, guard).routes(),
        *Searching(asking, guard).routes(),
        *SavedPages(services, guard).routes(),
        *ComparedPage(asking, guard).routes(),
        *Packs(asking, guard).routes(),
        *Copies(asking, guard).routes(),
        *Observation(asking, guard).routes(),
        *TrailPages(asking, guard).routes(),
        *Planning(services, guard, statics.addresses).routes(),
        *OnePlan(services, guard).routes(),
        *Samples(asking, guard).routes(),
        *RetentionPages(services, guard).routes(),
        *OneHold(services, guard).routes(),
        *AlertQueue(services, guard).routes(),
        *OneAlert(services, guard).routes(),
    ]
