"""The witness as a server: `add-checkpoint`, and the last checkpoint of each log for anybody.

In: HTTP. Out: what rules.py decides, once it is durable.
Must never: answer with a signature before what it signed is remembered; decide on two requests at
a time; go on after a write of which nobody knows whether it took place.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from typing import TYPE_CHECKING, Final

from aiohttp import hdrs, web

from proxy_addons.accesslog.witness.message import LARGEST
from proxy_addons.accesslog.witness.rules import CONFLICT, INCONSISTENT, OK, PLAIN, decide

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from proxy_addons.accesslog.seal.notes import Signer, Verifier
    from proxy_addons.accesslog.witness.store import Store

logger = logging.getLogger("watchhouse.witness")

_CANNOT: Final = 503


class Witness:
    """Answers requests.

    Args:
        signer: its key.
        logs: keys of the logs that it knows.
        store: what it remembers.
        clock: gives seconds since 1970.
    """

    def __init__(
        self, signer: Signer, logs: Collection[Verifier], store: Store, clock: Callable[[], float]
    ) -> None:
        self._signer = signer
        self._logs = logs
        self._store = store
        self._clock = clock
        self._one = asyncio.Lock()
        self._broken = False

    def app(self) -> web.Application:
        """The application."""
        app = web.Application(client_max_size=LARGEST)
        app.router.add_post("/add-checkpoint", self.add_checkpoint)
        app.router.add_get("/{origin:[0-9a-f]{64}}/checkpoint", self.checkpoint)
        return app

    async def add_checkpoint(self, request: web.Request) -> web.Response:
        """Sign a checkpoint that goes on from the last one."""
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return web.Response(status=400, text="too long\n", content_type=PLAIN)
        async with self._one:
            if self._broken:
                return web.Response(status=_CANNOT, text="it cannot remember\n")
            now = max(1, int(self._clock()))
            found = decide(body, self._store.last, self._logs, self._signer, now)
            if found.keep:
                try:
                    await asyncio.shield(
                        asyncio.to_thread(self._store.keep, found.origin, found.keep)
                    )
                except OSError as problem:
                    # Which of the two checkpoints is there cannot be known before a restart has
                    # read it: until then nothing is signed.
                    self._broken = True
                    logger.critical("nothing is signed any more: it cannot be kept: %s", problem)
                    return web.Response(status=_CANNOT, text="it cannot remember\n")
        if found.status in {CONFLICT, INCONSISTENT}:
            logger.warning("%s: %s %s", found.origin, found.status, found.body.strip())
        elif found.status == OK:
            logger.info("%s: signed", found.origin)
        return web.Response(
            status=found.status,
            body=found.body.encode(),
            headers={hdrs.CONTENT_TYPE: _typed(found.content_type)},
        )

    async def checkpoint(self, request: web.Request) -> web.Response:
        """The last checkpoint of a log, for those who watch over it."""
        wanted = request.match_info["origin"]
        for origin, note in self._store.last.items():
            if hashlib.sha256(origin.encode()).hexdigest() == wanted:
                return web.Response(body=note.encode(), headers={hdrs.CONTENT_TYPE: _typed(PLAIN)})
        return web.Response(status=404, text="nothing of this log was signed\n")


def _typed(content_type: str) -> str:
    return f"{content_type}; charset=utf-8" if content_type == PLAIN else content_type
