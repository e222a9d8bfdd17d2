"""The table, run: row by row, each with its verdict.

In: rows, the place where they are sent, what is at hand for them. Out: results, one by one.
Must never: leave a row out without saying so.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy_addons.selftest.judge import Outcome, Verdict, judge
from proxy_addons.selftest.observed import Observed
from proxy_addons.selftest.send import send

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from proxy_addons.selftest.send import Place
    from proxy_addons.selftest.table import Row

_BUSY, _AGAIN, _PAUSE = 503, 5, 1.0  # status, times, seconds
_WHY = {
    "origin": "needs an origin of ours that the gateway can reach: --origin",
    "origin-tls": "needs an origin of ours with a certificate that the gateway trusts",
    "resolver": "needs a name server of ours",
    "bank": "needs a site that is never decrypted: --spliced-host",
    "people": "needs people at other addresses",
}


@dataclass(frozen=True, slots=True)
class Result:
    """One row, what was observed of it, and what that means."""

    row: Row
    seen: Observed
    verdict: Verdict


def run(rows: Iterable[Row], place: Place, at_hand: Collection[str]) -> Iterator[Result]:
    """Send each row in turn.

    Args:
        rows: of the table.
        place: where they are sent.
        at_hand: what rows may need and is there: of NEEDS in table.py.

    Raises:
        OSError: the proxy cannot be reached any more.
    """
    for row in rows:
        missing = [_WHY[need] for need in sorted(row.needs) if need in _WHY and need not in at_hand]
        missing += [f"needs {{{name}}}" for name in row.names if name not in place.names]
        if missing:
            verdict = Verdict(Outcome.NOT_RUN, "; ".join(missing))
            yield Result(row, Observed(), verdict)
            continue
        seen = send(row, place)
        for _ in range(0 if _BUSY in row.status else _AGAIN):
            if not any(answer.by_gateway and answer.status == _BUSY for answer in seen.answers):
                break
            # It refuses everything just now (load, the log's disk): that says nothing of the row.
            time.sleep(_PAUSE)
            seen = send(row, place)
        yield Result(row, seen, judge(row, seen, place.names))
