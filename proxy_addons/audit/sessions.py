"""Sessions: what somebody did in one go, out of single requests.

In: rows of one answer, in any order. Out: sessions, the earliest first.
Must never: join what two people did; count as opened what a browser fetched by itself; tell more
than the rows do.

A session is a run of one person's requests (or one address's, where nobody is known) from one
client without a pause longer than `PAUSE`. That is a way to read, not evidence: nobody signs off
from a web page, and a browser that is left open goes on asking.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from proxy_addons.policy.model import REFUSALS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from proxy_addons.audit.store import Row

PAUSE: Final = timedelta(minutes=15)
"""Longer than people read one page, shorter than a break between two pieces of work."""
_SITES: Final = 5


@dataclass(frozen=True, slots=True)
class Session:
    """One of them.

    Attributes:
        who: the person as the rows show it, or the client's address.
        client: its address; "" where rows do not show it.
        begins: start of its first request.
        ends: start of its last one.
        requests: all of them.
        opened: those that the person opened themselves, as far as it is known.
        refused: how many were refused.
        sites: the hosts asked for most, and how often; those that were opened count first.
        masked: requests whose site is masked.
    """

    who: str
    client: str
    begins: datetime
    ends: datetime
    requests: int
    opened: int
    refused: int
    sites: tuple[tuple[str, int], ...]
    masked: int

    @property
    def minutes(self) -> int:
        """How long it lasted, at least."""
        return int((self.ends - self.begins) / timedelta(minutes=1))


def sessions(rows: Iterable[Row], *, pause: timedelta = PAUSE) -> tuple[Session, ...]:
    """Group rows.

    Args:
        rows: with the field `start`; those without one are left out.
        pause: the longest one within a session.
    """
    whose: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        values = row.values
        if values.get("start") is None:
            continue
        client = values.get("client_ip") or ""
        whose.setdefault((values.get("person") or client, client), []).append(row)
    found: list[Session] = []
    for (who, client), theirs in whose.items():
        theirs.sort(key=lambda row: (row.values["start"], row.at))
        run: list[Row] = []
        for row in theirs:
            if run and row.values["start"] - run[-1].values["start"] > pause:
                found.append(_session(who, client, run))
                run = []
            run.append(row)
        found.append(_session(who, client, run))
    return tuple(sorted(found, key=lambda each: (each.begins, each.who, each.client)))


def _session(who: str, client: str, rows: list[Row]) -> Session:
    sites: Counter[str] = Counter()
    opened = 0
    for row in rows:
        host = row.values.get("host")
        by_hand = row.values.get("opened") is True
        opened += by_hand
        if host:
            sites[host] += len(rows) if by_hand else 1  # opened ones before all that they fetched
    asked = Counter(row.values.get("host") for row in rows)
    return Session(
        who,
        client,
        rows[0].values["start"],
        rows[-1].values["start"],
        len(rows),
        opened,
        sum(row.values.get("action") in REFUSALS for row in rows),
        tuple((host, asked[host]) for host, _ in sites.most_common(_SITES)),
        sum(row.masked for row in rows),
    )
