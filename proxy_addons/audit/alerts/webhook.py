"""Telling a receiver of alerts by HTTPS.

In: an alert's document. Out: a POST that was answered with 2xx, or why not.
Must never: follow a redirect, which would tell somebody else; show the secret; wait for ever.

`Watchhouse-Signature: t=TIME,v1=HEX` is HMAC-SHA256 of `TIME.BODY` (RFC 2104): who has the secret
knows that it is from here, unchanged, and not from long ago. `Idempotency-Key` is the alert's
reference: the same however often it is sent.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from typing import TYPE_CHECKING, Final

import aiohttp

from proxy_addons.accesslog.feeds.ways import tls_context
from proxy_addons.audit.alerts.outbox import UndeliveredError
from proxy_addons.settings.feeds import FeedTls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from proxy_addons.settings.alerts import Webhook

_TIMEOUT: Final = 20.0  # seconds
_ANSWER: Final = 200  # octets of an answer that are shown when it says no


def signature(secret: bytes, at: int, body: bytes) -> str:
    """The header's value.

    Args:
        secret: shared with the receiver.
        at: Unix time in seconds.
        body: as it is sent.
    """
    made = hmac.new(secret, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={made}"


class Webhooks:
    """Delivers to the receivers of the settings; see `outbox.Way`.

    Args:
        receivers: of the settings.
        clock: Unix time.
    """

    def __init__(self, receivers: Iterable[Webhook], clock: Callable[[], float]) -> None:
        self._receivers = {each.name: each for each in receivers}
        self._clock = clock

    def __call__(self, reference: str, target: str, body: str) -> None:
        """Post a document.

        Raises:
            UndeliveredError: nobody answered for it.
        """
        receiver = self._receivers.get(target)
        if receiver is None:
            msg = f"alert_webhooks has no {target} any more"
            raise UndeliveredError(msg)
        try:
            asyncio.run(self._post(receiver, reference, body.encode()))
        except aiohttp.ClientConnectorCertificateError as problem:
            # Nothing was sent.
            msg = f"{target} is not trusted: {problem.certificate_error}"
            raise UndeliveredError(msg) from problem
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            # It may have it, or not: it is sent again with the same key.
            msg = f"{target} did not answer: {str(problem) or type(problem).__name__}"
            raise UndeliveredError(msg) from problem

    async def _post(self, receiver: Webhook, reference: str, body: bytes) -> None:
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": reference,
            "Watchhouse-Signature": signature(receiver.secret, int(self._clock()), body),
        }
        context = tls_context(FeedTls(ca_file=receiver.ca_file))
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context),
                timeout=aiohttp.ClientTimeout(total=_TIMEOUT),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            ) as session,
            session.post(receiver.url, data=body, headers=headers, allow_redirects=False) as answer,
        ):
            said = await answer.content.read(_ANSWER)
            if not 200 <= answer.status < 300:
                text = said.decode(errors="replace").replace(receiver.secret.decode(), "***")
                shown = "".join(each if each.isprintable() else " " for each in text)
                msg = f"{receiver.name} answered {answer.status}: {shown}".strip()
                raise UndeliveredError(msg)
