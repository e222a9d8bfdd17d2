"""Who keeps us waiting: the waits of one client connection, without a timer for each request.

In: the layers say when a wait begins and ends; the worker looks about once a second.
Out: the waits that have taken too long.
Must never: read a clock (a wait is dated by the first look that finds it, so it may last one look
longer than its limit, never shorter).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from mitmproxy.proxy import events

if TYPE_CHECKING:
    from collections.abc import Collection

    from proxy_addons.engine.options import EngineOptions


class Wait(StrEnum):
    """What is waited for.

    HEAD: the rest of a request's head, whose first byte has come. Its end: the head is complete.
    HANDSHAKE: TLS (or a request) inside an accepted CONNECT.
    FIRST_BYTE: the head of an answer, the request having been sent on.
    BODY: the next byte of a body. Begun anew with every byte; not running while we do not read.
    STREAM: the same for one of several exchanges on a connection: only that exchange ends.
    TRICKLE: a client waits for an answer that is kept back. It is not late: it gets some of it.
    """

    HEAD = "head"
    HANDSHAKE = "handshake"
    FIRST_BYTE = "first-byte"
    BODY = "body"
    STREAM = "stream"
    TRICKLE = "trickle"

    # That of Enum is written in Python; begin and end run several times a request.
    __hash__ = str.__hash__


# Of these the layers are told (`Late`), and end one exchange; the others end the connection.
OF_THE_LAYERS = frozenset({Wait.FIRST_BYTE, Wait.STREAM, Wait.TRICKLE})
OF_BODIES = frozenset({Wait.BODY, Wait.STREAM})


@dataclass
class Late(events.Event):
    """A wait has taken too long. Layers that do not know its key hand it on or pass it over.

    Attributes:
        what: `FIRST_BYTE`, `STREAM` or `TRICKLE`; its wait has been ended.
        key: as it was begun with.
    """

    what: Wait
    key: object


class Pace:
    """The waits of one client connection.

    Args:
        options: has their limits.
    """

    __slots__ = ("_options", "_since")

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        # When the wait was first seen by a look; None before that.
        self._since: dict[tuple[Wait, object], float | None] = {}

    def begin(self, what: Wait, key: object = None) -> None:
        """A wait begins. One that runs goes on, but for BODY and STREAM, which begin anew."""
        if what in OF_BODIES:
            self._since[what, key] = None
        else:
            self._since.setdefault((what, key))

    def end(self, what: Wait, key: object = None) -> None:
        """A wait is over; it need not have begun."""
        self._since.pop((what, key), None)

    def waits(self, what: Wait, key: object = None) -> bool:
        """Whether a wait runs."""
        return (what, key) in self._since

    def limit(self, what: Wait) -> float:
        """Seconds that a wait may take."""
        options = self._options
        if what is Wait.HEAD:
            return options.head_timeout
        if what is Wait.HANDSHAKE:
            return options.handshake_timeout
        if what is Wait.FIRST_BYTE:
            return options.first_byte_timeout
        if what is Wait.TRICKLE:
            return options.trickle_after
        return options.body_timeout

    def overdue(
        self, now: float, free: Collection[Wait] = frozenset()
    ) -> list[tuple[Wait, object]]:
        """End and give the waits that have taken too long.

        Args:
            now: seconds of any clock that never goes back.
            free: what is not late just now, because we ourselves do not read it: a peer takes its
                data slowly, or a server is being reached.
        """
        since = self._since
        found = []
        for each, begun in since.items():
            if begun is None or each[0] in free:
                since[each] = now
            elif now - begun >= self.limit(each[0]):
                found.append(each)
        for each in found:
            del since[each]
        return found


def said(what: Wait, seconds: float) -> str:
    """Why a connection or an exchange was ended, for its record."""
    if what is Wait.HEAD:
        return f"a request head that took more than {seconds:g} s"
    if what is Wait.HANDSHAKE:
        return f"no TLS within {seconds:g} s of CONNECT"
    if what is Wait.FIRST_BYTE:
        return f"no answer within {seconds:g} s"
    return f"no byte of a body for {seconds:g} s"
