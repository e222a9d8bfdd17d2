"""All pages for people who sign in, put together.

In: services. Out: routes. Must never: hold a page that goes round the guard.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.portal.api import site as api
from proxy_addons.portal.own.browsing import Browsing
from proxy_addons.portal.own.statement import TheStatement
from proxy_addons.portal.psd import site as psd
from proxy_addons.portal.register.acknowledging import Acknowledging
from proxy_addons.portal.register.exemption import OneExemption
from proxy_addons.portal.register.exemptions import Exemptions
from proxy_addons.portal.register.reporting import Reporting
from proxy_addons.portal.register.requesting import Requesting
from proxy_addons.portal.register.withdrawing import Withdrawing
from proxy_addons.portal.register.you import You
from proxy_addons.portal.reviews.one import OneReview
from proxy_addons.portal.reviews.queue import Queue
from proxy_addons.portal.signin.confirming import Confirming
from proxy_addons.portal.signin.guard import Guard
from proxy_addons.portal.signin.signing_in import SigningIn
from proxy_addons.portal.team.use import TeamUse

if TYPE_CHECKING:
    from aiohttp import web

    from proxy_addons.portal.signin.services import Services


def routes(services: Services) -> list[web.RouteDef]:
    """The routes of all pages for people who sign in."""
    guard = Guard(services)
    signing_in = SigningIn(services, guard)
    return [
        *signing_in.routes(),
        *Confirming(services, guard, signing_in).routes(),
        *You(services, guard).routes(),
        *Browsing(services, guard).routes(),
        *TheStatement(services, guard).routes(),
        *Requesting(services, guard).routes(),
        *Exemptions(services, guard).routes(),
        *OneExemption(services, guard).routes(),
        *Withdrawing(services, guard).routes(),
        *Reporting(services, guard).routes(),
        *Queue(services, guard).routes(),
        *OneReview(services, guard).routes(),
        *TeamUse(services, guard).routes(),
        *Acknowledging(services, guard).routes(),
        *psd.routes(services, guard),
        *api.routes(services, guard),
    ]
