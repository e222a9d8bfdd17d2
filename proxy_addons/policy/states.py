"""States: what stands for a person now, which rules may look at (`when: state`).

In: nothing. Out: names.
Must never: hold a person's facts (standing/ has them).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

ON_BREAK: Final = "on-break"
"""A break that the person has booked is running."""
ON_DUTY: Final = "on-duty"
"""The person is on the rota, and on duty."""
OFF_DUTY: Final = "off-duty"
"""The person is on the rota, and not on duty."""
NO_ROTA: Final = "no-rota"
"""The rota says nothing of the person: the office hours apply."""
ALLOWANCE_LOW: Final = "allowance-low"
"""Few minutes of personal use are left in this duty day."""
ALLOWANCE_USED: Final = "allowance-used"
"""None is left."""
SOCIAL_LOW: Final = "social-low"
"""Few minutes of social networks are left in this duty day."""
SOCIAL_USED: Final = "social-used"
"""None is left."""

STATES: Final = frozenset(
    {
        ON_BREAK,
        ON_DUTY,
        OFF_DUTY,
        NO_ROTA,
        ALLOWANCE_LOW,
        ALLOWANCE_USED,
        SOCIAL_LOW,
        SOCIAL_USED,
    }
)

DUTY: Final = frozenset({ON_DUTY, OFF_DUTY, NO_ROTA})
"""Of these, one stands for everybody at any time."""


def as_given(states: Iterable[str]) -> frozenset[str]:
    """States as somebody who asks what would be decided gives them.

    Raises:
        ValueError: there is no such state, or two of them cannot stand together.
    """
    given = frozenset(states)
    for state in sorted(given - STATES):
        msg = f"there is no state {state!r}"
        raise ValueError(msg)
    duty = given & DUTY
    if len(duty) > 1:
        msg = f"{' and '.join(sorted(duty))} cannot stand together"
        raise ValueError(msg)
    return given if duty else given | {NO_ROTA}
