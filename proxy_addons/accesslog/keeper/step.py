"""What a step of the keeper is.

In: nothing. Out: the form of a step; what it may ask for, and what it says.
Must never: know any of the steps.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from proxy_addons.settings.model import Settings


ALARM: Final = "MAY HAVE BEEN"
"""Stands in a problem that says that the log is not what somebody else has seen of it."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a step may use.

    Attributes:
        settings: of this gateway.
        clock: gives seconds since 1970.
        entropy: gives secret octets.
        known: what the step said of itself the last time it came to an end, also before a restart.
    """

    settings: Settings
    clock: Callable[[], float]
    entropy: Callable[[int], bytes]
    known: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step came to.

    Attributes:
        said: in a line, for the operational log; "": nothing worth a line.
        known: plain values that are kept in the keeper's state, and given back the next time.
        problems: what an operator must look at, a sentence each; they do not end the step.
    """

    said: str = ""
    known: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


class Step(Protocol):
    """One thing that is done after each hour.

    A step may be cut short at any moment, by a kill or the power: what it leaves behind must count
    for nothing, and its next run put it right. It runs in the keeper's own process and may block.
    """

    @property
    def name(self) -> str:
        """A word, the same for good: its state is kept under it."""

    def run(self, context: Context) -> Outcome:
        """Do it.

        Raises:
            Exception: it failed; the keeper says so, and goes on with the next step.
        """
