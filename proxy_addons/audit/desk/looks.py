"""The trail, for auditors: who looked at what, by which right.

In: who asks, which records. Out: a page of them.
Must never: show the trail to anybody but an auditor; show it without a record of that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy_addons.audit.desk.calls import Noted, TrailFound
from proxy_addons.audit.desk.wire import Refused
from proxy_addons.audit.trail import LOOK
from proxy_addons.audit.trailreader import TrailFilter

if TYPE_CHECKING:
    from proxy_addons.audit.desk.calls import ReadTrail
    from proxy_addons.audit.desk.desk import Desk
    from proxy_addons.audit.desk.wire import Who
    from proxy_addons.audit.trailreader import TrailReader, TrailRecord

AUDITOR = "auditor"
_MOST = 50
_FOR_AUDITORS = "The trail is for auditors."


class Looks:
    """Answers calls about the trail.

    Args:
        desk: records that it was read.
        reader: of the trail.
    """

    def __init__(self, desk: Desk, reader: TrailReader) -> None:
        self._desk = desk
        self._reader = reader

    def read(self, who: Who, call: ReadTrail) -> TrailFound:
        """A page.

        Raises:
            Refused: nothing is shown.
        """
        if AUDITOR not in who.roles:
            outcome = {"trail": True, "refused": _FOR_AUDITORS}
            self._desk.note(LOOK, who, call.authorisation, None, outcome)
            raise Refused("refused", _FOR_AUDITORS)
        wanted = TrailFilter(call.person, call.authorisation, call.event, call.since, call.until)
        try:
            page = self._reader.page(wanted, most=_MOST, after=call.after)
        except ValueError as problem:
            raise Refused("wrong", "There is no such page of the trail.") from problem
        except OSError as problem:
            raise Refused("unavailable", f"The trail cannot be read: {problem.strerror}") from (
                problem
            )
        outcome = {"trail": True, "rows": len(page.records), "page": bool(call.after)}
        self._desk.note(LOOK, who, call.authorisation, None, outcome)
        return TrailFound(tuple(map(_noted, page.records)), page.after, page.problems)


def _noted(found: TrailRecord) -> Noted:
    record = found.record

    def text(name: str) -> str:
        value = record.get(name)
        return value if isinstance(value, str) else ""

    def table(name: str) -> dict[str, Any]:
        value = record.get(name)
        return value if isinstance(value, dict) else {}

    return Noted(
        text("id"),
        text("start"),
        text("event"),
        text("person"),
        text("how"),
        text("authorisation"),
        table("question"),
        table("outcome"),
        found.segment,
        found.line,
    )
