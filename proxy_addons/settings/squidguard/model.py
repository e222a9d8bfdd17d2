"""What a squidGuard.conf says, before it is translated.

In: nothing (reader.py fills these). Out: plain values, each with its line.
Must never: know our policy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipaddress import IPv4Address


@dataclass(slots=True)
class Timed:
    """A time space that has to hold, or not to hold; an empty name for none.

    Attributes:
        space: its name.
        outside: whether it must not hold.
    """

    space: str = ""
    outside: bool = False


@dataclass(slots=True)
class Space:
    """A `time` block.

    Attributes:
        line: where it begins.
        week: minutes of the week in which it holds, one bit each; the first is Monday's.
    """

    name: str
    line: int
    week: int = 0


@dataclass(slots=True)
class Source:
    """A `src` block: clients.

    Attributes:
        ranges: first and last address of each; None: whatever the address.
        users: lower case; None: whatever the user.
        unknown: conditions that we cannot look at, and that its clients meet besides.
        goes_on: `continue`: what it passes has to be passed by the next source that fits too, in
            the end by the default ACL. Never of the last source.
    """

    name: str
    line: int
    ranges: list[tuple[IPv4Address, IPv4Address]] | None = None
    users: list[str] | None = None
    unknown: bool = False
    goes_on: bool = False
    timed: Timed = field(default_factory=Timed)

    @property
    def is_used(self) -> bool:
        """Whether it says of anybody who it is; otherwise squidGuard passes it by."""
        return self.ranges is not None or self.users is not None or self.unknown


@dataclass(slots=True)
class Destination:
    """A `dest` block: addresses.

    Attributes:
        lists: kind (`domains`, `urls`, `expressions`) → path and line.
        redirect: where what it has refused leads to; empty: where the ACL says.
    """

    name: str
    line: int
    lists: dict[str, tuple[str, int]] = field(default_factory=dict)
    redirect: str = ""
    timed: Timed = field(default_factory=Timed)


@dataclass(slots=True)
class Access:
    """One block of an `acl`.

    Attributes:
        source: name of the source, or `default`.
        passes: names in order; whether each passes; its line. None where nothing is written.
        redirect: where what it refuses leads to; empty: where the default ACL says.
        is_else: whether it is the `else` of the one before it.
    """

    source: str
    line: int
    timed: Timed = field(default_factory=Timed)
    passes: list[tuple[str, bool, int]] | None = None
    redirect: str = ""
    is_else: bool = False


@dataclass(slots=True)
class Left:
    """Something that is not translated.

    Attributes:
        line: of the configuration, or of `file`.
        what: it is.
        instead: what to do about it.
        file: where it stands; empty for the configuration itself.
    """

    line: int
    what: str
    instead: str
    file: str = ""


@dataclass(slots=True)
class Conf:
    """A whole configuration.

    Attributes:
        files: of sources: name, `iplist` or `userlist`, path, line. Whoever can read files adds
            what is in them (files.py).
    """

    name: str
    dbhome: str = "/var/lib/squidguard/db"
    spaces: dict[str, Space] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)
    destinations: dict[str, Destination] = field(default_factory=dict)
    access: list[Access] = field(default_factory=list)
    files: list[tuple[str, str, str, int]] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
