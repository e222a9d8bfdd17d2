"""Examines files in processes of their own.

In: files. Out: `Examined`: what they are, what is in them. Must never: raise for what is in a file,
nor for what becomes of a process; read a file in the gateway's own process; believe an answer
without looking at it.

A file that was made to break a parser breaks a process that has nothing (confine.py), and the next
request gets another one. The processes speak JSON: multiprocessing, and what builds on it (pebble),
unpickles what a child says, which would hand the gateway to whoever has taken the child over.

No process is started before the first file comes.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from proxy_addons.content.confine import WANTED
from proxy_addons.policy.findings import FILE_TYPES, MARKING, SENDS, VALUES, parted
from proxy_addons.rights.opening import opened

if TYPE_CHECKING:
    from types import TracebackType
    from typing import BinaryIO

    from proxy_addons.content.declared import Declared
    from proxy_addons.settings.content import Archives as Limits

logger = logging.getLogger("watchhouse.content")

_MOST: Final = 1 << 16  # bytes of a request, and of an answer
_NAMES: Final = 8
_LONGEST: Final = 2500  # characters of a name: escaped, of 200
_ENOUGH: Final = 500  # files that a process examines: what it leaks goes with it
_TIMES, _LEAST = 4.0, 5.0  # seconds for a file, in its processor time, and more
_START: Final = 20.0  # seconds until a process is there, on a busy machine
_MEMORY: Final = 1 << 30  # bytes of address space of a process: who wants more is unreadable
_LAST: Final = 2.0  # seconds from its last word to its end
_STATUSES: Final = {
    # As examining.py has them, which is not to be imported here.
    3: "it needs more memory than it may have",
    4: "the folder for unpacked files is full, or gone",
}
_PACKAGE: Final = Path(__file__).resolve().parents[2]

_UNREADABLE: Final = frozenset({"unreadable-archive"})
_UNREAD: Final = frozenset({f"{SENDS}=unread"})


@dataclass(frozen=True, slots=True)
class Examined:
    """What a file is, and what is in it.

    Attributes:
        file_types: ids of `policy.findings.FILE_TYPES`, at least one.
        members: ids of files in it, at any depth.
        first: names of members that tell; one line each, safe to show.
        said: findings in its text and in that of its members, as facts have them, if asked for.
        why: "" where it was examined; else why not, for the operational log.
    """

    file_types: frozenset[str]
    members: frozenset[str] = frozenset()
    first: tuple[str, ...] = ()
    said: frozenset[str] = frozenset()
    why: str = ""


class Examiner:
    """A few processes that examine files, one at a time each. Close it after use.

    Args:
        limits: settings; `limits.processes` is how many there are, at most.
        folder: where they may have files without names; None: the system's.
    """

    def __init__(self, limits: Limits, folder: Path | None = None) -> None:
        self._limits = limits
        self._folder = folder or Path(tempfile.gettempdir())
        self._free: list[_Process] = []
        self._all: set[_Process] = set()
        self._ending: set[_Process] = set()
        self._places = asyncio.Semaphore(limits.processes)
        self._closed = False
        self._told = False

    async def examine(
        self, file: Path | BinaryIO, declared: Declared, *, sent: bool = False
    ) -> Examined:
        """Examines a file.

        Args:
            file: its path, or an open file, the place of which does not move.
            declared: what is said of it.
            sent: whether it goes out: then its text counts.

        Returns:
            What was found; of a file that breaks the process, that takes too long or that cannot be
            opened, that it cannot be read.
        """
        try:
            descriptor = await opened(lambda: _opened(file), os.close)
        except (OSError, ValueError) as error:  # whoever asked is told that it cannot be read
            return _not_examined(f"cannot open the file: {type(error).__name__}", sent=sent)
        try:
            async with self._places:
                if self._closed:
                    return _not_examined("the gateway is stopping", sent=sent)
                return await self._in_a_process(descriptor, declared, sent=sent)
        finally:
            os.close(descriptor)

    async def _in_a_process(self, descriptor: int, declared: Declared, *, sent: bool) -> Examined:
        process = self._process()
        fine = False
        try:
            self._heard(await process.started())
            answer = await process.ask(descriptor, declared, sent=sent)
            found = _checked(answer)
            fine = process.asked < _ENOUGH and not self._closed
        except _ProcessError as error:  # whoever asked is told that it cannot be read
            return _not_examined(str(error), sent=sent)
        else:
            return found
        finally:
            # Also where the request was cancelled: a process in the middle of a file is of no use.
            if fine:
                self._free.append(process)
            else:
                self._end(process)

    def _process(self) -> _Process:
        """One that is free; those that have ended since they last answered are none."""
        while self._free:
            process = self._free.pop()
            if not process.has_ended:
                return process
            self._end(process)
        process = _Process(self._limits, self._folder)
        self._all.add(process)
        return process

    def _heard(self, said: dict[str, Any]) -> None:
        """What the first process says about itself, for the operational log."""
        if self._told:
            return
        self._told = True
        confined = said.get("confined")
        lacks = WANTED.difference(confined if isinstance(confined, list) else ())
        if lacks:
            # Our own unit file forbids namespaces: the rest covers what they would.
            logger.log(
                logging.INFO if lacks <= {"network"} else logging.WARNING,
                "files are examined by processes that keep more than they need: %s"
                " (docs/content.md, Archives)",
                ", ".join(sorted(lacks)),
            )

    async def missing(self) -> str:
        """Why archives cannot be looked into on this machine; "" when they can."""
        process = _Process(self._limits, self._folder)
        try:
            return str((await process.started()).get("missing", ""))
        except _ProcessError as error:
            return str(error)
        finally:
            self._end(process)

    @property
    def processes(self) -> tuple[int, ...]:
        """Their ids."""
        return tuple(process.pid for process in self._all if process.pid)

    async def close(self) -> None:
        """Ends all processes; requests in hand get that their files cannot be read."""
        self._closed = True
        self._free.clear()
        for process in list(self._all):
            self._end(process)
        for process in list(self._ending):
            await process.ended()

    def _end(self, process: _Process) -> None:
        self._all.discard(process)
        process.kill()
        self._ending = {each for each in (*self._ending, process) if not each.has_ended}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


class _ProcessError(Exception):
    """A process has died, is too slow, or says what it should not."""


class _Process:
    """One process that examines files."""

    def __init__(self, limits: Limits, folder: Path) -> None:
        self._limits = limits
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self._socket: socket.socket | None = None
        self._said: dict[str, Any] = {}
        self._waiting = False
        self.asked = 0

    @property
    def pid(self) -> int:
        """Its id; 0 before it is started."""
        return self._process.pid if self._process else 0

    async def started(self) -> dict[str, Any]:
        """Starts it, if it is not; gives what it says about itself.

        Raises:
            _ProcessError: it does not start.
        """
        if self._process is not None:
            return self._said
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket = ours
        ours.setblocking(False)  # noqa: FBT003 - its only argument
        command = (
            *(sys.executable, "-P", "-s", "-m", "proxy_addons.content.examining"),
            *("--folder", str(self._folder), "--limits", json.dumps(asdict(self._limits))),
            *("--memory", str(_MEMORY)),
        )
        # Nothing of the gateway's environment, which may have secrets.
        environment = {"PYTHONPATH": str(_PACKAGE), "PATH": os.defpath, "LC_ALL": "C.UTF-8"}
        if library := os.environ.get("LIBARCHIVE"):
            environment["LIBARCHIVE"] = library
        try:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=theirs.fileno(),
                stdout=asyncio.subprocess.DEVNULL,
                env=environment,
                cwd="/",
            )
        except OSError as error:
            raise _ProcessError(f"cannot start a process: {error.strerror}") from error
        finally:
            theirs.close()
        self._said = await self._answer(_START)
        return self._said

    async def ask(self, descriptor: int, declared: Declared, *, sent: bool) -> dict[str, Any]:
        """Has a file examined.

        Raises:
            _ProcessError: it was not.
        """
        assert self._socket is not None, "started"
        self.asked += 1
        names = [name[-200:] for name in declared.names[:_NAMES]]
        said = [names, declared.content_type[:200], declared.attachment]
        request = json.dumps({"declared": said, "sent": sent}).encode()
        try:
            socket.send_fds(self._socket, [request], [descriptor])
        except OSError as error:
            raise _ProcessError(f"has ended before it was asked: {error.strerror}") from error
        # Twice its processor time, on a machine that does other things as well.
        return await self._answer(_TIMES * self._limits.seconds + _LEAST)

    async def _answer(self, seconds: float) -> dict[str, Any]:
        assert self._socket is not None, "started"
        self._waiting = True
        try:
            async with asyncio.timeout(seconds):
                said = await asyncio.get_running_loop().sock_recv(self._socket, _MOST)
        except TimeoutError as error:
            raise _ProcessError(f"no answer within {seconds:g} s") from error
        except OSError as error:
            raise _ProcessError(f"no answer: {error.strerror}") from error
        finally:
            self._waiting = False
        if not said:
            raise _ProcessError(await self._last_words())
        try:
            answer = json.loads(said)
        except (ValueError, RecursionError) as error:
            raise _ProcessError("an answer that is no JSON") from error
        if not isinstance(answer, dict):
            raise _ProcessError("an answer that is no object")
        return answer

    async def _last_words(self) -> str:
        """Why it ended, once its socket is closed."""
        assert self._process is not None, "started"
        try:
            status = await asyncio.wait_for(self._process.wait(), _LAST)
        except TimeoutError:
            return "the process says nothing any more"
        return _STATUSES.get(status, f"the process ended with status {status}")

    def kill(self) -> None:
        """Ends it, at once. Who waits for an answer is told so, and then ends it again."""
        if self._socket is not None and not self._waiting:
            self._socket.close()
        elif self._socket is not None:
            # Closed, it would never wake whoever waits, and its number would be taken by another
            # socket while the event loop still has it for this one.
            with suppress(OSError):  # its other end has just closed: that wakes as well
                self._socket.shutdown(socket.SHUT_RDWR)
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):  # it has just ended by itself
                self._process.kill()

    @property
    def has_ended(self) -> bool:
        """Whether it is no more, or never was."""
        return self._process is None or self._process.returncode is not None

    async def ended(self) -> None:
        """Waits until it has."""
        if self._process is not None:
            await self._process.wait()


def _opened(file: Path | BinaryIO) -> int:
    """A descriptor with a place of its own."""
    path = file if isinstance(file, Path) else f"/proc/self/fd/{file.fileno()}"
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)


def _checked(answer: dict[str, Any]) -> Examined:
    """An answer as it may be: a process that was taken over may say anything.

    Raises:
        _ProcessError: it may not.
    """
    types, members, first, said = (
        _words(answer.get(key)) for key in ("types", "members", "first", "said")
    )
    if not types or not set(types) | set(members) <= FILE_TYPES.keys():
        raise _ProcessError("an answer with types that do not exist")
    for kind, value in map(parted, said):
        if kind not in {MARKING, SENDS} or value not in VALUES[kind]:
            raise _ProcessError("an answer with findings that do not exist")
    if len(first) > _NAMES or not all(
        len(name) <= _LONGEST and name.isprintable() for name in first
    ):
        raise _ProcessError("an answer with names that cannot be shown")
    return Examined(frozenset(types), frozenset(members), tuple(first), frozenset(said))


def _words(values: object) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
        raise _ProcessError("an answer of another form")
    return values


def _not_examined(why: str, *, sent: bool) -> Examined:
    return Examined(_UNREADABLE, said=_UNREAD if sent else frozenset(), why=why)
