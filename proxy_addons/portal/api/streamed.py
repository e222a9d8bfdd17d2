"""Rows as they come: CSV and JSON lines, without a file of their own in between.

In: rows, one after the other; a question whether it may go on. Out: an answer in chunks.
Must never: end an answer that is not whole as if it were; go on for longer than two seconds when
the right to it has ended; hold all rows in memory.
"""

from __future__ import annotations

import io
import logging
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from aiohttp import web

from proxy_addons.audit.desk.wire import Refused
from proxy_addons.portal.psd.exported import headers_of, writer_of
from proxy_addons.standing.problems import StandingUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
    from datetime import datetime

    from proxy_addons.audit.store import Row
    from proxy_addons.portal.psd.exported import Form

_LOG = logging.getLogger("watchhouse.portal.api")

AT_ONCE: Final = 500
"""Rows of one chunk."""
ASKED_EVERY: Final = 1.0
"""Seconds between two looks at whether the right still holds."""


class CutOffError(Exception):
    """The right to it ended in the middle."""

    def __init__(self) -> None:
        super().__init__("its token does not hold any more")


async def while_held(
    rows: AsyncGenerator[Row], may_go_on: Callable[[], Awaitable[bool]]
) -> AsyncGenerator[Row]:
    """The same rows, as long as the right to them holds: asked each second, and at their end.

    Raises:
        CutOffError: it does not any more.
    """
    asked = time.monotonic()
    async with aclosing(rows):
        async for row in rows:
            if time.monotonic() - asked >= ASKED_EVERY:
                if not await may_go_on():
                    raise CutOffError
                asked = time.monotonic()
            yield row
    if not await may_go_on():
        raise CutOffError


async def streamed(
    request: web.Request,
    form: Form,
    rows: AsyncGenerator[Row],
    *,
    named: tuple[str, datetime],
    headers: Mapping[str, str],
) -> web.StreamResponse:
    """Send rows.

    Args:
        request: to be answered, of HTTP/1.1 or later.
        form: of the file: CSV or JSON lines.
        rows: all of them, see `while_held`.
        named: reference and time, for the file's name.
        headers: of the answer besides.

    Returns:
        The answer, also where it was cut off: the connection is at its end then.

    Raises:
        Refused: by the desk, before anything was sent.
        CutOffError: before anything was sent.
    """
    answer = web.StreamResponse(headers={**headers_of(form, *named), **headers})
    answer.enable_chunked_encoding()
    async with aclosing(rows):
        first = await anext(rows, None)  # by now the desk has recorded it, or refused
        await answer.prepare(request)
        try:
            await _sent(answer, form, first, rows)
        except (Refused, CutOffError, StandingUnavailableError) as problem:
            # Some of it is with the client, who sees an answer without an end: not whole.
            _LOG.warning("an export was cut off: %s", problem)
            if request.transport is not None:
                request.transport.abort()
    return answer


async def _sent(
    answer: web.StreamResponse, form: Form, first: Row | None, rows: AsyncIterator[Row]
) -> None:
    text = io.StringIO(newline="")
    write = writer_of(form, text)

    async def send(several: list[Row]) -> None:
        write(several)
        await answer.write(text.getvalue().encode())
        text.seek(0)
        text.truncate()

    several = [] if first is None else [first]
    async for row in rows:
        several.append(row)
        if len(several) >= AT_ONCE:
            await send(several)
            several = []
    await send(several)
    await answer.write_eof()
