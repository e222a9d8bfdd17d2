"""The desk's socket: takes calls, has them done in threads, sends what comes of them.

In: a listening Unix socket, what does each kind of call. Out: answers (wire.py).
Must never: serve another user of the machine than its own and root; let a call that failed look as
if it had been answered; stop serving because one call failed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from itertools import islice
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from proxy_addons.audit.desk.place import near
from proxy_addons.audit.desk.wire import LONGEST, Call, Refused, Reply, Who, line, raw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

logger = logging.getLogger("watchhouse.desk")

_AT_ONCE: Final = 500  # items of a stream that are made before they are sent
_THREADS: Final = 4
_MODE: Final = 0o600
_PEER: Final = struct.Struct("3i")  # struct ucred: pid, uid, gid
_DEFECT: Final = "The desk could not do this: a fault of the program, which its log names."


class Server:
    """Serves calls.

    Args:
        doing: what does each kind of call: a function of who and the call, which may block. For a
            stream it gives an iterator.
    """

    def __init__(self, doing: Mapping[type[Call[Any]], Callable[[Who, Any], Any]]) -> None:
        self._doing = dict(doing)
        kinds = reduce(or_, self._doing)
        self._message: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
            msgspec.defstruct(
                "Message", [("who", Who), ("call", kinds)], forbid_unknown_fields=True
            )
        )
        self._threads = ThreadPoolExecutor(_THREADS, "desk")
        self._open: set[asyncio.Task[None]] = set()

    async def serve(self, path: Path, stop: asyncio.Event) -> None:
        """Serve until `stop` is set.

        Args:
            path: where the socket is to be; one that is there already is nobody's (the caller holds
                the data folder's lock).
            stop: ends it; calls that are being done are finished.

        Raises:
            OSError: there can be no socket.
        """
        with near(path) as name:  # asyncio looks at it again when it ends
            listener = _bound(name)
            server = await asyncio.start_unix_server(self._serve, sock=listener, limit=LONGEST)
            try:
                await stop.wait()
            finally:
                server.close()
                for task in self._open:
                    task.cancel()
                await asyncio.gather(*self._open, return_exceptions=True)
                await server.wait_closed()
                self._threads.shutdown()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            if _is_ours(writer.get_extra_info("socket")):
                while data := await reader.readline():
                    await self._answer(data, writer)
        except (OSError, ValueError, asyncio.IncompleteReadError):
            pass  # the caller went, or sent more than a message: it sees an end without an answer
        finally:
            self._open.discard(task)
            writer.close()

    async def _answer(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        try:
            message = self._message.decode(data)
            await self._done(message.who, message.call, writer)
        except msgspec.DecodeError as problem:
            # The portal sends only what it made itself: a fault there, or another version.
            logger.error("a call that cannot be read: %s", problem)
            await _send(writer, Reply(refused="wrong", text="This cannot be asked."))
        except Refused as problem:
            await _send(writer, Reply(refused=problem.kind, text=problem.text))

    async def _done(self, who: Who, call: Call[Any], writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        do = self._doing[type(call)]
        try:
            found = await loop.run_in_executor(self._threads, do, who, call)
            if not call.streams:
                await _send(writer, Reply(value=raw(found)))
                return
            number = 0
            while items := await loop.run_in_executor(self._threads, _some, found):
                writer.writelines(line(Reply(item=raw(each))) for each in items)
                await writer.drain()
                number += len(items)
            await _send(writer, Reply(ended=number))
        except (Refused, OSError):
            raise
        except Exception as problem:
            # The outermost handler: nothing more is shown of this call, the next has its chance.
            # What was asked may name people: the log has the kind of call alone.
            logger.exception("%s failed", type(call).__name__)
            raise Refused("unavailable", _DEFECT) from problem


def _bound(name: str) -> socket.socket:
    """A socket of this name, for our own user alone."""
    with contextlib.suppress(FileNotFoundError):
        Path(name).unlink()
    made = socket.socket(socket.AF_UNIX)
    made.bind(name)
    Path(name).chmod(_MODE)
    return made


def _some(items: Iterator[Any]) -> list[Any]:
    return list(islice(items, _AT_ONCE))


async def _send(writer: asyncio.StreamWriter, reply: Reply) -> None:
    writer.write(line(reply))
    await writer.drain()


def _is_ours(connected: socket.socket) -> bool:
    """Whether the other side is a process of our own user, or root's (unix(7), SO_PEERCRED)."""
    held = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    _, user, _ = _PEER.unpack(held)
    return user in {0, os.geteuid()}
