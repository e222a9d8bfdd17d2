"""How the portal and the desk talk: lines of JSON over a Unix socket.

In: one call, as an object; who makes it. Out: one answer, or answers one after the other, or a
refusal.
Must never: take a message that is not what its type says; carry a name that its sender has not
proven (the portal has); hold more than one message in memory.

A connection carries one call after another. The answer to a call is one line, but for what streams:
there each item is a line, and a last line says how it ended, so that a stream that was cut off is
never taken for a whole one.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

import msgspec

LONGEST: Final = 8 << 20
"""Bytes of one message, at most: a page of rows with the longest addresses."""


class Who(msgspec.Struct, frozen=True):
    """Who asks: as the portal has proven it.

    Attributes:
        name: canonical login name.
        roles: in the portal.
        how: the name was proven, e.g. `kerberos`.
    """

    name: str
    roles: frozenset[str]
    how: str


class Call[T](msgspec.Struct, frozen=True, tag=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that can be asked of the desk. Subclasses say what, and what comes back.

    Attributes:
        answer: type of the answer, or of each item of a stream.
        streams: whether items come one after the other.
    """

    answer: ClassVar[Any] = None
    streams: ClassVar[bool] = False


class Refused(Exception):  # noqa: N818 - named as what is the case
    """The desk did not do it. Nothing was shown, nothing was changed.

    Attributes:
        kind: `refused` (a rule, or no authority), `stale` (somebody else was quicker), `unknown`
            (there is none), `wrong` (what was asked makes no sense), `unavailable` (later again).
        text: for people.
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text


class Reply(msgspec.Struct, omit_defaults=True):
    """One line of an answer: exactly one of these is said.

    Attributes:
        value: the answer.
        item: one of a stream.
        ended: the stream is whole; how many items it had.
        refused: kind of refusal, with its `text`.
    """

    value: msgspec.Raw = msgspec.Raw()
    item: msgspec.Raw = msgspec.Raw()
    ended: int | None = None
    refused: str = ""
    text: str = ""


_ENCODER: Final = msgspec.json.Encoder()


def line(message: Any) -> bytes:
    """A message as a line."""
    return _ENCODER.encode(message) + b"\n"


def raw(value: Any) -> msgspec.Raw:
    """A value within a reply."""
    return msgspec.Raw(_ENCODER.encode(value))
