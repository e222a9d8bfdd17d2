"""A way of delivery: what syslog, HTTPS and files have in common.

In: a parcel. Out: nothing, once the receiver has it; or `Failed` or `Refused`.
Must never: return before the receiver has it, as well as its protocol can tell.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from proxy_addons.settings.feeds import FeedTls


class Failed(Exception):  # noqa: N818 - named as what is the case
    """The receiver may or may not have the parcel: it is sent again.

    Attributes:
        after: seconds to wait at least, where the receiver said so.
        cut_off: whether the receiver, or the way to it, broke down.
    """

    def __init__(self, message: str, *, after: float = 0.0, cut_off: bool = False) -> None:
        super().__init__(message)
        self.after = after
        self.cut_off = cut_off


class Refused(Exception):  # noqa: N818 - as above
    """The receiver will never take the parcel: the feed stands still until somebody acts."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is delivered at once.

    Attributes:
        number: of the batch; the same however often it is sent.
        records: masked.
        marked: for each record, whether the receiver may have it already.
        repeated: whether the batch may have been sent before.
    """

    number: str
    records: Sequence[Mapping[str, Any]]
    marked: Sequence[bool]
    repeated: bool

    @property
    def span(self) -> str:
        """Which records: `w1:100-250 w2:7-9`, numbers within each worker."""
        found: dict[int, tuple[int, int]] = {}
        for record in self.records:
            worker, number = record.get("worker"), record.get("seq")
            if isinstance(worker, int) and isinstance(number, int):
                first, last = found.get(worker, (number, number))
                found[worker] = (min(first, number), max(last, number))
        return " ".join(f"w{worker}:{a}-{b}" for worker, (a, b) in sorted(found.items()))


class Way(Protocol):
    """One. For one thread."""

    def note(self) -> dict[str, int]:
        """What is to be kept with a batch that is going to be sent, to find it again."""

    def deliver(self, parcel: Parcel, note: Mapping[str, int]) -> None:
        """Deliver a parcel.

        Args:
            parcel: what to deliver.
            note: what `note` said before it was sent for the first time.

        Raises:
            Failed: it is to be tried again.
            Refused: it is not.
        """

    def stand_by(self) -> None:
        """Get ready for the next parcel.

        Raises:
            Failed: the receiver has gone.
        """

    def sound(self) -> bool:
        """Whether nothing has broken down since the last parcel. Does not wait."""

    def close(self) -> None:
        """Let go of everything."""


def tls_context(tls: FeedTls) -> ssl.SSLContext:
    """A client's TLS that always checks the certificate and its name.

    Whatever Python's version: 3.13 began to ask for extensions of RFC 5280
    (VERIFY_X509_STRICT) that the own authorities of many a site lack.

    Raises:
        OSError: a file cannot be used; ssl.SSLError is one.
    """
    context = ssl.create_default_context(cafile=str(tls.ca_file) if tls.ca_file else None)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls.certificate is not None:
        context.load_cert_chain(tls.certificate, tls.key)
    return context
