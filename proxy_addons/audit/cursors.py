"""Cursors: where the next page begins.

In: the last row of a page. Out: a text that says so, and that nobody can change.
Must never: hold more than that row shows; be taken for another question, or other bounds.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from proxy_addons.audit.store import CursorError

if TYPE_CHECKING:
    from proxy_addons.audit.store import Bounds, Question, Row

_MAC: Final = 16
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Cursors:
    """Writes and reads them.

    Args:
        key: a secret of this process: cursors end with it.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def write(self, last: Row, given: int, asking: tuple[Bounds, Question]) -> str:
        """The cursor behind a row.

        Args:
            last: row of the page.
            given: how many rows there were so far.
            asking: what was asked, within which bounds.
        """
        start = last.values.get("start")
        micros = None if start is None else (start - _EPOCH) // timedelta(microseconds=1)
        said = json.dumps([micros, last.at.segment, last.at.line, given]).encode()
        return base64.urlsafe_b64encode(self._mac(said, asking) + said).decode()

    def read(self, cursor: str, asking: tuple[Bounds, Question]) -> tuple[Any, int]:
        """Where it is: (microseconds, segment, line), and how many rows there were.

        Raises:
            CursorError: it was changed, or is of another question or another process.
        """
        try:
            octets = base64.b64decode(cursor.encode(), b"-_", validate=True)
        except ValueError:
            octets = b""  # refused below, as every other one that is not ours
        mac, said = octets[:_MAC], octets[_MAC:]
        if not hmac.compare_digest(mac, self._mac(said, asking)):
            raise CursorError("This is no page of this question; ask for the first page again.")
        micros, segment, line, given = json.loads(said)
        return (micros, segment, line), given

    def _mac(self, said: bytes, asking: tuple[Bounds, Question]) -> bytes:
        bounds, question = asking
        sets = (bounds.fields, bounds.persons, bounds.categories, bounds.special)
        named = repr(
            (
                *(each if each is None else sorted(each) for each in sets),
                *(bounds.since, bounds.until, bounds.rows, bounds.pseudonyms, question),
            )
        )
        told = hashlib.sha256(named.encode("utf-8", "surrogatepass")).digest()
        return hmac.digest(self._key, told + said, "sha256")[:_MAC]
