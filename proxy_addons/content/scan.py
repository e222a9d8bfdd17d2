"""What a scanner is, and what it says of a body.

In: nothing. Out: `Scan`, `Scanner`, and pieces that all scanners share.
Must never: hold a word of a scanner, or of a stranger, as it came: it goes into logs and pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

_LONGEST = 200  # characters of what a scanner says


@dataclass(frozen=True, slots=True)
class Scan:
    """What a scanner says of one body.

    Attributes:
        virus: the name of what was found in it; None: nothing was.
        scanned: whether all of it was looked at, or something was found.
        why: in plain words, why it was not; empty when it was.
    """

    virus: str | None
    scanned: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """How a scanner is.

    Attributes:
        server: which one, as the settings name it.
        well: whether it can be relied on.
        says: its version, or what is wrong, in plain words.
    """

    server: str
    well: bool
    says: str


class Scanner(Protocol):
    """Looks for viruses in bodies."""

    async def scan(self, body: AsyncIterable[bytes], *, name: str, size: int | None) -> Scan:
        """Have a body looked at.

        Best begun when the body is there: one of the few connections is held until its end.

        Whatever is wrong with a scanner is a `Scan` that says so. Only what the body itself raises,
        and the end of the task, pass through.

        Args:
            body: its bytes, without any content coding. If it can be read again (each `aiter` of it
                begins anew), another server is asked when one fails halfway.
            name: of the file, for scanners that go by it.
            size: of the body in bytes; None: nobody knows.
        """

    async def health(self) -> tuple[Health, ...]:
        """How all servers are: each is asked."""


def clean(text: bytes | str) -> str:
    """What a scanner said, made safe to show: printable ASCII, one line, not too long."""
    if isinstance(text, bytes):
        text = text.decode("ascii", "replace")
    shown = "".join(char if " " <= char <= "~" else "?" for char in text[:_LONGEST])
    return shown.strip()
