"""The supervisor's line to one worker: a question, an answer.

In: a socket pair. Out: answers, or None from who does not answer.
Must never: wait for a worker without an end.
"""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any, Self


class Line:
    """One worker's.

    Args:
        reader: what it answers.
        writer: what it is asked.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls) -> tuple[Self, socket.socket]:
        """A line, and the end that the worker inherits."""
        ours, theirs = socket.socketpair()
        return cls(*await asyncio.open_unix_connection(sock=ours)), theirs

    async def ask(self, within: float, **question: str) -> dict[str, Any] | None:
        """Ask, and wait for the answer.

        Args:
            within: seconds.
            question: what is asked.

        Returns:
            The answer; None where there is none in time, or the worker has gone.
        """
        try:
            async with asyncio.timeout(within):
                self._writer.write(json.dumps(question).encode() + b"\n")
                await self._writer.drain()
                line = await self._reader.readline()
                return dict(json.loads(line)) if line else None
        except (TimeoutError, OSError, ValueError):
            # It is gone or hangs, or says nonsense: whoever asks decides what becomes of it.
            return None

    def close(self) -> None:
        """The worker has gone."""
        self._writer.close()
