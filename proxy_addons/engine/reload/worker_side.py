"""What a worker does when the supervisor hands on other settings.

In: lines of JSON over a socket: prepare, take, drop. Out: an answer to each.
Must never: go by other settings before it is told to take them; answer that it has taken what it
has not; say in an answer what stands in a file (the supervisor has examined it, and said it).
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from proxy_addons.engine.outcomes import where

if TYPE_CHECKING:
    from proxy_addons.engine.knowing import Prepared

logger = logging.getLogger("watchhouse.worker")


class Taker(Protocol):
    """A worker, as far as it is needed here."""

    def prepare(self, files: Path | None = None) -> Prepared:
        """See `Worker.prepare`."""

    def take(self, prepared: Prepared) -> None:
        """See `Worker.take`."""


async def obey(descriptor: int, worker: Taker) -> None:
    """Answer the supervisor until it has gone.

    Args:
        descriptor: of the socket.
        worker: takes the settings.
    """
    reader, writer = await asyncio.open_unix_connection(sock=socket.socket(fileno=descriptor))
    prepared: Prepared | None = None
    try:
        while line := await reader.readline():
            prepared, answer = await _answered(json.loads(line), worker, prepared)
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
    finally:
        _drop(prepared)
        writer.close()


async def _answered(
    asked: dict[str, str], worker: Taker, prepared: Prepared | None
) -> tuple[Prepared | None, dict[str, Any]]:
    """What is prepared from now on, and the answer."""
    if "take" in asked and prepared is not None:
        return None, _take(worker, prepared)
    _drop(prepared)
    if "prepare" in asked:
        return await _prepare(worker, Path(asked["prepare"]), asked["version"])
    return None, {"done": "dropped"}


async def _prepare(
    worker: Taker, files: Path, version: str
) -> tuple[Prepared | None, dict[str, Any]]:
    try:
        prepared = await asyncio.to_thread(worker.prepare, files)
    except Exception as problem:  # noqa: BLE001 - nobody takes what one of them cannot
        # What is in force stays so, here and in every other worker.
        kind = type(problem).__name__
        logger.error("other settings cannot be used (%s at %s)", kind, where(problem))
        return None, {"problem": str(problem) if isinstance(problem, ValueError) else kind}
    if prepared.settings.policy_version != version:
        prepared.close()
        return None, {"problem": "it read other files than were examined"}
    return prepared, {"done": "prepared"}


def _take(worker: Taker, prepared: Prepared) -> dict[str, Any]:
    try:
        worker.take(prepared)
    except Exception as problem:  # noqa: BLE001 - the worker is ended, another begins
        # What is in force here now is not known: the supervisor ends this worker.
        kind = type(problem).__name__
        logger.critical("other settings were taken in part (%s at %s)", kind, where(problem))
        return {"problem": kind}
    return {"done": "taken"}


def _drop(prepared: Prepared | None) -> None:
    if prepared is not None:
        prepared.close()
