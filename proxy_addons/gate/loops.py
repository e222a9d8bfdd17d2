"""Loops: what the gateway says of itself in `Via`, and whether a request has been here before.

In: the setting `network.via`, a secret shared by all workers, the time. Out: a `Via` value
(RFC 9110 7.6.3) for requests sent on; whether one that comes carries ours.
Must never: name the host or the force. By itself the pseudonym changes every few minutes, and only
who has the secret can tell two of them to be of one gateway: no site can follow our visitors by it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_PERIOD = 600.0  # seconds that a pseudonym is used
_NONCE, _MARK = 8, 12  # hexadecimal digits
_OURS = re.compile(rf"[0-9a-f]{{{_NONCE + _MARK}}}", re.ASCII)
_MOST = 100  # proxies on one way; more are a loop whoever they are


class Loops:
    """Marks requests, and knows them again.

    Args:
        secret: at least 16 bytes, the same in every worker.
        pseudonym: a fixed one in place of those that change; a token (RFC 9110 5.6.2).
        clock: monotonic seconds.
        random: gives so many random bytes.
    """

    def __init__(
        self,
        secret: bytes,
        pseudonym: str | None,
        clock: Callable[[], float],
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._secret = secret
        self._fixed = pseudonym.lower() if pseudonym else None
        self._clock = clock
        self._random = random
        self._until = float("-inf")
        self._values = (b"", b"")

    def via(self, *, http2: bool) -> bytes:
        """What to add to the `Via` of a request.

        Args:
            http2: whether the request came over HTTP/2 (the protocol named is that received).
        """
        now = self._clock()
        if now >= self._until:
            self._until = now + _PERIOD
            name = (self._fixed or self._fresh()).encode("ascii")
            self._values = (b"1.1 " + name, b"2 " + name)
        return self._values[http2]

    def is_ours(self, via: str) -> bool:
        """Whether a request with this `Via` has been here before, or at more proxies than any way.

        Args:
            via: all `Via` fields, joined by commas.
        """
        hops = via.split(",")
        if len(hops) > _MOST:
            return True
        return any(self._known(words[1].lower()) for hop in hops if len(words := hop.split()) > 1)

    def _fresh(self) -> str:
        nonce = self._random(_NONCE // 2).hex()
        return nonce + self._mark(nonce)

    def _known(self, name: str) -> bool:
        if self._fixed is not None:
            return name == self._fixed
        if not _OURS.fullmatch(name):
            return False
        return hmac.compare_digest(self._mark(name[:_NONCE]), name[_NONCE:])

    def _mark(self, nonce: str) -> str:
        digest = hashlib.blake2s(nonce.encode("ascii"), key=self._secret[:32], person=b"via")
        return digest.hexdigest()[:_MARK]
