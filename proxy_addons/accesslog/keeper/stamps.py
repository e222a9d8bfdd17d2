"""The step that has the last checkpoint of each log stamped (RFC 3161).

In: settings, checkpoints. Out: time-stamps that were checked.
Must never: keep one that does not hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.accesslog.keeper.asking import AskError, post
from proxy_addons.accesslog.keeper.step import Outcome
from proxy_addons.accesslog.seal.files import put
from proxy_addons.accesslog.seal.logs import logs_of
from proxy_addons.accesslog.seal.notes import Checkpoint, parts_of
from proxy_addons.accesslog.seal.stamping import (
    StampCheck,
    StampError,
    read_stamp,
    request,
    stamp_of,
)

if TYPE_CHECKING:
    from typing import Any

    from proxy_addons.accesslog.keeper.step import Context
    from proxy_addons.accesslog.seal.logs import SealedLog
    from proxy_addons.accesslog.seal.stamping import Stamp

_QUERY, _REPLY = "application/timestamp-query", "application/timestamp-reply"  # RFC 3161, 3.4


class Stamps:
    """Asks the time-stamping authority."""

    name = "timestamps"

    def run(self, context: Context) -> Outcome:
        """Stamp what is not stamped yet."""
        if context.settings.log.timestamps.url is None:
            return Outcome()
        known: dict[str, Any] = dict(context.known)
        problems, said = [], []
        for log in logs_of(context.settings):
            try:
                stamp = _stamp(log, context)
            except (AskError, StampError) as problem:
                # This checkpoint stays without one unless the next round is in time for it.
                problems.append(f"no time-stamp for the log {log.name}: {problem}")
                continue
            if stamp is not None:
                known[log.name] = {"size": stamp.size, "at": stamp.at.timestamp()}
                said.append(f"checkpoint {stamp.size} of the log {log.name} is time-stamped")
        return Outcome("; ".join(said), known, tuple(problems))


def _stamp(log: SealedLog, context: Context) -> Stamp | None:
    """Have the last checkpoint stamped; None where there is none, or it is.

    Raises:
        AskError: the authority does not answer.
        StampError: it answers something else.
    """
    note, configured = log.seals.note(), context.settings.log.timestamps
    if not note or configured.url is None:
        return None
    text = parts_of(note)[0]
    size = Checkpoint.parse(text).size
    path = stamp_of(log.sealed, size)
    if path.exists():
        return None
    asked = request(text)
    answer = post(configured.url, asked.as_bytes(), _QUERY, context.settings.tls.trusted_ca_file)
    if answer.status != 200 or answer.content_type != _REPLY:
        raise StampError(f"{configured.url} answered {answer.status} {answer.content_type}")
    stamp = read_stamp(size, answer.body, text, StampCheck.of(configured.certificate), asked)
    put(path, answer.body)
    return stamp
