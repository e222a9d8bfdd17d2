"""What a worker looks into whole bodies with: the processes for archives, the virus scanners.

In: settings. Out: `Bodies` in the gate's hands, made anew with the settings, closed at the end;
room for bodies that are kept back; old copies taken away.
Must never: end a process that still looks into a body somebody waits for.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

from proxy_addons.content.examiner import Examiner
from proxy_addons.content.quarantine import Quarantine
from proxy_addons.content.scanner import scanner_of
from proxy_addons.gate import metrics
from proxy_addons.gate.held import Holding
from proxy_addons.gate.whole import Bodies

if TYPE_CHECKING:
    from pathlib import Path

    from proxy_addons.gate.gate import Gate
    from proxy_addons.settings.content import Content
    from proxy_addons.settings.model import Settings

_IN_HAND: Final = 120.0  # seconds after which nothing is looked at by older settings any more
_DAILY: Final = 86400.0  # seconds between looks at copies that are too old
_KEEPER: Final = 1  # the worker that does what is to be done once for all of them


class Examining:
    """The parts of one worker. No process is started before the first body comes.

    Args:
        gate: gets them.
        settings: what they are made from.
        number: of the worker.

    Attributes:
        holding: room for bodies that are kept back.
    """

    def __init__(self, gate: Gate, settings: Settings, number: int = _KEEPER) -> None:
        self._gate = gate
        self._settings = settings
        self._number = number
        self._due: float | None = None
        self._keeping: asyncio.Task[int] | None = None
        self.holding = Holding(**_limits(settings))
        self._before: dict[asyncio.Task[None], Examiner] = {}
        self._examiner = self._make(settings)

    def renew(self, settings: Settings) -> None:
        """Go by other settings from now on; what is looked at already is looked at as before."""
        if settings.content == self._settings.content:
            return
        self._settings = settings
        self.holding.renew(**_limits(settings))
        before, self._examiner = self._examiner, self._make(settings)
        task = asyncio.create_task(_close_later(before), name="examiner-before")
        self._before[task] = before
        task.add_done_callback(lambda done: self._before.pop(done, None))

    def tend(self, now: float) -> None:
        """Once a second: say how much is held, and once a day take old copies away.

        Args:
            now: monotonic seconds.
        """
        holding = self.holding
        metrics.held(holding.bodies, holding.memory_taken, holding.disk_taken)
        if self._number == _KEEPER and (self._due is None or now >= self._due):
            self._due = now + _DAILY
            quarantine = Quarantine(self._settings.content.quarantine)
            self._keeping = asyncio.create_task(quarantine.expire(), name="quarantine")

    async def close(self) -> None:
        """End everything that was begun here."""
        self._gate.bodies = None
        if self._keeping is not None:
            self._keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeping
        before = dict(self._before)
        for task in before:
            task.cancel()
        for examiner in (self._examiner, *before.values()):
            await examiner.close()

    def _make(self, settings: Settings) -> Examiner:
        content = settings.content
        examiner = Examiner(content.archives, _folder(settings))
        self._gate.bodies = Bodies(
            examiner,
            scanner_of(content),
            Quarantine(content.quarantine),
            holding=self.holding,
            examined=max(1, content.archives.processes - 1),
            scanned=max(1, _connections(content) // 2),
        )
        return examiner


def _folder(settings: Settings) -> Path:
    return settings.content.held.folder or settings.paths.data_dir / "held"


def _limits(settings: Settings) -> dict[str, Any]:
    held = settings.content.held
    return {
        "folder": _folder(settings),
        "largest": settings.content.largest,
        "memory": held.memory,
        "disk": held.disk,
        "each": held.each,
    }


def _connections(content: Content) -> int:
    """Bodies that the scanners take at a time."""
    named = [content.clamd.connections] if content.clamd.servers else []
    if content.icap.url:
        named.append(content.icap.connections)
    return min(named, default=1)


async def _close_later(examiner: Examiner) -> None:
    await asyncio.sleep(_IN_HAND)
    await examiner.close()
