"""What dip sampling asks of other parts: a request for authority, and the end of a sample's view.

In: nothing. Out: two protocols.
Must never: know who carries them out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from proxy_addons.standing.actor import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """What a reviewer found worth a request.

    Attributes:
        sample: pseudonym.
        person: whom it is about.
        service: `officer`, `staff` or `other`: by which the approver is found (Inf/27 4.2.6).
        since: first moment of the week, UTC.
        until: first moment after it.
        why: the reviewer's reason.
        authority: of the standing authorisation.
    """

    sample: str
    person: str
    service: str
    since: datetime
    until: datetime
    why: str
    authority: str


class Requests(Protocol):
    """Who drafts requests for authority (`audit/authority/`)."""

    def draft(self, actor: Actor, concern: Concern) -> str:
        """Draft a request, which nobody has approved.

        Asked again for the same sample, it gives the same reference: the answer may have been lost.

        Returns:
            Its reference, at most 32 characters.
        """


@dataclass(frozen=True, slots=True)
class Deleted:
    """What there was of a sample's view.

    Attributes:
        records: how many records it had.
        names: of the files or rows that went, for the certificate's hash; none where nothing had
            been stored.
    """

    records: int
    names: tuple[str, ...] = ()


class Views(Protocol):
    """Who keeps what reviewers see of a sample."""

    def delete(self, sample: str) -> Deleted:
        """Delete all that was stored for a sample, by its pseudonym, durably.

        Asked again, it gives what it gave the first time, or nothing.
        """


class NoViews:
    """Where nothing of a sample is ever stored: each look is answered anew."""

    def delete(self, sample: str) -> Deleted:
        """See `Views.delete`."""
        del sample
        return Deleted(0)
