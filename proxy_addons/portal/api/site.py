"""The API and the page of its tokens, put together.

In: services, the guard. Out: routes. Must never: have a page of tokens that goes round the guard.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.portal.api.limits import Limits
from proxy_addons.portal.api.pages import TokenPages
from proxy_addons.portal.api.serving import Serving
from proxy_addons.portal.api.tokens import Tokens

if TYPE_CHECKING:
    from aiohttp import web

    from proxy_addons.portal.signin.guard import Guard
    from proxy_addons.portal.signin.services import Services


def routes(services: Services, guard: Guard) -> list[web.RouteDef]:
    """The routes."""
    tokens = Tokens(services.store, services.now)
    return [
        *TokenPages(services, guard, tokens).routes(),
        *Serving(services, tokens, Limits()).routes(),
    ]
