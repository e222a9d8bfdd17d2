"""Delivery by HTTPS: a batch is a POST, and 2xx says that the receiver has it.

In: parcels. Out: what the receiver answered for.
Must never: follow a redirect, which would hand records to somebody else; show the token; read an
answer without end.

`Idempotency-Key` is the number of the batch: the same lines have the same, also after a restart. A
receiver that remembers it has nothing twice.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import aiohttp

from proxy_addons.accesslog.feeds.ecs import ecs
from proxy_addons.accesslog.feeds.ocsf import ocsf
from proxy_addons.accesslog.feeds.ways import Failed, Refused, tls_context

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from proxy_addons.accesslog.feeds.shape import Record
    from proxy_addons.accesslog.feeds.ways import Parcel
    from proxy_addons.accesslog.feeds.where import Gateway
    from proxy_addons.settings.feeds import Feed

_TRY_AGAIN = frozenset({408, 425, 429})  # RFC 9110 15.5.9, RFC 8470 5.2, RFC 6585 4
_ANSWER = 300  # octets of an answer that are shown when it says no
_LONGEST_WAIT = 300.0  # seconds, whatever Retry-After says


def document(
    record: Record, feed: Feed, gateway: Gateway, *, resent: bool = False
) -> dict[str, Any]:
    """A record in the format of a feed of JSON."""
    return (ocsf if feed.format == "ocsf" else ecs)(record, gateway, resent=resent)


def line(made: dict[str, Any]) -> bytes:
    """A document as one line, without its newline. Always the same for the same."""
    return json.dumps(made, ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode()


def body(documents: Iterable[dict[str, Any]], form: str) -> bytes:
    """A batch: NDJSON, or a JSON array."""
    lines = [line(each) for each in documents]
    if form == "array":
        return b"[" + b",".join(lines) + b"]"
    return b"".join(each + b"\n" for each in lines)


class Https:
    """See `ways.Way`. It has an event loop of its own, which runs only while it delivers.

    Args:
        feed: of the kind `https`.
        gateway: that delivers.
    """

    def __init__(self, feed: Feed, gateway: Gateway) -> None:
        self._feed = feed
        self._gateway = gateway
        self._runner: asyncio.Runner | None = None
        self._session: aiohttp.ClientSession | None = None

    def note(self) -> dict[str, int]:
        """Nothing: the batch's number is enough."""
        return {}

    def stand_by(self) -> None:
        """Nothing is to be done."""

    def sound(self) -> bool:
        """What was answered for is the receiver's."""
        return True

    def deliver(self, parcel: Parcel, note: Mapping[str, int]) -> None:
        """Post a batch."""
        del note
        if self._runner is None:
            self._runner = asyncio.Runner()
        try:
            self._runner.run(self._post(parcel))
        except (Failed, Refused):
            # A new attempt begins with a new connection, and with the certificates of then.
            self._runner.run(self._let_go())
            raise

    def close(self) -> None:
        """Close the connection and the loop."""
        if self._runner is not None:
            self._runner.run(self._let_go())
            self._runner.close()
            self._runner = None

    async def _post(self, parcel: Parcel) -> None:
        feed = self._feed
        data = body((document(each, feed, self._gateway) for each in parcel.records), feed.body)
        headers = {
            "Content-Type": "application/json" if feed.body == "array" else "application/x-ndjson",
            "Idempotency-Key": parcel.number,
            "Watchhouse-Records": parcel.span,
        }
        if parcel.repeated:
            headers["Watchhouse-Repeated"] = "1"
        if feed.token:
            headers["Authorization"] = f"Bearer {feed.token}"
        try:
            if self._session is None:
                self._session = self._open()
            async with self._session.post(
                feed.url,
                data=data,
                headers=headers,
                allow_redirects=False,
                server_hostname=feed.tls.name or None,
            ) as answer:
                if not 200 <= answer.status < 300:
                    raise await self._no(answer)
                await answer.content.read(_ANSWER)
        except aiohttp.ClientConnectorCertificateError as problem:
            raise Failed(f"is not trusted: {problem.certificate_error}") from problem
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            # It may have the batch, or not.
            words = str(problem) or type(problem).__name__
            raise Failed(f"did not answer: {words}", cut_off=True) from problem

    def _open(self) -> aiohttp.ClientSession:
        feed = self._feed
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls_context(feed.tls), limit=1),
            timeout=aiohttp.ClientTimeout(total=feed.timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )

    async def _no(self, answer: aiohttp.ClientResponse) -> Failed | Refused:
        said = await answer.content.read(_ANSWER)
        text = "".join(
            char if char.isprintable() else " " for char in said.decode(errors="replace")
        )
        if self._feed.token:
            text = text.replace(self._feed.token, "***")
        words = f"answered {answer.status}: {text.strip()}"
        if answer.status >= 500 or answer.status in _TRY_AGAIN:
            return Failed(words, after=_wait(answer.headers.get("Retry-After", "")))
        return Refused(words)

    async def _let_go(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


def _wait(text: str) -> float:
    """Seconds of Retry-After; a date, or nonsense, is nothing."""
    return min(float(text), _LONGEST_WAIT) if text.isascii() and text.isdigit() else 0.0
