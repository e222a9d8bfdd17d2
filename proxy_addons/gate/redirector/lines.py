"""The lines that Squid writes to a `url_rewrite_program` (Squid wiki, "Redirectors").

    [channel-ID] URL client/fqdn ident method [key=value ...]

In: octets, as characters of Latin-1; a line, or many at once. Out: its fields; nothing for a line
that is none.
Must never: guess. What is no such line is refused by who asked for it to be read.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

from proxy_addons.policy.people import canonical_name

LONGEST = 131_072
"""Octets of a line, without its end; Squid's own URLs end at 8 KiB. A longer one is refused."""

# One look for all lines there are. Those that say what nearly all do are taken apart at once: a
# name, a path and a query as they should be (urlkey), without `;`, which servers may read in two
# ways, without `%`, and without empty segments. All others are the last group, for `read`.
ORDINARY = re.compile(
    r"^(?:(?:([0-9]{1,10}) )?http(s?)://([a-z0-9_][a-z0-9._-]{0,58}\.[a-z]{2,58})"
    r"(/(?:[!$&-.0-:=@-Z_a-z~]++/?)*+(?:\?[!\"$&-~]*+)?)"
    r" ([0-9a-f.:]++/[!-~]++ [!-~]++ [A-Z]++)(?: [ -~]*+)?|([^\n]*+))$",
    re.ASCII | re.MULTILINE,
)
ODD = ("..", "xn--", "/.", "dns=")
"""A line with one of these is for `read`, although it looks ordinary: an empty label or too long a
one, an A-label that is to be checked, a dot segment, what may be a trait (gate/traits.py)."""
_CHANNEL = re.compile(r"([0-9]{1,10})[ \t]", re.ASCII)
_BETWEEN = re.compile(r"[ \t]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_FIELDS = 4
_BEGINNING = 64
_METHOD = re.compile(r"[A-Za-z]+(?:[-_][A-Za-z]+)*", re.ASCII)


class TooLong(NamedTuple):
    """A line that is longer than any may be.

    Attributes:
        beginning: of it.
    """

    beginning: str


class Feed:
    """Makes lines of octets as they come, as many at once as there are."""

    def __init__(self) -> None:
        self._rest = b""
        self._skips = False

    def feed(self, data: bytes) -> list[str | TooLong]:
        """The whole lines that there are now.

        Args:
            data: what has come.

        Returns:
            Texts of one or more lines, without the end of the last one; what was too long.
        """
        found: list[str | TooLong] = []
        if self._skips:
            _, end, data = data.partition(b"\n")
            if not end:
                return found
            self._skips = False
        whole, end, rest = (self._rest + data).rpartition(b"\n")
        if end:
            lines = whole.split(b"\n") if len(whole) > LONGEST else [whole]
            found += [_too_long(line) if len(line) > LONGEST else _text(line) for line in lines]
        if len(rest) > LONGEST:
            found.append(_too_long(rest))
            rest, self._skips = b"", True
        self._rest = rest
        return found

    def end(self) -> list[str | TooLong]:
        """What is left where nothing more comes."""
        rest, self._rest = self._rest, b""
        return [_text(rest)] if rest else []


def _text(octets: bytes) -> str:
    return octets.decode("latin-1").replace("\r\n", "\n").removesuffix("\r")


def _too_long(octets: bytes) -> TooLong:
    return TooLong(octets[:_BEGINNING].decode("latin-1"))


class Asked(NamedTuple):
    """One line.

    Attributes:
        url: as Squid wrote it; `host:port` for CONNECT.
        client: address of the client.
        fqdn: its name as DNS has it, which proves nothing; empty where Squid knows none.
        ident: the name that Squid has authenticated, unescaped; empty for none.
        method: in upper case.
    """

    url: str
    client: str
    fqdn: str
    ident: str
    method: str


def channel_of(line: str) -> str:
    """The channel-ID of a line, where it begins with one; else nothing."""
    found = _CHANNEL.match(line)
    return found[1] if found else ""


def read(line: str) -> Asked | None:
    """The fields of a line, without its channel-ID; None where it is no such line.

    Args:
        line: without its end, an octet a character.
    """
    try:
        text = line.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return None  # no text: the line is refused
    if _CONTROL.search(text):
        return None
    fields = _BETWEEN.split(text.strip(" \t"))
    if len(fields) < _FIELDS:
        return None
    url, client, ident, method = fields[:_FIELDS]
    if _METHOD.fullmatch(method) is None:
        return None
    try:
        address, fqdn, name = caller(client, ident)
    except ValueError:
        return None  # a name that is no text: the line is refused
    return Asked(url, address, fqdn, name, method.upper())


def caller(client: str, ident: str) -> tuple[str, str, str]:
    """Address, name in DNS and authenticated name of who asks, from two fields of a line.

    Raises:
        ValueError: the name is not UTF-8.
    """
    address, _, fqdn = client.partition("/")
    # Squid escapes names (RFC 1738) in what it writes to helpers.
    name = "" if ident == "-" else unquote(ident, errors="strict")
    return address, "" if fqdn == "-" else fqdn, name


def name_of(ident: str) -> str | None:
    """The canonical form of an authenticated name; None for nobody, or what is no name."""
    try:
        return canonical_name(ident) if ident else None
    except ValueError:
        # Nobody is known by it: who asks is judged by address, or by the strictest profile.
        return None
