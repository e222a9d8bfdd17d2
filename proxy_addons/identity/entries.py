"""What a directory knows about a person, and the ways in which asking it can end.

In: nothing. Out: values and errors for the rest of the room and those who use it.
Must never: hold a password.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """A person as the directory has them.

    Attributes:
        name: canonical login name.
        dn: distinguished name, as the server spells it.
        display: the person's name for people, or None.
        unit: unit or department, or None.
        manager: canonical login name of the line manager, or None.
        kind: officer or staff, in the directory's words, or None.
        groups: common names of all groups, nested ones included, as `group_name` makes them. Empty
            in the entries of `Directory.people_of`, where groups are not asked for.
    """

    name: str
    dn: str
    display: str | None = None
    unit: str | None = None
    manager: str | None = None
    kind: str | None = None
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Found:
    """An answer, perhaps one from before.

    Attributes:
        entry: the person; None: the directory has no such person (or has them disabled).
        fresh: whether it is younger than `directory.ttl`.
    """

    entry: Entry | None
    fresh: bool


class DirectoryUnavailableError(Exception):
    """No server gave an answer that can be used. The message is plain words for a log."""


class DirectorySettingsError(ValueError):
    """The directory cannot be used as it is set up. The message names the setting and the fix."""


class WrongPasswordError(Exception):
    """The directory does not take this password for this person.

    Attributes:
        kind: `wrong-password`; `locked`, `expired` or `not-allowed` where the directory says that
            the account is locked, the password or account has expired, or it is disabled.
    """

    def __init__(self, kind: str = "wrong-password") -> None:
        super().__init__(kind)
        self.kind = kind


def group_name(text: str) -> str:
    """The form in which names of groups are compared: NFC, case folded (RFC 4518 2.2)."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text.strip()).casefold())
