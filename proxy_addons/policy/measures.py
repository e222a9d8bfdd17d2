"""What heads say of bodies, as findings: how much is sent, what type is declared of what comes.

In: a length, a media type; the findings that rules of a policy look at.
Out: those of them that it is.
Must never: find that something is not so: a rule matches by what was found, and then it may only be
the stricter for it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from proxy_addons.policy.findings import CONTENT_TYPE, UPLOAD_SIZE, found, parted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NO_TYPE: Final = "none"
"""Of an answer that declares no type."""
UNITS: Final = {"kB": 10**3, "MB": 10**6, "GB": 10**9}


def sizes_of(findings: Iterable[str]) -> tuple[int, ...]:
    """The sizes that rules name, in bytes, the smallest first."""
    each = (parted(finding) for finding in findings)
    return tuple(sorted(int(value) for kind, value in each if kind == UPLOAD_SIZE))


def over(length: int, sizes: Iterable[int]) -> frozenset[str]:
    """What is found of so many bytes.

    Args:
        length: bytes that are sent.
        sizes: as `sizes_of` gives them.
    """
    return found(UPLOAD_SIZE, (str(size) for size in sizes if length > size))


def typed(content_type: str, findings: Iterable[str]) -> frozenset[str]:
    """What is found of a declared type.

    Args:
        content_type: the value of `Content-Type`, "" none. Of several, with commas between them,
            all count: which of them a client goes by is not known.
        findings: that rules look at.
    """
    said = content_type.lower().split(",")
    named = (each.partition(";")[0].strip() for each in said)
    types = {each for each in named if "/" in each}  # what has no / declares nothing
    meant = types | {f"{each.partition('/')[0]}/*" for each in types} or {NO_TYPE}
    each = (parted(finding) for finding in findings)
    return found(
        CONTENT_TYPE, (value for kind, value in each if kind == CONTENT_TYPE and value in meant)
    )


def implied(findings: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Pairs of findings of which the first is never found without the second."""
    names = list(findings)
    sizes = sizes_of(names)
    for smaller, larger in pairwise(sizes):
        yield f"{UPLOAD_SIZE}={larger}", f"{UPLOAD_SIZE}={smaller}"
    for name in names:
        kind, value = parted(name)
        whole = f"{CONTENT_TYPE}={value.partition('/')[0]}/*"
        if kind == CONTENT_TYPE and whole in names and whole != name:
            yield name, whole
