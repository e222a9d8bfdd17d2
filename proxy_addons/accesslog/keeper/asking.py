"""One request to a service that signs: a witness, a time-stamping authority.

In: a URL, octets. Out: the answer, whole and small.
Must never: follow a redirect, use a proxy of the environment, or wait without an end.
"""

from __future__ import annotations

import asyncio
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
        return asyncio.run(_post(url, body, content_type, trusted, aiohttp.ClientTimeout(timeout)))
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as problem:
        # Nothing was changed here. Whoever asked says so, and asks again an hour later.
        raise AskError(f"{url}: {problem or type(problem).__name__}") from problem


async def _post(
    url: str, body: bytes, content_type: str, trusted: Path | None, limit: aiohttp.ClientTimeout
) -> Answer:
    context = ssl.create_default_context()
    if trusted is not None:
        context.load_verify_locations(trusted)
    async with (
        aiohttp.ClientSession(timeout=limit, trust_env=False) as session,
        session.post(
            url,
            data=body,
            headers={"Content-Type": content_type},
            ssl=context,
            allow_redirects=False,
        ) as response,
    ):
        octets = b""
        async for block in response.content.iter_any():
            octets += block
            if len(octets) > _LARGEST:
                raise ValueError(f"an answer of more than {_LARGEST} octets")
        return Answer(response.status, response.content_type, octets)
