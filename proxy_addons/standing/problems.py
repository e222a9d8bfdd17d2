"""What can go wrong with the standing store and its registers, in plain sentences.

In: nothing. Out: exceptions. Must never: hold a password.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy_addons.standing.steps import Step


class StandingError(Exception):
    """The store cannot be used as it is configured, or as it is; the text says what to do."""


class StandingUnavailableError(StandingError):
    """The store does not answer at present: nothing was changed, or it is unknown whether."""


class StepRefusedError(Exception):
    """A step breaks a rule, and nothing was changed. The text is a plain sentence for people.

    Attributes:
        rule: short id of the rule.
        clause: of the force's policy, e.g. `Inf/27 2.13.1`; empty where it is a matter of form.
    """

    def __init__(self, rule: str, sentence: str, clause: str = "") -> None:
        super().__init__(f"{sentence} ({clause})" if clause else sentence)
        self.rule = rule
        self.clause = clause


class UnknownReferenceError(StepRefusedError):
    """No entry of the register has this reference."""

    def __init__(self, reference: str) -> None:
        shown = reference if reference.isprintable() and len(reference) <= 40 else "(not shown)"
        super().__init__("reference", f"The register has no entry {shown}.")


class StaleViewError(StepRefusedError):
    """Somebody else took a step since this one was looked at.

    Attributes:
        changed: the steps in between.
    """

    def __init__(self, reference: str, changed: Sequence[Step]) -> None:
        what = "; ".join(
            f"{each.kind} by {each.who}, {each.at:%d %B %Y %H:%M} UTC" for each in changed
        )
        super().__init__(
            "stale",
            f"{reference} has changed since you looked at it ({what or 'it is not what you saw'})."
            " Look at it again, then decide.",
        )
        self.changed = tuple(changed)
