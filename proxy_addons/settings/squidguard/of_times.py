"""The `time` blocks of a squidGuard.conf.

In: tokens. Out: `Space`.
Must never: take a date for days of the week.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.settings.problems import quoted
from proxy_addons.settings.squidguard.model import Space
from proxy_addons.settings.squidguard.times import days_of, minute_of, week_of

if TYPE_CHECKING:
    from proxy_addons.settings.squidguard.blocks import Blocks
    from proxy_addons.settings.squidguard.tokens import Token


def read_time(it: Blocks) -> None:
    """Read one, its first word read already."""
    name = it.begin("time", it.conf.spaces)
    space = it.conf.spaces[name.text] = Space(name.text, name.line)
    while (token := it.inner()) is not None:
        if token.text == "weekly":
            space.week |= _weekly(it, token)
        elif token.text == "date":
            _date(it, token, name.text)
        else:
            raise it.unexpected(token, "weekly or date")


def _weekly(it: Blocks, token: Token) -> int:
    days: frozenset[int] = frozenset()
    while not it.tokens.peek().text[:1].isdigit():
        word = it.tokens.next()
        if word.text == ",":
            continue
        try:
            days |= days_of(word.text)
        except ValueError:
            # Nothing of the file is used.
            raise it.unexpected(word, "days: *, letters of smtwhfa, or names") from None
    if not days:
        raise it.unexpected(it.tokens.peek(), "days")
    week = 0
    while it.tokens.peek().text[:1].isdigit():
        start, end = _from_to(it)
        if end <= start:
            it.leave(
                token,
                f"{_clock(start)}-{_clock(end)}, which squidGuard never finds to hold",
                "where over midnight was meant, write two ranges",
            )
        week |= week_of(days, start, end)
    return week


def _from_to(it: Blocks) -> tuple[int, int]:
    word = it.tokens.next()
    text = word.text
    if "-" not in text:
        text += it.tokens.next().text
    if text.endswith("-"):
        text += it.tokens.next().text
    first, _, last = text.partition("-")
    try:
        return minute_of(first), minute_of(last)
    except ValueError:
        # Nothing of the file is used.
        raise it.unexpected(word, "a range such as 08:00-16:30") from None


def _date(it: Blocks, token: Token, space: str) -> None:
    first = it.tokens.next()
    text = first.text
    while it.tokens.peek().text[:1] in {*"0123456789-*"} and it.tokens.peek().text:
        text += f" {it.tokens.next().text}"
    if not first.text[:1].isdigit() and not first.text.startswith("*"):
        raise it.unexpected(first, "a date such as 2026.12.24 or *.12.25")
    it.leave(
        token,
        f"date {text} of the time {quoted(space)}",
        "time spaces know days of the week and bank holidays: see time_spaces and"
        " bank_holidays in docs/policy.md",
    )


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
