"""Times of a week as sets of minutes: what squidGuard's time spaces are made of.

In: days and times of day as squidGuard writes them; sets. Out: sets; ranges of our time spaces.
Must never: take a range for another one that is near.

A set is a number with one bit for each minute of the week, from Monday on.
"""

from __future__ import annotations

import re
from typing import Final

from proxy_addons.policy.timespaces import DAY_NAMES

DAY: Final = 1440
ALWAYS: Final = (1 << 7 * DAY) - 1
_LETTERS: Final = {"m": 0, "t": 1, "w": 2, "h": 3, "f": 4, "a": 5, "s": 6}
_CLOCK: Final = re.compile(r"([0-9]{2}):([0-9]{2})", re.ASCII)
_WHOLE_NAMES: Final = frozenset(
    name
    for day in ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    for name in (day[:3], day, f"{day}s")
)


def days_of(word: str) -> frozenset[int]:
    """The days that a word names, Monday as 0: `*`, a name, or letters (`mtwhf`).

    Raises:
        ValueError: it names none.
    """
    if word == "*":
        return frozenset(range(7))
    lower = word.lower()
    if word in _WHOLE_NAMES:
        return frozenset({DAY_NAMES.index(word[:3])})
    if not lower or not set(lower) <= set(_LETTERS):
        raise ValueError(word)
    return frozenset(_LETTERS[letter] for letter in lower)


def minute_of(word: str) -> int:
    """Minutes since midnight.

    Raises:
        ValueError: it is no time such as 08:30.
    """
    found = _CLOCK.fullmatch(word)
    if found is None or int(found[1]) * 60 + int(found[2]) > DAY or int(found[2]) > 59:
        raise ValueError(word)
    return int(found[1]) * 60 + int(found[2])


def week_of(days: frozenset[int], start: int, end: int) -> int:
    """A set: on these days from a minute to another, which it does not hold; empty if not later."""
    if end <= start:
        return 0
    range_of_day = ((1 << (end - start)) - 1) << start
    return sum(range_of_day << (day * DAY) for day in days)


def ranges_of(week: int) -> list[tuple[tuple[str, ...], str, str]]:
    """The ranges of a set: days, and from when to when."""
    found: dict[tuple[int, int], list[str]] = {}
    for day in range(7):
        minutes = week >> (day * DAY) & ((1 << DAY) - 1)
        start = 0
        while minutes >> start:
            rest = minutes >> start
            start += (rest & -rest).bit_length() - 1
            rest = ~(minutes >> start)
            length = (rest & -rest).bit_length() - 1
            found.setdefault((start, start + length), []).append(DAY_NAMES[day])
            start += length
    return [(tuple(days), _clock(start), _clock(end)) for (start, end), days in found.items()]


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
