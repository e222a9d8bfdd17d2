"""Watching an answer of which only what its head declares makes a difference.

In: the head of an answer. Out: a refusal, or nothing more to look at.
Must never: hold any of a body.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.gate.watching import DONE, Watch

if TYPE_CHECKING:
    from proxy_addons.gate.answerhead import AnswerHead


class HeadWatch(Watch):
    """Watches the head of one answer (`Watch.begin` has it judged)."""

    __slots__ = ()

    def _begin(self, head: AnswerHead) -> int:  # noqa: ARG002 - what there was to it has been said
        return DONE
