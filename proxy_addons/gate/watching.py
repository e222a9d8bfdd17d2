"""Watching an answer: what it truly is, before the person has it.

In: the head of an answer, its body piece by piece as a lane of the engine passes it on.
Out: how much of it has to be kept back for now; a refusal.
Must never: let a body pass that could not be looked at as if it had been; make a page wait whose
first bytes say what it is; hold more than a head and a tail, but where all of it has to be looked
at (held.py).

Nearly all of what a policy asks is in the first bytes (`content.types.HEAD`); what shows only at
the end (a disk image's trailer, an archive behind a picture) is looked for in a tail that is kept
back, so that a file which is refused there never arrives whole.
"""

from __future__ import annotations

import logging
import sys
from enum import Enum
from typing import TYPE_CHECKING, Final

from proxy_addons.content.coding import CodingError, Decoder
from proxy_addons.content.declared import declared_of
from proxy_addons.content.plain import ZIP, is_of_text, shows_zip
from proxy_addons.content.types import HEAD, TAIL, is_plain, tail_types, types_of
from proxy_addons.gate.answerhead import LIVE
from proxy_addons.gate.glance import is_ordinary
from proxy_addons.gate.whole import whose
from proxy_addons.policy.findings import FILE_TYPE, found

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from proxy_addons.content.declared import Declared
    from proxy_addons.gate.answerhead import AnswerHead
    from proxy_addons.gate.held import Held
    from proxy_addons.gate.refusal import Answer
    from proxy_addons.gate.whole import Bodies, Looked

logger = logging.getLogger("watchhouse.gate")

ALL: Final = sys.maxsize
"""To be kept back: everything, for now."""
DONE: Final = 0
"""Nothing: it may go on, and is not looked at any more."""
FLOW: Final = -2
"""Nothing for now, but the looking goes on."""
AGAIN: Final = -3
"""Nothing of this answer goes out: the server is asked for `Watch.part` instead."""
WAIT: Final = -4
"""Everything is kept back until `Watch.settle` has said what comes of it."""
REFUSED: Final = -1
"""Nothing more goes out: `Watch.refusal` instead, or a broken transfer where something has."""

_PARTIAL: Final = 206
_TEXTS: Final = frozenset({"text", "web-page", "web-script", "style-sheet", "data"})
_UNREADABLE: Final = frozenset({"unreadable-archive"})
_FEW: Final = 16  # bytes from which on a first look is taken


class _Stage(Enum):
    HEAD = 0
    """Its first bytes are looked at."""
    TEXT = 1
    """It is text so far: it passes, unless an archive begins in it."""
    BODY = 2
    """It is not refused for its first bytes; its last ones are kept back."""
    WHOLE = 3
    """All of it has to be looked at: it is kept back until then."""


