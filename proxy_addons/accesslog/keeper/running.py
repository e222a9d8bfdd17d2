"""Running the keeper's steps: one after the other, each by itself, again and again.

In: references to steps, settings, a clock. Out: what they do; the state; lines of the operational
log.
Must never: end because a step failed; let one step keep another from running; take a step's failure
for a success.
"""

from __future__ import annotations

import importlib
import logging
import math
import os
import select
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy_addons.accesslog.keeper import state as states
from proxy_addons.accesslog.keeper.step import Context, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from proxy_addons.accesslog.keeper.step import Step
    from proxy_addons.settings.model import Settings

logger = logging.getLogger("watchhouse.keeper")


@dataclass(frozen=True, slots=True)
class _Missing:
    """Stands for a step that could not be had."""

    name: str
    why: str

    def run(self, context: Context) -> Outcome:
        del context
        raise ImportError(self.why)


def loaded(references: Sequence[str]) -> list[Step]:
    """The steps that are named; in place of one that cannot be had, one that says so."""
    found: list[Step] = []
    for reference in references:
        module, _, attribute = reference.partition(":")
        try:
            found.append(getattr(importlib.import_module(module), attribute)())
        except Exception as problem:  # noqa: BLE001 - others must run
            # Nothing is in hand: it fails each time, and is reported so.
            found.append(_Missing(reference, f"{type(problem).__name__}: {problem}"))
    return found


def next_time(now: float, every: float, after: float) -> float:
    """When the next round begins: some seconds after a multiple of the time between two.

    Args:
        now: seconds since 1970.
        every: seconds.
        after: seconds.
    """
    after %= every
    due = (math.floor((now - after) / every) + 1) * every + after
    return max(due, now)  # rounded, it may lie before now, and nobody sleeps until then


def _sleep(seconds: float) -> None:
    """As time.sleep, by a span and not until a moment: under a faked clock the latter fails."""
    select.select((), (), (), seconds)


class Keeper:
    """Runs the steps.

    Args:
        settings: of the gateway.
        steps: see `loaded`.
        clock: gives seconds since 1970.
        entropy: gives secret octets.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        settings: Settings,
        steps: Sequence[Step],
        *,
        clock: Callable[[], float] = time.time,
        entropy: Callable[[int], bytes] = os.urandom,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        self._settings = settings
        self._steps = steps
        self._clock = clock
        self._entropy = entropy
        self._sleep = sleep or _sleep
        self.state = states.read(settings.paths.run_dir) or states.State(clock())
        self.state.pid = os.getpid()
        names = {each.name for each in steps}
        for gone in self.state.steps.keys() - names:
            del self.state.steps[gone]  # of a step that is no more: it would be late for good

    def forever(self) -> None:
        """One round now, then one each time that is due."""
        log = self._settings.log
        while True:
            self.round()
            until = next_time(self._clock(), log.seal_every, log.seal_after)
            # In short sleeps: a clock that is set, or a machine that slept, is noticed.
            while (left := until - self._clock()) > 0:
                self._sleep(min(left, 30.0))
                if until - self._clock() > log.seal_every:
                    break  # the clock was set back: a new hour is reckoned from it

    def round(self) -> None:
        """Every step once."""
        self._write()
        for step in self._steps:
            self._one(step)
            self._write()

    def _one(self, step: Step) -> None:
        known = self.state.of(step.name)
        known.began = self._clock()
        context = Context(self._settings, self._clock, self._entropy, dict(known.known))
        try:
            outcome = step.run(context)
        except Exception as problem:  # noqa: BLE001 - the outermost handler of a step
            # What the step had in hand is as it left it, as after a kill: its next run goes on.
            said = f"{type(problem).__name__}: {problem}"
            logger.error("%s failed, and is tried again: %s", step.name, said)
            known.failed += 1
            known.problems = [said]
        else:
            for each in outcome.problems:
                logger.error("%s: %s", step.name, each)
            if outcome.said:
                logger.info("%s: %s", step.name, outcome.said)
            known.failed, known.good = 0, self._clock()
            known.problems = list(outcome.problems)
            known.known = dict(outcome.known)
        known.ended = self._clock()

    def _write(self) -> None:
        try:
            states.write(self._settings.paths.run_dir, self.state)
        except (OSError, TypeError, ValueError) as problem:
            # Whoever reads it sees that it is old; the steps themselves do not need it.
            logger.error("the keeper's state cannot be written: %s", problem)
