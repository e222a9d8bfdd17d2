"""What of a request rules can look at.

In: nothing. Out: `Facts`, which is hashable: the key of a memory of decisions.
Must never: hold what no rule looks at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_NONE: frozenset[str] = frozenset()


class Facts(NamedTuple):
    """What of a request rules can look at, apart from the time. Hashable: a cache's key.

    Attributes:
        profile: the profile that applies.
        categories: of the resource.
        hosts: of the hosts that the policy names, those that the resource's host is or is under.
        method: upper case; empty when no rule of the policy looks at methods.
        exempted: categories that a live exemption opens; rules that block or coach pass them by.
        states: of what stands for the person (states.py), that which rules of the policy name.
        findings: of what was found in a body (findings.py), that which rules name; none before one
            has been looked at.
        atoms: what is known of the atoms (atoms.py) that rules name.
    """

    profile: str
    categories: frozenset[str]
    hosts: frozenset[str]
    method: str
    exempted: frozenset[str] = _NONE
    states: frozenset[str] = _NONE
    findings: frozenset[str] = _NONE
    atoms: frozenset[str] = _NONE


def host_and_parents(host: str) -> Iterator[str]:
    """A name and every domain it is in: `a.b.c`, `b.c`, `c`."""
    yield host
    while (dot := host.find(".")) >= 0:
        host = host[dot + 1 :]
        yield host
