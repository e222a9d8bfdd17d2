"""Looking at what a request sends, before any of it is sent on.

In: the head of a request that was let through, its body piece by piece as a lane of the engine
reads it. Out: how long it is to be held; a refusal.
Must never: let a byte of a body go before it is known what is in it; hold more than there is room
for; be asked again once it has let go.

Answers go out while they are looked at (watching.py), requests do not: what a site has of a marked
document before the end was seen, it has. People wait no longer for that than their own network and
the gateway's take together.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Final

from proxy_addons.gate.watching import ALL, DONE, REFUSED, WAIT
from proxy_addons.gate.whole import whose
from proxy_addons.policy.findings import SENDS, found
from proxy_addons.policy.measures import over

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from proxy_addons.content.outgoing import Sent
    from proxy_addons.gate.held import Held
    from proxy_addons.gate.refusal import Answer
    from proxy_addons.gate.whole import Bodies

logger = logging.getLogger("watchhouse.gate")

_UNREAD: Final = found(SENDS, ["unread"])


class Sending:
    """Looks at the body of one request.

    Args:
        headers: fields of its head that say what the body is, names in lower case
            (`addons.heads.facts_of_head`).
        path: of its target, as sent.
        judge: told what has been found; gives the refusal, or None where it may go on.
        fail: told why nothing can be said (an exception's class); gives the refusal.
        bodies: what looks into files, and the room for what is held; None: the body is refused.
        about: the request (`Bodies.look`).
        domains: of the force's e-mail addresses.
        told: told what was found, for the record.
        sizes: in bytes, that rules ask about, where the head says no length: it is counted.
        reads: whether what it holds is looked at; else it is only counted.

    Attributes:
        refusal: the answer to give instead, once it is refused.
        held: what has come; None before anything has.
        passes: called once, when it goes on; None: nobody is told.
    """

    __slots__ = (
        "_about", "_bodies", "_came", "_domains", "_fail", "_headers", "_judge", "_path", "_reads",
        "_sizes", "_told", "held", "passes", "refusal",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913 - each is a fact of its own
        self,
        headers: Mapping[str, str],
        path: str,
        judge: Callable[[frozenset[str]], Answer | None],
        fail: Callable[[str], Answer],
        *,
        bodies: Bodies | None,
        about: Callable[[], Mapping[str, str]],
        domains: Sequence[str] = (),
        told: Callable[[Sent], None] = lambda _: None,
        sizes: Sequence[int] = (),
        reads: bool = True,
    ) -> None:
        self._headers = headers
        self._path = path
        self._judge = judge
        self._fail = fail
        self._bodies = bodies
        self._about = about
        self._domains = domains
        self._told = told
        self._sizes = sizes
        self._reads = reads
        self._came = 0
        self.held: Held | None = None
        self.refusal: Answer | None = None
        self.passes: Callable[[], None] | None = None

    def feed(self, data: bytes, *, last: bool) -> int:
        """A piece of the body has come; or its end.

        Args:
            data: as it came, without transfer coding.
            last: whether that was all.

        Returns:
            `ALL`: it is held, and so is what came before; `WAIT`: all of it is held until `settle`
            has said what comes of it; `DONE`: what is held goes on, and then these bytes and what
            follows them as it comes, as the policy lets pass what was not read; `REFUSED`.
        """
        try:
            return self._said(self._feed(data, last=last))
        except Exception as problem:  # noqa: BLE001 - whatever it is, the request is refused
            return self._failed(problem)

    def _said(self, found: int) -> int:
        """Tell, once, that it goes on."""
        if found == DONE and self.passes is not None:
            passes, self.passes = self.passes, None
            passes()
        return found

    def _feed(self, data: bytes, *, last: bool) -> int:
        if not data and self.held is None:
            return DONE if last else ALL  # where it ends so there is no body
        if self._bodies is None:
            # A worker has them from its beginning to its end: something is wrong with it.
            self.refusal = self._fail("nothing looks at what is sent")
            return REFUSED
        if self._sizes and not self._small_enough(len(data)):
            return REFUSED
        if self.held is None:
            self.held = self._bodies.holding.begin(whose(self._about()))
        if data and not self.held.put(data):
            # More than can be held: what that means is for the policy to say. How much there is
            # to come nobody will count: it counts as more than any rule asks about.
            unknown = over(sys.maxsize, self._sizes)
            self.refusal = self._judge(_UNREAD | unknown)
            return DONE if self.refusal is None else REFUSED
        if not self._reads:
            return DONE if last else ALL
        return WAIT if last else ALL

    def _small_enough(self, more: int) -> bool:
        """Whether it may go on being so large."""
        before, self._came = self._came, self._came + more
        passed = over(self._came, self._sizes) - over(before, self._sizes)
        if passed:
            self.refusal = self._judge(passed)
        return self.refusal is None

    @property
    def behind(self) -> bool:
        """Whether no more should be read for now, until `caught_up`."""
        return self.held is not None and self.held.behind

    async def caught_up(self) -> None:
        """Wait until more can be read. Never raises, but where it is cancelled."""
        if self.held is not None:
            await self.held.caught_up()

    async def settle(self) -> int:
        """All of the body has come: have it looked at.

        Returns:
            `DONE` or `REFUSED`. Never raises, but where it is cancelled.
        """
        assert self._bodies is not None
        assert self.held is not None
        try:
            sent = await self._bodies.look_sent(
                self.held, self._headers, self._path, self._domains, self._about()
            )
            self._told(sent)
            self.refusal = self._judge(sent.findings) if sent.findings else None
            return self._said(DONE if self.refusal is None else REFUSED)
        except Exception as problem:  # noqa: BLE001 - whatever it is, the request is refused
            return self._failed(problem)

    def close(self) -> None:
        """It has gone on, is refused, or the client has left: give back what is held."""
        if self.held is not None:
            self.held.close()

    def _failed(self, problem: Exception) -> int:
        # No traceback: it could quote what the client sent.
        logger.error("looking at a request's body failed (%s): refused", type(problem).__name__)
        self.refusal = self._fail(type(problem).__name__)
        return REFUSED
