"""What a connection waits for that is not of its own: an answer from a directory, say.

In: coroutines, from a hook's handler or from a layer (`Ask`). Out: their results, one call each.
Must never: outlive the connection; let a client pile up bytes in layers that wait; hold up any
other connection.

A layer that waits with its decisions decides nothing meanwhile; what its client sends waits too,
and beyond a limit is not read. Where one answer waits, and nothing else (`Ask.aside`), its client
may go on.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from mitmproxy.proxy import commands, events

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from mitmproxy.connection import Connection

_EARLY_LIMIT = 64 * 1024  # bytes that may come of a client while it is waited for an answer


class Ask(commands.Command):
    """A layer needs the result of a coroutine; it gets it as `Answered`, and goes on meanwhile.

    Args:
        answer: never raises but for being cancelled.
        aside: whether what the client sends meanwhile is none of its concern.
        paced: whether the result is of use only when a peer takes data again: `by`, or the client.
        by: the server's connection on the network.
        owner: the exchange that asks, where there are several in one layer.
    """

    def __init__(
        self,
        answer: Coroutine[Any, Any, Any],
        *,
        aside: bool = False,
        paced: bool = False,
        by: Connection | None = None,
        owner: object = None,
    ) -> None:
        self.answer = answer
        self.aside = aside
        self.paced = paced
        self.by = by
        self.owner = owner


class Answered(events.Event):
    """The result is there.

    Args:
        command: what it answers.
        reply: the coroutine's result.
    """

    def __init__(self, command: Ask, reply: Any) -> None:
        self.command = command
        self.reply = reply


class Asking:
    """What one connection waits for.

    Args:
        loop: the running loop.
        hold: called with True when no more is to be read of the client, with False when again.
        fail: called when a coroutine raised what it must not; it ends the connection.

    Attributes:
        tasks: those under way that the client has to wait for.
        aside: the others.
    """

    __slots__ = ("_early", "_fail", "_hold", "_loop", "aside", "tasks")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        hold: Callable[[bool], None],
        fail: Callable[[Exception], None],
    ) -> None:
        self._loop = loop
        self._hold = hold
        self._fail = fail
        self._early = 0
        self.tasks: set[asyncio.Task[None]] = set()
        self.aside: set[asyncio.Task[None]] = set()

    def wait(
        self,
        answer: Coroutine[Any, Any, Any],
        then: Callable[[Any], None],
        *,
        aside: bool = False,
    ) -> None:
        """Wait for a coroutine, then call with its result; never if the connection ends before.

        What needs no waiting is there before this returns.
        """
        task = asyncio.Task(self._wait(answer, then), loop=self._loop, eager_start=True)
        if not task.done():
            (self.aside if aside else self.tasks).add(task)

    async def _wait(self, answer: Coroutine[Any, Any, Any], then: Callable[[Any], None]) -> None:
        try:
            result = await answer
        except asyncio.CancelledError:
            self._over()  # the client has gone: there is nobody to answer
            raise
        except Exception as problem:  # noqa: BLE001 - what is in hand ends with the connection
            # Nothing was decided: whatever is in hand ends with the connection.
            self._over()
            self._fail(problem)
            return
        self._over()
        then(result)

    def _over(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.aside.discard(task)
        self.tasks.discard(task)
        if not self.tasks:
            held, self._early = self._early > _EARLY_LIMIT, 0
            if held:
                self._hold(False)  # noqa: FBT003 - one flag, named by its callee

    def came(self, count: int) -> None:
        """So many bytes have come of the client meanwhile."""
        before, self._early = self._early, self._early + count
        if before <= _EARLY_LIMIT < self._early:
            self._hold(True)  # noqa: FBT003 - as above

    def cancel(self) -> None:
        """The connection has ended."""
        for task in [*self.tasks, *self.aside]:
            task.cancel()
