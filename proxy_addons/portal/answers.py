"""How the portal answers: pages, the headers that guard every answer, and what went wrong.

In: a template's name and its values. Out: answers that no script and no frame can abuse.
Must never: forget a header, or show what a client sent without escaping it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import hdrs, web
from markupsafe import Markup

from proxy_addons.gate.pages import STYLE, content_security_policy, environment

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler, Middleware

    from proxy_addons.portal.signin.guard import Visit
    from proxy_addons.settings.model import Page

_LOG = logging.getLogger(__name__)
_FOLDER = Path(__file__).parent / "templates"
_STYLE = STYLE + Markup((_FOLDER / "portal.css").read_text("utf-8"))  # noqa: S704 - our own file
# Compiling all thirty took a third of the portal's start; nobody looks at most of them on a day.
_TEMPLATES = environment(_FOLDER, style=_STYLE, at_once=False)

NO_STORE = "no-store"

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_READ_ONLY = f"{content_security_policy(style=_STYLE)}; frame-ancestors 'none'"
# Pages for people who are signed in have forms, which only ever lead back to this portal.
_WITH_FORMS = f"{content_security_policy(style=_STYLE, forms=True)}; frame-ancestors 'none'"
# Pages with charts: ECharts and a script of ours, served by us (portal/statics.py).
_WITH_SCRIPTS = (
    f"{content_security_policy(style=_STYLE, forms=True, scripts=True)}; frame-ancestors 'none'"
)

_TITLES = {
    403: "You cannot open this page",
    404: "There is no such page",
    405: "This page can only be read",
    413: "That was too long",
}


@dataclass(frozen=True, slots=True)
class Answers:
    """Makes pages.

    Attributes:
        page: what the force says on every page of ours.
        signs_in: whether people can sign in here at all.
    """

    page: Page
    signs_in: bool = False

    def show(
        self,
        template: str,
        *,
        status: int = 200,
        forms: bool = False,
        scripts: bool = False,
        visit: Visit | None = None,
        **values: object,
    ) -> web.Response:
        """A page.

        Args:
            template: name of its template.
            status: HTTP status code.
            forms: whether it has a form; without one the browser is told that it has none.
            scripts: whether it runs scripts of ours; it must say the same without them.
            visit: who is signed in, for the menu; that has a form of its own, to sign out.
            values: for the template.
        """
        text = _TEMPLATES.get_template(template).render(
            page=self.page, signs_in=self.signs_in, visit=visit, **values
        )
        answer = web.Response(
            text=text,
            status=status,
            content_type="text/html",
            charset="utf-8",
            headers={hdrs.CACHE_CONTROL: NO_STORE, hdrs.CONTENT_LANGUAGE: "en-GB"},
        )
        if forms or visit is not None:
            answer.headers["Content-Security-Policy"] = _WITH_SCRIPTS if scripts else _WITH_FORMS
            # With no referrer at all browsers say `Origin: null` of our own forms as well.
            answer.headers["Referrer-Policy"] = "same-origin"
        return answer

    def problem(self, status: int, text: str, *, title: str | None = None) -> web.Response:
        """A page for what went wrong."""
        title = title or _TITLES.get(status, "This does not work just now")
        return self.show("problem.html", status=status, title=title, text=text)


def errors(answers: Answers) -> Middleware:
    """Turns what handlers raise into pages."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPServiceUnavailable as refusal:
            return answers.problem(refusal.status, refusal.text or "")
        except web.HTTPRedirection:
            raise
        except web.HTTPException as refusal:
            answer = answers.problem(refusal.status, "")
            if hdrs.ALLOW in refusal.headers:
                answer.headers[hdrs.ALLOW] = refusal.headers[hdrs.ALLOW]
            return answer
        except Exception:  # noqa: BLE001 - the outermost handler
            # A defect of ours: this request gets a page, the next one a new chance. The record
            # names the route, never what the client sent.
            _LOG.exception("%s failed", request.match_info.handler.__name__)
            return answers.problem(500, "")

    return middleware


async def guard(request: web.Request, response: web.StreamResponse) -> None:
    """The headers of every answer; run last, so that no handler can forget them."""
    del request
    response.headers.update(_HEADERS)
    response.headers.setdefault("Content-Security-Policy", _READ_ONLY)
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    response.headers.setdefault(hdrs.CACHE_CONTROL, NO_STORE)
    response.headers.popall(hdrs.SERVER, None)
