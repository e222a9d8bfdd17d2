"""What a report is made of: tables, pictures, texts and times as they may be shown.

In: values. Out: the same, fit to be shown.
Must never: let a character through that acts on a screen or turns the direction of text.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from datetime import datetime

LOCAL: Final = ZoneInfo("Europe/London")
_TYPOGRAPHIC: Final = "\N{EN DASH}\N{EM DASH}\N{HORIZONTAL ELLIPSIS}"


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        title: of it.
        heads: of its columns.
        rows: of texts.
        note: below it.
    """

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture, and the table that says the same.

    Attributes:
        title: of it.
        alt: what it shows, in a sentence.
        svg: the picture.
        table: its numbers.
    """

    title: str
    alt: str
    svg: str
    table: Table


def shown(value: object) -> str:
    """A text as it may be shown: what is neither Latin nor printable stands as an escape."""
    return "".join(c if _plain(c) else f"\\u{{{ord(c):x}}}" for c in str(value))


def _plain(sign: str) -> bool:
    """Whether a sign is in the print's fonts, and cannot act; a soft hyphen cannot be seen."""
    return sign.isprintable() and (sign <= "\xff" or sign in _TYPOGRAPHIC) and sign != "\xad"


def local(moment: datetime) -> str:
    """A time as the force's clock had it, with its zone."""
    return moment.astimezone(LOCAL).strftime("%d %b %Y %H:%M:%S %Z")


def both(moment: datetime) -> str:
    """The same, and in UTC."""
    return f"{local(moment)} ({moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC)"