class Watch:
    """Watches one answer.

    Args:
        path: of the request's target.
        judge: told what has been found; gives the refusal, or None where it may go on.
        fail: told why nothing can be said (an exception's class); gives the refusal.
        parts: whether a part may come that does not show the beginning: whatever the file is.
        bodies: looks into whole bodies; None: nothing does.
        kinds: of findings that could change the decision.
        told: told the name of a virus, and words about what was found, for the record.
        about: the request, for alerts (`Bodies.look`).
        typed: gives what is found of a declared type; None: nobody asks.

    Attributes:
        held: all of the body so far, as it came, where all of it has to be looked at; None before
            that is known, and where it is not so. The lane closes it (`let_go`) when what was to go
            out of it has gone, or nothing will.
        refusal: the answer to give instead, once it is refused.
        part: the `Range` to send; None for that of the client, "" for none (parts.py).
    """

    __slots__ = (
        "_about", "_bodies", "_came", "_declared", "_decoded", "_decoder", "_early", "_fail",
        "_head", "_judge", "_kinds", "_length", "_live", "_looked", "_note", "_parts", "_path",
        "_seen", "_stage", "_tail", "_typed", "_wanted", "held", "part", "refusal",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913 - each is a fact of its own
        self,
        path: str,
        judge: Callable[[frozenset[str]], Answer | None],
        fail: Callable[[str], Answer],
        *,
        parts: bool = False,
        bodies: Bodies | None = None,
        kinds: frozenset[str] = frozenset(),
        told: Callable[[Looked], None] = lambda _: None,
        about: Callable[[], Mapping[str, str]] = dict,
        typed: Callable[[str], frozenset[str]] | None = None,
    ) -> None:
        self._path = path
        self._bodies = bodies
        self._kinds = kinds
        self._note = told
        self._about = about
        self._typed = typed
        self._wanted: frozenset[str] = frozenset()
        self._early: list[bytes] = []  # as they came, until it is known whether all is held
        self._decoded: Held | None = None  # the same as `held` without content coding
        self._parts = parts
        self._judge = judge
        self._fail = fail
        self._declared: Declared | None = None
        self._decoder: Decoder | None = None
        self._head = b""
        self._seen: frozenset[str] = frozenset()
        self._tail = b""
        self._came = 0
        self._looked = 0
        self._length: int | None = None
        self._live = False
        self._stage = _Stage.HEAD
        self.held: Held | None = None
        self.refusal: Answer | None = None
        self.part: str | None = None

    def passes(self, status: int, fields: Iterable[tuple[bytes, bytes]], content: bytes) -> bool:
        """Whether an answer that came whole, with its head, may go on without being watched.

        Args:
            status: HTTP status code.
            fields: of its head.
            content: all of its body, as it came.
        """
        if self._typed is not None:
            return False  # its head has to be judged
        try:
            return is_ordinary(self._path, status, fields, content)
        except Exception as problem:  # noqa: BLE001 - whatever it is, the answer is watched
            logger.error("a glance at an answer failed (%s): watched", type(problem).__name__)
            return False

    def begin(self, head: AnswerHead) -> int:
        """The head has come.

        Returns:
            `DONE`: there is nothing to look at; `ALL`: `feed` has to be asked; `AGAIN`; `REFUSED`.
        """
        try:
            told = self._typed(head.content_type) if self._typed and head.has_body else None
            self.refusal = self._judge(told) if told else None
            return self._begin(head) if self.refusal is None else REFUSED
        except Exception as problem:  # noqa: BLE001 - whatever it is, the answer is refused
            return self._failed(problem)

    def _begin(self, head: AnswerHead) -> int:
        if not head.has_body:
            return DONE
        self._declared = self._declared_by(head)
        self._length = head.length
        self._live = self._declared.content_type.startswith(LIVE) and not self._declared.attachment
        if head.status == _PARTIAL and not head.content_range.lower().startswith("bytes 0-"):
            if self._parts:
                return DONE  # whatever it is part of may be given
            # It was not asked for (parts.py), and what it is part of cannot be seen.
            self.refusal = self._fail("a part that nobody asked for")
            return REFUSED
        if head.coding:
            try:
                self._decoder = Decoder(head.coding)
            except CodingError:
                return self._told(_UNREADABLE, DONE)
        return ALL

    def _declared_by(self, head: AnswerHead) -> Declared:
        return declared_of(self._path, head.content_type, head.disposition)

    def feed(self, data: bytes, *, last: bool) -> int:
        """A piece of the body has come; or its end.

        Args:
            data: as it came, without transfer coding.
            last: whether that was all.

        Returns:
            How many of the bytes that have come so far are to be kept back, `ALL` of them, or none
            (`FLOW`); `DONE` where nothing more has to be looked at; `AGAIN`; `REFUSED`. Where
            `held` is no longer None and this is neither `ALL` nor `WAIT`, what is held may go.
        """
        try:
            return self._feed(data, last=last)
        except Exception as problem:  # noqa: BLE001 - whatever it is, the answer is refused
            return self._failed(problem)

    def _failed(self, problem: Exception) -> int:
        # No traceback: it could quote what the server sent.
        logger.error("looking at an answer failed (%s): refused", type(problem).__name__)
        self.refusal = self._fail(type(problem).__name__)
        return REFUSED

    def _feed(self, data: bytes, *, last: bool) -> int:
        self._came += len(data)
        if self._bodies is not None and self._stage is _Stage.HEAD:
            self._early.append(data)
        elif (
            self._stage is _Stage.WHOLE
            and self.held is not None
            and not self.held.put(data)
            and self._no_room() == REFUSED
        ):
            return REFUSED
        if self._decoder is None:
            return self._see(data, last=last)
        keep = FLOW if self._stage is _Stage.TEXT else self._keep()
        try:
            for piece in self._decoder.feed(data):
                keep = self._see(piece, last=False)
                if keep in {DONE, REFUSED}:
                    return keep
        except CodingError:
            return self._told(_UNREADABLE, DONE)
        return self._see(b"", last=True) if last else keep

    def _see(self, data: bytes, *, last: bool) -> int:
        """More of what the body is without content coding."""
        if self._stage is _Stage.HEAD:
            self._head += data
            if not self._known(last=last):
                return self._keep()
            if self.refusal is not None or not self._placed():
                return REFUSED
            data, self._head = self._head, b""
        if self._stage is _Stage.WHOLE:
            if self._collected(data):
                return WAIT if last else ALL
            if self.refusal is not None:
                return REFUSED
        if self._stage is _Stage.TEXT:
            data = self._tail + data
            if not shows_zip(data):
                self._tail = data[-len(ZIP) + 1 :]
                return DONE if last else FLOW
            # An archive begins in the middle of a text: from here on its end is what matters.
            self._stage, self._tail = _Stage.BODY, b""
        return self._pass_on(data, last=last)

    def _pass_on(self, data: bytes, *, last: bool) -> int:
        """More of a body of which only the end matters."""
        if self._decoder is None and self._length is not None:
            left = self._length - self._came
            if left >= TAIL:  # of a film of hours nothing is kept until its end is near
                if last:
                    raise EOFError
                self._tail = b""
                return FLOW
        self._tail = (self._tail + data)[-TAIL:]
        if last:
            assert self._declared is not None
            return self._told(tail_types(self._tail, self._declared, seen=self._seen), DONE)
        return self._keep()

    def _known(self, *, last: bool) -> bool:
        """Whether the first bytes, as far as they have come, say what it is."""
        assert self._declared is not None
        size = len(self._head)
        if not last and size < _FEW:
            return False
        if is_plain(self._head, self._declared):
            self._seen = frozenset()
            self._stage = _Stage.TEXT if is_of_text(self._head) else _Stage.BODY
            return True
        if last or size >= HEAD or (self._live and size >= 2 * self._looked):
            self._looked = size  # at each doubling: no trickle is looked at byte by byte
            types = self._seen = types_of(self._head[:HEAD], self._declared, whole=last)
            if self._told(types, DONE) == REFUSED or last or size >= HEAD:
                text = types <= _TEXTS and is_of_text(self._head)
                self._stage = _Stage.TEXT if text else _Stage.BODY
                # Text that comes slowly is shown as it comes: of that nobody waits for the end.
                waits = last or not (text and self._live)
                if self.refusal is None and self._bodies is not None and waits:
                    self._wanted = self._bodies.wanted(types, self._kinds)
                    if self._wanted:
                        self._stage = _Stage.WHOLE
                return True
            # What is no text is not shown as it comes, whatever is said of it.
            self._live = types <= _TEXTS
        return False

    def _placed(self) -> bool:
        """Where all of it has to be looked at, hold it. False: refused, as there is no room."""
        placed = self._stage is not _Stage.WHOLE or self._hold() or self._no_room() != REFUSED
        self._early.clear()
        return placed

    def _collected(self, data: bytes) -> bool:
        """Whether there is room for what was decoded."""
        if self._decoded is None or self._decoded.put(data):
            return True
        self._no_room()
        return False

    def _hold(self) -> bool:
        """Hold what has come, and what will. False where there is no room for it."""
        assert self._bodies is not None
        holding = self._bodies.holding
        if (self._length or 0) > holding.largest:
            return False  # nobody needs to wait to see it
        self.held = holding.begin(whose(self._about()))
        if self._decoder is not None:
            self._decoded = holding.begin()
        if not all(map(self.held.put, self._early)):
            self.let_go()
        return self.held is not None

    def _no_room(self) -> int:
        """More than can be looked at: what that means is for the policy to say."""
        assert self._bodies is not None
        self._stage = _Stage.BODY
        if self._decoded is not None:
            self._decoded.close()
            self._decoded = None
        self.refusal = self._judge(self._bodies.too_large(self._wanted))
        return FLOW if self.refusal is None else REFUSED

    @property
    def behind(self) -> bool:
        """Whether no more of the body should be read for now: see `caught_up`."""
        return any(held is not None and held.behind for held in (self.held, self._decoded))

    async def caught_up(self) -> None:
        """Wait until there is room for more of the body. Never raises, but where cancelled."""
        for held in (self.held, self._decoded):
            if held is not None:
                await held.caught_up()

    async def settle(self) -> int:
        """All of the body has come: have it looked at.

        Returns:
            `DONE` or `REFUSED`. Never raises, but where it is cancelled.
        """
        assert self._bodies is not None
        assert self._declared is not None
        held = self.held if self._decoded is None else self._decoded
        assert held is not None
        try:
            looked = await self._bodies.look(held, self._declared, self._wanted, self._about())
            self._note(looked)
            self.refusal = self._judge(looked.findings) if looked.findings else None
        except Exception as problem:  # noqa: BLE001 - whatever it is, the answer is refused
            return self._failed(problem)
        finally:
            if self._decoded is not None:
                self._decoded.close()
                self._decoded = None
        return DONE if self.refusal is None else REFUSED

    def let_go(self) -> None:
        """Nothing more is needed of what is held."""
        for held in (self.held, self._decoded):
            if held is not None:
                held.close()
        self.held = self._decoded = None
        self._early.clear()

    def _keep(self) -> int:
        """How much is kept back while it goes on."""
        if self._stage is _Stage.HEAD:
            return FLOW if self._live else ALL
        if self._stage is _Stage.WHOLE:
            return ALL
        if self._length is None or self._decoder is not None:
            return TAIL
        keep = TAIL - (self._length - self._came)
        return keep if keep > 0 else FLOW

    def _told(self, types: frozenset[str], otherwise: int) -> int:
        if types:
            self.refusal = self._judge(found(FILE_TYPE, types))
        return otherwise if self.refusal is None else REFUSED
