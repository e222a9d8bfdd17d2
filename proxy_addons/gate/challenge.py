"""The 407: which ways to sign in are offered, and what somebody reads whose browser cannot.

In: an answer, or the page's settings; the offers. Out: the answer with its challenges.
Must never: carry anything of a client's.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from proxy_addons.gate.refusal import Answer

if TYPE_CHECKING:
    from collections.abc import Sequence

STATUS = 407


def challenge(answer: Answer, offers: Sequence[str]) -> Answer:
    """An answer with a `Proxy-Authenticate` field for each offer (RFC 9110 11.7.1).

    Args:
        answer: of status 407 where there are offers.
        offers: challenges in the order in which they are to be tried.
    """
    fields = tuple(("Proxy-Authenticate", offer) for offer in offers)
    return replace(answer, headers=answer.headers + fields)


@lru_cache(maxsize=16)
def for_tunnel(offers: tuple[str, ...], contact: str) -> Answer:
    """The answer to a CONNECT that does not say who asks; browsers show nothing of it."""
    body = f"The web gateway needs to know who you are. Ask: {contact}\n"
    answer = Answer(
        STATUS,
        (("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")),
        body.encode("utf-8", "replace"),
    )
    return challenge(answer, offers)
