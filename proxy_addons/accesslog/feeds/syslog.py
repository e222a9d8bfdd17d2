"""Delivery by syslog over TLS (RFC 5425).

In: parcels. Out: messages that the receiver's program has read.
Must never: send to who is not proved; wait for ever.

A parcel is a connection: its orderly end is the acknowledgement (tlspipe.py). The next connection
is opened at once and waits: if it breaks, the receiver has gone down, and what it had read in the
last seconds, but perhaps not kept, is sent again (delivery.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.accesslog.feeds.rfc5424 import framed
from proxy_addons.accesslog.feeds.tlspipe import TlsPipe, Unconfirmed
from proxy_addons.accesslog.feeds.ways import Failed, Refused, tls_context

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy_addons.accesslog.feeds.ways import Parcel
    from proxy_addons.accesslog.feeds.where import Gateway
    from proxy_addons.settings.feeds import Feed

_AT_ONCE = 1 << 18  # octets
_UNCONFIRMED = 5  # batches in a row after which it is no accident: it would go on for ever


class Syslog:
    """See `ways.Way`.

    Args:
        feed: of the kind `syslog`.
        gateway: that delivers.
    """

    def __init__(self, feed: Feed, gateway: Gateway) -> None:
        self._feed = feed
        self._gateway = gateway
        self._ready: TlsPipe | None = None
        self._unconfirmed = 0

    def note(self) -> dict[str, int]:
        """Nothing: what was sent cannot be found again."""
        return {}

    def deliver(self, parcel: Parcel, note: Mapping[str, int]) -> None:
        """Send messages, and wait until they were read."""
        del note
        pipe, self._ready = self._ready or self._open(), None
        try:
            held = bytearray()
            for record, marked in zip(parcel.records, parcel.marked, strict=True):
                held += framed(record, self._feed, self._gateway, resent=marked)
                if len(held) >= _AT_ONCE:
                    pipe.send(bytes(held))
                    held.clear()
            if held:
                pipe.send(bytes(held))
            pipe.finish()
            self._unconfirmed = 0
        except Unconfirmed as problem:
            # It is sent again, unless that is how this receiver always closes.
            self._unconfirmed += 1
            if self._unconfirmed < _UNCONFIRMED:
                raise
            message = (
                f"{problem}, {_UNCONFIRMED} times in a row, so nobody can know what it has read."
                " rsyslog does so with the driver gtls: use ossl, or write `confirm: tcp`"
            )
            raise Refused(message) from problem
        finally:
            pipe.close()

    def stand_by(self) -> None:
        """Open the connection for the next parcel.

        Raises:
            Failed: it cannot be had.
        """
        if self._ready is None:
            self._ready = self._open()

    def sound(self) -> bool:
        """Whether the connection that waits is still good; it is let go of if not."""
        if self._ready is None:
            return True
        if self._ready.alive():
            return True
        self.close()
        return False

    def close(self) -> None:
        """Let go of the connection that waits; nothing was sent on it."""
        if self._ready is not None:
            self._ready.close()
            self._ready = None

    def _open(self) -> TlsPipe:
        feed = self._feed
        try:
            context = tls_context(feed.tls)  # anew: certificates are renewed while we run
        except OSError as problem:
            # The records wait until the files are good again.
            message = f"tls: its files cannot be used: {problem}"
            raise Failed(message) from problem
        return TlsPipe(
            feed.host,
            feed.port,
            context,
            feed.tls.name or feed.host,
            feed.timeout,
            by_tcp=feed.confirm == "tcp",
        )
