"""What happens when a virus was found: an alert in the operational log, and a copy if wanted.

In: a reference number, the body, what is known of it. Out: two files, a line.
Must never: raise into a request, name a file by anything that a stranger wrote, let others than
the gateway's user read a copy, or fill the disk.

A copy is `REFERENCE.body`, the bytes as they were, and `REFERENCE.json`, what is known of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO, Final

import structlog

from proxy_addons.content.scan import clean
from proxy_addons.rights.opening import opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Iterator, Mapping
    from pathlib import Path

    from proxy_addons.settings import content

_REFERENCE = re.compile(r"[0-9A-Z](?:[0-9A-Z-]{0,38}[0-9A-Z])?", re.ASCII)
_BODY: Final = ".body"
_FACTS: Final = ".json"
_UNFINISHED: Final = ".part"
_LOCK: Final = ".lock"
_ABANDONED = 3600.0  # seconds after which nobody is at work on an unfinished copy any more
_DAY = 86400.0  # seconds
_AT_ONCE = 1 << 20  # bytes that are written at a time, each by a thread


class Quarantine:
    """Alerts and copies.

    Args:
        settings: `content.quarantine`.
        clock: seconds since the epoch.
    """

    def __init__(
        self, settings: content.Quarantine, clock: Callable[[], float] = time.time
    ) -> None:
        self._folder = settings.folder
        self._size = settings.size
        self._days = settings.days
        self._clock = clock
        self._log = structlog.get_logger(component="content")

    async def found(
        self,
        reference: str,
        virus: str,
        body: AsyncIterable[bytes] | None,
        facts: Mapping[str, str],
    ) -> Path | None:
        """A virus was found: report it, and keep a copy where the settings want one.

        Args:
            reference: of the record.
            virus: as the scanner named it.
            body: what it was found in; None: nobody has it any more.
            facts: what else is known (person, address, file name …), without credentials.

        Returns:
            The copy; None: there is none, and the log says why if one was wanted.
        """
        kept, why = None, ""
        if self._folder is not None:
            kept, why = await self._copy(reference, virus, body, facts)
        told = {name: _one_line(value) for name, value in facts.items() if name != "event"}
        told |= {"reference": reference, "virus": clean(virus)}
        if self._folder is not None:
            told["copy"] = str(kept) if kept else f"none: {why}"
        self._log.critical("content: VIRUS FOUND", **told)
        return kept

    async def expire(self) -> int:
        """Take away copies that are too old, or too many; for once a day or so.

        Returns:
            How many were.
        """
        if self._folder is None:
            return 0
        try:
            return await asyncio.to_thread(self._make_room, self._folder, 0)
        except OSError as problem:
            # They stay until the next time.
            self._log.error("content: old copies cannot be taken away", fault=str(problem))
            return 0

    async def _copy(
        self,
        reference: str,
        virus: str,
        body: AsyncIterable[bytes] | None,
        facts: Mapping[str, str],
    ) -> tuple[Path | None, str]:
        assert self._folder is not None
        if _REFERENCE.fullmatch(reference) is None:
            return None, "its reference is no name of a file"
        if body is None:
            return None, "nobody has it any more"
        unfinished = self._folder / f"{reference}{_BODY}{_UNFINISHED}"
        try:
            file = await opened(
                lambda: _begun(unfinished), lambda file: _given_up(file, unfinished)
            )
        except OSError as problem:
            # The refusal stands, without a copy; the same below.
            return None, str(problem)
        try:
            found = await self._written(file, body)
            if found is None:
                return None, "it is larger than content.quarantine.size"
            known = {**facts, **found, "reference": reference, "virus": clean(virus)}
            copy = unfinished.with_suffix("")
            await asyncio.to_thread(self._finished, self._folder, file, copy, known)
        except OSError as problem:
            return None, str(problem)
        else:
            return copy, ""
        finally:
            # A copy that is whole has another name by now.
            await asyncio.shield(asyncio.to_thread(_given_up, file, unfinished))

    async def _written(
        self, file: BinaryIO, body: AsyncIterable[bytes]
    ) -> dict[str, str | int] | None:
        digest = hashlib.sha256()
        total = 0
        held: list[bytes] = []
        length = 0
        async for piece in body:
            digest.update(piece)
            total += len(piece)
            if total > self._size:
                return None
            held.append(piece)
            length += len(piece)
            if length >= _AT_ONCE:
                await asyncio.to_thread(file.writelines, held)
                held, length = [], 0
        await asyncio.to_thread(file.writelines, held)
        moment = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="seconds")
        return {"time": moment, "size": total, "sha256": digest.hexdigest()}

    def _finished(
        self, folder: Path, file: BinaryIO, copy: Path, known: Mapping[str, object]
    ) -> None:
        """Give a copy its name, when there is room for it. On a thread."""
        file.flush()
        os.fsync(file.fileno())
        self._make_room(folder, file.tell(), copy.with_name(copy.name + _UNFINISHED))
        facts = copy.with_suffix(_FACTS)
        unfinished = facts.with_name(facts.name + _UNFINISHED)
        moment = self._clock()
        with _opened(unfinished) as beside:
            beside.write(json.dumps(known, indent=1).encode() + b"\n")
        os.utime(unfinished, (moment, moment))
        os.utime(file.fileno(), (moment, moment))
        # The copy first: what is left of a crash in between is taken away in time, as a copy.
        copy.with_name(copy.name + _UNFINISHED).replace(copy)
        unfinished.replace(facts)

    def _make_room(self, folder: Path, wanted: int, own: Path | None = None) -> int:
        """Take away what is too old, then the oldest until there is room. On a thread."""
        if not folder.exists():
            return 0
        now = self._clock()
        gone = 0
        with _locked(folder):
            for path in folder.glob(f"*{_UNFINISHED}"):
                if path != own and _modified(path) < now - _ABANDONED:
                    path.unlink(missing_ok=True)
            copies = sorted(folder.glob(f"*{_BODY}"), key=lambda path: (_modified(path), path))
            total = wanted + sum(map(_length, copies))
            for copy in copies:
                if _modified(copy) > now - self._days * _DAY and total <= self._size:
                    break
                total -= _length(copy)
                copy.unlink(missing_ok=True)
                copy.with_suffix(_FACTS).unlink(missing_ok=True)
                gone += 1
        return gone


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)


def _begun(unfinished: Path) -> BinaryIO:
    """The file of a copy that nobody makes and nobody has made.

    Raises:
        FileExistsError: somebody does, or has.
    """
    file = _opened(unfinished)
    # Looked for after the opening: only who has the unfinished one gives a copy its name.
    if unfinished.with_suffix("").exists():
        _given_up(file, unfinished)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(unfinished.stem))
    return file


def _opened(path: Path) -> BinaryIO:
    """A new file that nobody else may read."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o600), "wb")


def _given_up(file: BinaryIO, unfinished: Path) -> None:
    with contextlib.suppress(OSError):
        # A full disk shows once more when the rest is to be written; it has been reported.
        file.close()
    with contextlib.suppress(OSError):
        # It is taken away as an abandoned one later.
        unfinished.unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One worker at a time."""
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _modified(path: Path) -> float:
    try:
        return path.stat(follow_symlinks=False).st_mtime
    except FileNotFoundError:
        # Another worker has just finished it, or given it up.
        return float("inf")


def _length(path: Path) -> int:
    try:
        return path.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        # As above.
        return 0
