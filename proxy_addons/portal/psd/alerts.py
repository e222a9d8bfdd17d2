"""The queue of alerts, for professional standards.

In: a visit, filters in the address. Out: a page of alerts, the newest first.
Must never: show an address that somebody opened; show somebody an alert about themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from aiohttp import web

from proxy_addons.audit.alerts.model import OUTCOMES, AlertState
from proxy_addons.portal.access import PAGES
from proxy_addons.portal.register.shown import moment_words
from proxy_addons.settings.alerts import SEVERITIES

if TYPE_CHECKING:
    from datetime import tzinfo

    from proxy_addons.audit.alerts.model import QueuedAlert
    from proxy_addons.portal.signin.guard import Guard, Visit
    from proxy_addons.portal.signin.services import Services

ON_A_PAGE: Final = 100
STATES: Final = {
    AlertState.NEW: ("New", "wait"),
    AlertState.SEEN: ("Seen", "good"),
    AlertState.REQUESTED: ("Authorisation asked for", "good"),
    AlertState.CLOSED: ("Closed", "gone"),
}
"""State → what people read, and the look of it."""
LOOKS: Final = {"low": "gone", "medium": "wait", "high": "not"}
KINDS: Final = {"person": "person", "client": "computer", "everybody": "too many people"}
_MEASURED: Final = {"records": "records", "hosts": "different sites"}
_SHOW: Final = ("open", "closed", "all")
_LONGEST: Final = 256


def shown(found: QueuedAlert, zone: tzinfo) -> dict[str, Any]:
    """An alert in words."""
    words, look = STATES[found.state]
    return {
        "it": found,
        "words": words,
        "look": look,
        "severity_look": LOOKS[found.severity],
        "who": found.who or "-",
        "kind": KINDS[found.kind],
        "raised": moment_words(found.raised_at, zone),
        "first": moment_words(found.first_at, zone),
        "last": moment_words(found.last_at, zone),
        "amount": _measured(found.amount, found.measure),
        "threshold": _measured(found.threshold, found.measure),
        "outcome": OUTCOMES.get(found.outcome or "", ""),
    }


def _measured(amount: int, measure: str) -> str:
    if measure in _MEASURED:
        return f"{amount:,} {_MEASURED[measure]}"
    direction = "sent" if measure == "up" else "received"
    for size, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if amount >= size:
            return f"{amount / size:.1f} {unit} {direction}"
    return f"{amount} octets {direction}"


class AlertQueue:
    """The handlers.

    Args:
        services: the register.
        guard: who may see the page.
    """

    def __init__(self, services: Services, guard: Guard) -> None:
        self._services = services
        self._guard = guard
        self._zone = services.settings.policy.time_zone

    def routes(self) -> list[web.RouteDef]:
        """What is served, and by which handler."""
        return [web.get("/psd/alerts", self._guard.page(PAGES["alerts"], self.listed))]

    async def listed(self, request: web.Request, visit: Visit) -> web.Response:
        """The queue."""
        query = {name: request.query.get(name, "").strip()[:_LONGEST] for name in _FILTERS}
        show = query["show"] if query["show"] in _SHOW else "open"
        severity = query["severity"] if query["severity"] in SEVERITIES else ""
        found = await self._services.threads.run(
            lambda: self._services.alerts().some(
                closed=None if show == "all" else show == "closed",
                alert=query["alert"],
                severity=severity,
                who=query["who"],
                but=visit.someone.name,
                most=ON_A_PAGE + 1,
            )
        )
        known = sorted({each.id for each in self._services.settings.alerts})
        return self._services.answers.show(
            "psd-alerts.html",
            visit=visit,
            here="alerts",
            show=show,
            query=query,
            severity=severity,
            severities=SEVERITIES,
            known=known,
            links={name: _address(query, show=name) for name in _SHOW},
            rows=[shown(each, self._zone) for each in found[:ON_A_PAGE]],
            more=len(found) > ON_A_PAGE,
        )


_FILTERS: Final = ("show", "alert", "severity", "who")


def _address(query: dict[str, str], **changed: str) -> str:
    told = {name: value for name, value in {**query, **changed}.items() if value}
    return f"/psd/alerts?{urlencode(told)}"
