"""One request to a service that signs: a witness, a time-stamping authority.

In: a URL, octets. Out: the answer, whole and small.
Must never: follow a redirect, use a proxy of the environment, or wait without an end.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import aiohttp

if TYPE_CHECKING:
    from pathlib import Path

_TIMEOUT: Final = 20.0  # seconds in all
_LARGEST: Final = 1 << 18  # octets of an answer


class AskError(Exception):
    """It did not answer. The text says where, and in which way; it may next time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    content_type: str
    body: bytes


def post(
    url: str, body: bytes, content_type: str, trusted: Path | None, *, timeout: float = _TIMEOUT
) -> Answer:
    """Ask.

    Args:
        url: where.
        body: what.
        content_type: of it.
        trusted: PEM file of certificates that are trusted besides the system's.
        timeout: seconds in all.

    Raises:
        AskError: there is no answer that can be read.
    """
    try:
        return asyncio.run(_post(url, body, content_type, trusted, timeout))
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as problem:
        # Nothing was changed here. Whoever asked says so, and asks again an hour later.
        raise AskError(f"{url}: {problem or type(problem).__name__}") from problem


async def _post(
    url: str, body: bytes, content_type: str, trusted: Path | None, seconds: float
) -> Answer:
    context = ssl.create_default_context()
    if trusted is not None:
        context.load_verify_locations(trusted)
    unlimited = aiohttp.ClientTimeout(total=None)  # in all it is limited here
    async with aiohttp.ClientSession(timeout=unlimited, trust_env=False) as session:
        asking = asyncio.create_task(_asked(session, url, body, content_type, context))
        done, _ = await asyncio.wait({asking}, timeout=seconds)
        if not done:
            # Cut off: to take leave by TLS of who does not answer would be to wait again.
            await session.close()
            asking.cancel()
            with contextlib.suppress(asyncio.CancelledError, aiohttp.ClientError, OSError):
                await asking  # it has ended, in which way is no matter
            raise TimeoutError(f"no answer within {seconds:g} seconds")
        return asking.result()


async def _asked(
    session: aiohttp.ClientSession,
    url: str,
    body: bytes,
    content_type: str,
    context: ssl.SSLContext,
) -> Answer:
    headers = {"Content-Type": content_type}
    async with session.post(
        url, data=body, headers=headers, ssl=context, allow_redirects=False
    ) as response:
        octets = b""
        async for block in response.content.iter_any():
            octets += block
            if len(octets) > _LARGEST:
                await session.close()  # cut off: what else it sends is not waited for
                raise ValueError(f"an answer of more than {_LARGEST} octets")
        return Answer(response.status, response.content_type, octets)
