"""What is open to everybody: PAC file, authority, health, metrics, and a front page that explains.

In: GET and HEAD requests from browsers, load balancers and Prometheus.
Out: small answers that no script can abuse.
Must never: change anything, know who asks, serve the private key, or block the event loop.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable  # noqa: TC003 - dataclass fields are evaluated
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from proxy_addons.accesslog.feeds.keeping import STATE_FILE
from proxy_addons.gate import metricfiles
from proxy_addons.gate.wording import date_words
from proxy_addons.portal import alerthealth, authority, feedhealth, health, listhealth, pac
from proxy_addons.portal.answers import NO_STORE

if TYPE_CHECKING:
    from pathlib import Path

    from proxy_addons.portal.answers import Answers
    from proxy_addons.settings.model import Settings

# Browsers fetch a PAC file at their start and when the network changes; five minutes are enough to
# spare the portal a crowd, and short enough for a changed list of proxies to get about.
_PAC_CACHE = "private, max-age=300"


@dataclass(frozen=True, slots=True)
class OpenPages:
    """The handlers, and what they need.

    Attributes:
        settings: of this gateway.
        answers: makes pages.
        clock: seconds since the epoch.
    """

    settings: Settings
    answers: Answers
    clock: Callable[[], float] = time.time

    def routes(self) -> list[web.RouteDef]:
        """What is served, and by which handler."""
        return [
            web.get("/", self.front),
            web.get("/proxy.pac", self.pac_file),
            web.get("/wpad.dat", self.pac_file),
            web.get("/ca", self.ca_page),
            web.get("/ca.pem", self.ca_pem),
            web.get("/ca.der", self.ca_der),
            web.get("/healthz", self.healthz),
            web.get("/metrics", self.metrics),
        ]

    # --- for browsers -----------------------------------------------------------------------

    async def front(self, request: web.Request) -> web.Response:
        """What this is, and how to use it."""
        base = f"http://{self._own_authority(request)}"
        return self.answers.show("front.html", base=base, proxies=self._proxies(request))

    async def pac_file(self, request: web.Request) -> web.Response:
        """`/proxy.pac` and `/wpad.dat`: one file, by the name that each way of set-up asks for."""
        text = pac.script(self.settings, self._proxies(request))
        return web.Response(
            body=text.encode(),
            headers={hdrs.CONTENT_TYPE: pac.CONTENT_TYPE, hdrs.CACHE_CONTROL: _PAC_CACHE},
        )

    async def ca_page(self, request: web.Request) -> web.Response:
        """How to install the authority's certificate, and what to compare before."""
        found = await self._authority()
        return self.answers.show(
            "ca.html",
            base=f"http://{self._own_authority(request)}",
            authority=found,
            not_after=date_words(found.not_after),
        )

    async def ca_pem(self, request: web.Request) -> web.Response:
        """The authority's certificate, PEM."""
        del request
        return self._download((await self._authority()).pem, "application/x-pem-file", "pem")

    async def ca_der(self, request: web.Request) -> web.Response:
        """The authority's certificate, DER: the form that phones and Windows open at a tap."""
        del request
        der = (await self._authority()).der
        return self._download(der, "application/x-x509-ca-cert", "cer")

    # --- for machines -----------------------------------------------------------------------

    async def healthz(self, request: web.Request) -> web.Response:
        """Whether requests are served: 200 or 503, and why."""
        del request
        feeds, alerts, lists = await asyncio.to_thread(self._others)
        found = await asyncio.to_thread(
            health.read,
            self._metrics,
            self._workers,
            self.clock(),
            self.settings.paths.run_dir,
            feeds,
            alerts,
            lists,
        )
        body = {**found.as_json(), "policy_version": self.settings.policy_version}
        return web.json_response(
            body,
            status=found.http_status,
            headers={hdrs.CACHE_CONTROL: NO_STORE},
            dumps=lambda value: json.dumps(value, indent=1) + "\n",
        )

    async def metrics(self, request: web.Request) -> web.Response:
        """The metrics of all workers, for Prometheus."""
        accept = request.headers.get(hdrs.ACCEPT, "")
        feeds, alerts, lists = await asyncio.to_thread(self._others)
        body, content_type = await asyncio.to_thread(
            health.exposition,
            self._metrics,
            self._workers,
            self.clock(),
            accept,
            self.settings.paths.run_dir,
            feeds,
            alerts,
            lists=lists,
        )
        return web.Response(
            body=body, headers={hdrs.CONTENT_TYPE: content_type, hdrs.CACHE_CONTROL: NO_STORE}
        )

    # --- inside -----------------------------------------------------------------------------

    def _others(
        self,
    ) -> tuple[
        tuple[feedhealth.FeedHealth, ...],
        alerthealth.AlertHealth | None,
        tuple[listhealth.ListHealth, ...],
    ]:
        """How what goes beside browsing goes, as it tells in files."""
        folder, now = self.settings.paths.run_dir, self.clock()
        names = [feed.name for feed in self.settings.feeds]
        feeds = feedhealth.read(folder / STATE_FILE, names, now)
        lists = listhealth.read(self.settings.paths.imported_lists_dir, now)
        if not self.settings.alerts:
            return feeds, None, lists
        return feeds, alerthealth.read(folder / alerthealth.STATE_FILE, now), lists

    @property
    def _metrics(self) -> Path:
        return metricfiles.directory_of(self.settings.paths.run_dir)

    @property
    def _workers(self) -> int:
        return self.settings.listen.workers

    async def _authority(self) -> authority.PublicAuthority:
        try:
            return await asyncio.to_thread(authority.read, self.settings.paths.ca_dir)
        except authority.AuthorityUnreadableError as problem:
            raise web.HTTPServiceUnavailable(text=str(problem)) from problem

    def _reached_at(self, request: web.Request) -> str:
        """The host at which this client reaches this machine, for wildcard listeners only."""
        named = pac.host_of(request.headers.get(hdrs.HOST))
        if named is not None:
            return named
        # No Host, or none that is valid: the address that the connection itself came to.
        address: tuple[str, int] = request.get_extra_info("sockname")
        return address[0]

    def _proxies(self, request: web.Request) -> tuple[str, ...]:
        return pac.proxies_of(self.settings, self._reached_at(request))

    def _own_authority(self, request: web.Request) -> str:
        own = self.settings.listen.portal[0]
        host = self._reached_at(request) if pac.is_wildcard(own) else own.host
        # The port comes from the listener even so: what a Host header says of it proves nothing.
        port: int = request.get_extra_info("sockname")[1]
        return pac.host_and_port(host, port)

    @staticmethod
    def _download(body: bytes, content_type: str, suffix: str) -> web.Response:
        return web.Response(
            body=body,
            headers={
                hdrs.CONTENT_TYPE: content_type,
                hdrs.CACHE_CONTROL: NO_STORE,
                # Named, not forced on to the disk: phones then offer to install it.
                hdrs.CONTENT_DISPOSITION: f'inline; filename="watchhouse-ca.{suffix}"',
            },
        )
