"""Bodies that are kept back: in memory up to a size, beyond that in a file without a name.

In: the pieces of a body as they come, of all bodies of a worker.
Out: the same bytes, in pieces or as a file that other processes can open.
Must never: block the event loop; hold more in memory, or on the disk, than all bodies together may;
lose a byte that it took, whatever the disk does; give back fewer bytes than it took as if that were
all.

A file without a name is gone with its last descriptor, however the process ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from proxy_addons.gate.namelessfile import NamelessFile, make

if TYPE_CHECKING:
    from collections.abc import Callable

IN_MEMORY: Final = 1 << 20
"""Bytes up to which a body is kept in memory, if there is room."""
BEGINNING: Final = 16 << 10
"""Bytes of a body that can be had without waiting."""
_BEHIND: Final = 1 << 20  # bytes that may wait to be written before no more is to be read
_WAITING: Final = 32  # bodies of one person that may wait for their turn
_THREADS: Final = 4


@dataclass(slots=True)
class _Line:
    """The larger bodies of one person.

    Attributes:
        in_hand: how many are not waiting.
        waiting: those that are, the first first.
    """

    in_hand: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)


class Holding:
    """The room that the bodies of one worker share.

    Args:
        folder: for files; None: the system's for temporary ones. It is made when it is needed.
        largest: bytes of one body.
        memory: bytes of all bodies that are in memory.
        disk: bytes of all bodies that are in files.
        each: bodies in files of one person, at a time; further ones wait.

    Attributes:
        bodies: how many there are.
        memory_taken: bytes of them in memory.
        disk_taken: bytes of them in files, or on the way there.
    """

    def __init__(
        self, folder: Path | None = None, *, largest: int, memory: int, disk: int, each: int = 4
    ) -> None:
        self._lines: dict[str, _Line] = {}
        self.threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="held")
        self.bodies = self.memory_taken = self.disk_taken = 0
        self.renew(folder, largest=largest, memory=memory, disk=disk, each=each)

    def renew(
        self, folder: Path | None, *, largest: int, memory: int, disk: int, each: int
    ) -> None:
        """Go by other limits from now on; the arguments are those of the class."""
        self.folder = folder
        self.largest = largest
        self.memory = memory
        self.disk = disk
        self.each = each

    def new_file(self) -> int:
        """Make a file without a name; on a thread.

        Returns:
            Its descriptor, to be closed.

        Raises:
            OSError: there is no room.
        """
        return make(self.folder)

    def begin(self, whose: str = "") -> Held:
        """A body begins to come.

        Args:
            whose: the person, or the client's address; "" where nobody has to wait for a turn.
        """
        return Held(self, whose)

    def stand_in_line(self, whose: str) -> asyncio.Future[None] | None:
        """A body becomes one of those that go to a file.

        Returns:
            When its turn comes; None: there are too many that wait already.
        """
        line = self._lines.setdefault(whose, _Line())
        turn = asyncio.get_running_loop().create_future()
        if line.in_hand < self.each:
            line.in_hand += 1
            turn.set_result(None)
        elif len(line.waiting) >= _WAITING:
            return None
        else:
            line.waiting.append(turn)
        return turn

    def leave_line(self, whose: str, turn: asyncio.Future[None]) -> None:
        """A body is over, or nobody wants it any more."""
        line = self._lines[whose]
        if not turn.done() or turn.cancelled():
            with contextlib.suppress(ValueError):
                # Whoever came to it while it was cancelled has passed it over.
                line.waiting.remove(turn)
            turn.cancel()
        else:
            line.in_hand -= 1
        while line.waiting and line.in_hand < self.each:
            following = line.waiting.popleft()
            if not following.done():
                line.in_hand += 1
                following.set_result(None)
        if not line.in_hand and not line.waiting:
            del self._lines[whose]


class Held:
    """One body. Close it after use; it is closed, too, when nothing refers to it any more.

    It belongs to the event loop: only files are written and read on threads.

    Args:
        holding: whose room it takes.
        whose: see `Holding.begin`.

    Attributes:
        size: bytes that were taken.
        beginning: the first of them, at most `BEGINNING`.
    """

    __slots__ = (
        "_closed", "_disk", "_fault", "_file", "_holding", "_loop", "_memory", "_pending",
        "_turn", "_whose", "_work", "_writing", "_written", "beginning", "size",
    )  # fmt: skip

    def __init__(self, holding: Holding, whose: str = "") -> None:
        self._loop = asyncio.get_running_loop()
        self._holding = holding
        self._whose = whose
        self._turn: asyncio.Future[None] | None = None
        self._file: NamelessFile | None = None
        self._fault: OSError | None = None
        self._work: asyncio.Task[None] | None = None
        self._pending = bytearray()  # behind what is being written
        self._writing = bytearray()  # behind what has been written
        self._written = 0
        self._memory = 0  # bytes taken of what all have together
        self._disk = 0
        self._closed = False
        self.beginning = b""
        self.size = 0
        holding.bodies += 1

    def put(self, data: bytes) -> bool:
        """Take more of the body.

        Returns:
            False: there is no room. None of these bytes was taken; those before are still here.
        """
        holding, size = self._holding, self.size + len(data)
        if self._closed or self._fault is not None or size > holding.largest:
            return False
        if self._file is None and (
            size > IN_MEMORY or holding.memory_taken + len(data) > holding.memory
        ):
            if self._whose and self._turn is None:
                self._turn = holding.stand_in_line(self._whose)
                if self._turn is None:
                    return False
            if not self._to_file(size):
                return False
        elif self._file is not None and not self._reserve(size):
            return False
        self._take_memory(len(data))
        self._pending += data
        self.size = size
        if len(self.beginning) < BEGINNING:
            self.beginning += data[: BEGINNING - len(self.beginning)]
        if self._file is not None:
            self._write_on(self._file)
        return True

    @property
    def behind(self) -> bool:
        """Whether no more should be read for now: it is not its turn, or the disk is slow."""
        if self._file is None or self._fault is not None:
            return False
        if self._turn is not None and not self._turn.done():
            return True
        waiting = len(self._pending) + len(self._writing)
        holding = self._holding
        return waiting > (_BEHIND if holding.memory_taken <= holding.memory else 0)

    async def caught_up(self) -> None:
        """Wait until more can be read. Never raises, but where it is cancelled."""
        if self._turn is not None and not self._turn.done():
            await asyncio.wait([self._turn])
        await self._finished()

    async def in_file(self) -> Path:
        """Have all of it in a file.

        Returns:
            A path by which this process can open it, until it is closed.

        Raises:
            OSError: there is no room, or the disk has failed.
        """
        if self._file is None and not self._to_file(self.size):
            raise OSError(errno.ENOSPC, "content.held.disk is all taken")
        assert self._file is not None
        self._write_on(self._file)
        await self._finished()
        if self._fault is not None:
            raise self._fault
        if self._closed:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return Path(f"/proc/self/fd/{self._file.descriptor}")

    async def read(self, start: int, most: int) -> bytes | None:
        """A piece of what was taken.

        Args:
            start: bytes before it, less than `size`.
            most: bytes of it.

        Returns:
            At least a byte; None: it cannot be read any more. Never raises, but where it is
            cancelled.
        """
        if self._closed:
            return None
        if start < self._written:
            assert self._file is not None
            most = min(most, self._written - start)
            loop = asyncio.get_running_loop()
            try:
                found = await loop.run_in_executor(
                    self._holding.threads, self._file.read, start, most
                )
            except OSError:
                # Whoever reads breaks off: what is in hand cannot be completed.
                return None
            return found or None
        start -= self._written
        if start < len(self._writing):
            return bytes(self._writing[start : start + most])
        start -= len(self._writing)
        return bytes(self._pending[start : start + most])

    def close(self) -> None:
        """Give all back: memory at once, the place on the disk when the file is closed."""
        if self._closed:
            return
        self._closed = True
        holding = self._holding
        holding.bodies -= 1
        self._pending = bytearray()
        self._writing = bytearray()
        self._take_memory(-self._memory)
        if self._turn is not None:
            holding.leave_line(self._whose, self._turn)
        if self._file is None:
            holding.disk_taken -= self._disk
            return
        disk, self._disk = self._disk, 0
        _close(holding, self._file, disk)

    def __del__(self) -> None:
        """Nothing refers to it any more."""
        if getattr(self, "_closed", True):
            return
        try:
            # Garbage is collected on any thread, in the middle of anything: nothing here may wait.
            self._loop.call_soon_threadsafe(self.close)
        except RuntimeError:
            # The loop has ended, and with it whoever would ask what is left of the room.
            if self._file is not None:
                self._file.close(wait=False)

    # --- the file -------------------------------------------------------------------------

    def _to_file(self, size: int) -> bool:
        """Keep it in a file from now on, if there is room."""
        if self._closed or not self._reserve(size):
            return False
        self._file = NamelessFile(self._holding.folder)
        return True

    def _reserve(self, size: int) -> bool:
        """Have so many bytes of the disk in all."""
        holding, more = self._holding, size - self._disk
        if holding.disk_taken + more > holding.disk:
            return False
        holding.disk_taken += more
        self._disk = size
        return True

    def _take_memory(self, count: int) -> None:
        self._memory += count
        self._holding.memory_taken += count

    def _write_on(self, file: NamelessFile) -> None:
        if self._work is None and self._fault is None and not self._closed:
            self._work = asyncio.create_task(self._write(file), name="held")

    async def _finished(self) -> None:
        """Wait until nothing is being written, whatever became of it."""
        while self._work is not None:
            await asyncio.wait([self._work])

    async def _write(self, file: NamelessFile) -> None:
        """Write what there is; where that fails, what is not written stays in memory."""
        loop, threads = asyncio.get_running_loop(), self._holding.threads
        try:
            while True:
                self._writing, self._pending = self._pending, bytearray()
                count, fault = await loop.run_in_executor(threads, file.append, self._writing)
                if self._closed:
                    return
                self._written += count
                self._take_memory(-count)
                if fault is not None:
                    self._fault = fault
                    self._pending[:0] = self._writing[count:]
                self._writing = bytearray()
                if fault is not None or not self._pending:
                    return
        finally:
            self._work = None


def _close(holding: Holding, file: NamelessFile, disk: int) -> None:
    """Close a file on a thread: freeing gigabytes takes a file system its time."""

    def closed() -> None:
        holding.disk_taken -= disk

    holding.threads.submit(_close_file, file, asyncio.get_running_loop(), closed)


def _close_file(
    file: NamelessFile, loop: asyncio.AbstractEventLoop, then: Callable[[], None]
) -> None:
    file.close()
    with contextlib.suppress(RuntimeError):
        # The loop has ended meanwhile, and with it the room that is told of.
        loop.call_soon_threadsafe(then)
