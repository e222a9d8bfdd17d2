"""What the API says when it does not do what was asked: problem details (RFC 9457).

In: a kind, words. Out: an exception; an answer in `application/problem+json`.
Must never: quote what a client sent; tell one bad token from another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import hdrs, web

if TYPE_CHECKING:
    from collections.abc import Mapping

MEDIA: Final = "application/problem+json"
_URN: Final = "urn:watchhouse:problem:"


class Problem(msgspec.Struct, frozen=True):
    """Why something was not done.

    Attributes:
        type: `urn:watchhouse:problem:` and the kind.
        title: of the kind, the same each time.
        status: of the answer.
        detail: what to do about it.
    """

    type: str
    title: str
    status: int
    detail: str


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem.

    Attributes:
        status: of the answer.
        title: in a few words.
    """

    status: int
    title: str


KINDS: Final[Mapping[str, Kind]] = {
    "wrong-query": Kind(400, "The query is not what the document says"),
    "no-token": Kind(401, "A token that holds is needed"),
    "refused": Kind(403, "This is not covered"),
    "not-secure": Kind(403, "Not over this address"),
    "unknown": Kind(404, "There is nothing of this name"),
    "method": Kind(405, "This can only be read"),
    "stale": Kind(409, "Somebody else was quicker"),
    "busy": Kind(409, "Another export of this token runs"),
    "wrong-range": Kind(422, "The end is not after the beginning"),
    "too-often": Kind(429, "Too many calls"),
    "fault": Kind(500, "A fault of the program"),
    "unavailable": Kind(503, "This does not work just now"),
}
"""Every kind that a client can meet; docs/api.md lists them."""

REFUSALS: Final = {
    "refused": "refused",
    "unknown": "unknown",
    "wrong": "wrong-query",
    "stale": "stale",
    "unavailable": "unavailable",
}
"""What the desk's refusals (audit/desk/wire.py) become."""


class ProblemError(Exception):
    """What was asked is not done.

    Attributes:
        kind: of `KINDS`.
        detail: what to do about it.
        headers: of the answer besides.
    """

    def __init__(self, kind: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.headers = dict(headers or {})


def answer(problem: ProblemError, headers: Mapping[str, str]) -> web.Response:
    """The answer to a problem.

    Args:
        problem: what it is.
        headers: of every answer to this call.
    """
    kind = KINDS[problem.kind]
    said = Problem(_URN + problem.kind, kind.title, kind.status, problem.detail)
    return web.Response(
        body=msgspec.json.encode(said),
        status=kind.status,
        headers={
            **headers,
            **problem.headers,
            hdrs.CONTENT_TYPE: MEDIA,
            hdrs.CACHE_CONTROL: "no-store",
        },
    )
