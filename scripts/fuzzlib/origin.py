"""A server in memory that reads requests strictly and answers each.

In: what reached it. Out: answers; the requests as it read them. Must never: mend what it reads.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import h11

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.memory import Reached

_ANSWER = b"the answer"


@dataclass
class Asked:
    """One request as a server reads it.

    Attributes:
        method, target: of its first line.
        fields: names in lower case, and values.
        body: decoded.
        complete: whether its end has come.
    """

    method: bytes
    target: bytes
    fields: list[tuple[bytes, bytes]]
    body: bytearray = field(default_factory=bytearray)
    complete: bool = False

    @property
    def host(self) -> bytes:
        """Its Host field; b"" without one."""
        return next((value for name, value in self.fields if name == b"host"), b"")


@dataclass
class Reading:
    """What one server connection has read.

    Attributes:
        connection: h11's state.
        asked: the requests.
        broken: why it could not read on.
        seen: bytes read.
    """

    connection: Any = field(default_factory=lambda: h11.Connection(h11.SERVER, 1 << 20))
    asked: list[Asked] = field(default_factory=list)
    broken: str = ""
    seen: int = 0


def reading(reached: Reached) -> Reading:
    """What a server has read so far."""
    if reached.note is None:
        reached.note = Reading()
    found: Reading = reached.note
    return found


def answer(reached: Reached, say: Callable[[bytes | None], None]) -> None:
    """Read what is new, and answer each request that is complete."""
    state = reading(reached)
    new = bytes(reached.got[state.seen :])
    state.seen += len(new)
    if state.broken:
        return
    connection = state.connection
    connection.receive_data(new)
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                state.asked.append(Asked(event.method, event.target, list(event.headers)))
            elif isinstance(event, h11.Data):
                state.asked[-1].body += event.data
            elif isinstance(event, h11.EndOfMessage):
                state.asked[-1].complete = True
                _say(connection, state.asked[-1], say)
                if connection.our_state is not h11.DONE:
                    say(None)
                    return
                connection.start_next_cycle()
            else:
                return
    except h11.RemoteProtocolError as problem:
        state.broken = str(problem)
        say(None)


def _say(connection: Any, asked: Asked, say: Callable[[bytes | None], None]) -> None:
    head = h11.Response(status_code=200, headers=[("Content-Length", str(len(_ANSWER)))])
    said = connection.send(head)
    if asked.method != b"HEAD":
        said += connection.send(h11.Data(data=_ANSWER))
    say(said + connection.send(h11.EndOfMessage()))
