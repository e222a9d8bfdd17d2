"""Hosts files: an address and the names that are to have it.

In: a file as `/etc/hosts`. Out: the names that are sent nowhere, each for itself alone: a hosts
file says nothing of names below.
Must never: take a name that has a real address for a listed one.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from proxy_addons.categorisation.entries import EntryError, Kind
from proxy_addons.categorisation.formats.base import Entry, entry, numbered, too_long
from proxy_addons.categorisation.report import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from proxy_addons.categorisation.report import Problems

# Names of the machine itself and of groups on its link; lists carry them along.
OWN = frozenset(
    {
        *("localhost", "localhost.localdomain", "localhost4", "localhost6", "local"),
        *("localhost4.localdomain4", "localhost6.localdomain6", "broadcasthost"),
        *("ip6-localhost", "ip6-loopback", "ip6-localnet", "ip6-mcastprefix", "ip6-allnodes"),
        *("ip6-allrouters", "ip6-allhosts", "0", "::1"),
    }
)


def read(path: Path, place: str, problems: Problems) -> Iterator[Entry]:
    """Yields the entries of a hosts file.

    Raises:
        OSError: when the file cannot be read.
    """
    for number, line in numbered(path):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            too_long(line)
            sinks = sunk(words[0])
        except EntryError as error:  # this line is not used, and said so
            problems.add(place, number, str(error))
            continue
        if len(words) == 1:
            problems.add(place, number, f"an address without a name: {quoted(words[0])}")
        for name in words[1:]:
            if name.lower() in OWN or name == words[0]:
                continue
            if not sinks:
                why = "a name with a real address is no listed one"
                problems.add(place, number, f"{why}: {quoted(name)}")
                continue
            try:
                yield entry(Kind.HOSTS, name, number)
            except EntryError as error:  # this name is not used, and said so
                problems.add(place, number, str(error))


def sunk(word: str) -> bool:
    """Whether an address is one that leads nowhere: of no host, or of the machine itself.

    Raises:
        EntryError: when it is no address.
    """
    if word == "0":
        return True
    try:
        address = ipaddress.ip_address(word)
    except ValueError:
        raise EntryError(f"not an address and names: {quoted(word)}") from None
    return address.is_unspecified or address.is_loopback or address.is_link_local
