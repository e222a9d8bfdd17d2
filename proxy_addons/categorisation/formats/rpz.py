"""Response policy zones: DNS zones whose names are those that a resolver refuses.

    name    CNAME .                NXDOMAIN: this name, none below it
    *.name  CNAME .                all names below, not the name
    name    CNAME *.               NODATA, the same here
    name    CNAME rpz-drop.        the same
    name    CNAME rpz-passthru.    an exception (also written as an alias of itself)
    name    A 0.0.0.0, AAAA ::     an address that leads nowhere: the same as a refusal

The longest name decides, as in the index. Source: draft-vixie-dnsop-dns-rpz, sections 3 and 4.

In: a file. Out: entries; triggers and actions that have no equal here, counted by what they are.
Must never: widen an entry: a name without its wildcard stands for itself.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from proxy_addons.categorisation.entries import EntryError, Kind, domain_entry
from proxy_addons.categorisation.formats.base import Entry, entry
from proxy_addons.categorisation.formats.zonefile import records
from proxy_addons.categorisation.report import CategoryImportError, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from proxy_addons.categorisation.formats.zonefile import Record
    from proxy_addons.categorisation.report import Problems

MAX_NAMES = 4_000_000  # they are held: some 150 octets each
_HERE, _BELOW = 1, 2  # bits: listed
_NOT_HERE, _NOT_BELOW = 4, 8  # bits: excepted
_TRIGGERS = ("rpz-ip", "rpz-client-ip", "rpz-nsip", "rpz-nsdname")
_REFUSED = {".", "*.", "rpz-drop."}
_PASSED = "rpz-passthru."


def read(path: Path, place: str, problems: Problems) -> Iterator[Entry]:
    """Yields the entries of a response policy zone.

    Raises:
        CategoryImportError: when it includes another file, or is too large.
        OSError: when the file cannot be read.
    """
    names = _names(path, place, problems)
    for name, bits in names.items():
        yield from _entries(name, bits, names)


def _names(path: Path, place: str, problems: Problems) -> dict[str, int]:
    apex: str | None = None
    names: dict[str, int] = {}
    for record in records(path, place, problems):
        if record.type == "SOA":
            apex = record.owner
            continue
        apex = record.origin if apex is None else apex
        if record.owner == (apex or "") and record.type != "CNAME":
            continue  # NS and others of the zone itself
        try:
            trigger = _trigger(record, apex)
            name, bit = _acted(trigger, record)
        except EntryError as error:  # this record is not used, and said so
            problems.add(place, record.line, str(error))
            continue
        names[name] = names.get(name, 0) | bit
        if len(names) > MAX_NAMES:
            raise CategoryImportError(
                f"{place}: more than {MAX_NAMES:,} names in one zone: split it"
            )
    return names


def _trigger(record: Record, apex: str | None) -> str:
    """The name that a record is about: its owner without the zone's own name."""
    owner = record.owner
    if apex:
        if not owner.endswith(f".{apex}"):
            raise EntryError(f"outside the zone: {quoted(owner)}")
        owner = owner.removesuffix(f".{apex}")
    elif record.absolute and apex is None:
        raise EntryError(f"outside the zone, as none is named: {quoted(owner)}")
    last = owner.rpartition(".")[2]
    if last in _TRIGGERS:
        raise EntryError(f"a trigger by {last}: {quoted(owner)}")
    if owner == "*":
        raise EntryError("a trigger for every name: *")
    if "\\" in owner:
        raise EntryError(f"a name with escaped characters: {quoted(owner)}")
    return owner


def _acted(trigger: str, record: Record) -> tuple[str, int]:
    """The name, and what the record says of it."""
    name = trigger.removeprefix("*.")
    below = name != trigger
    text = domain_entry(name)  # whether it is a name at all
    if text is None or text.startswith("["):
        raise EntryError(f"not a host: {quoted(trigger)}")
    if _is_exception(trigger, record):
        return name, _NOT_BELOW if below else _NOT_HERE
    return name, _BELOW if below else _HERE


def _is_exception(trigger: str, record: Record) -> bool:
    target = record.data[0].lower() if record.data else ""
    if record.type in {"A", "AAAA"}:
        try:
            address = ipaddress.ip_address(target)
        except ValueError:
            raise EntryError(f"not an address: {quoted(target)}") from None
        if address.is_unspecified or address.is_loopback:
            return False
        raise EntryError(
            "another answer is given (local data): a policy redirects, a list does not"
        )
    if record.type != "CNAME":
        raise EntryError(f"local data of type {quoted(record.type)}")
    if target in _REFUSED:
        return False
    if target in {_PASSED, f"{trigger}."}:
        return True
    if target == "rpz-tcp-only.":
        raise EntryError("the action rpz-tcp-only, which refuses nothing")
    raise EntryError("another answer is given (local data): a policy redirects, a list does not")


def _entries(name: str, bits: int, names: dict[str, int]) -> Iterator[Entry]:
    here, below = _sign(bits, _HERE, _NOT_HERE), _sign(bits, _BELOW, _NOT_BELOW)
    if below is not None:
        yield entry(Kind.DOMAINS, name, 0, excepts=not below)
        if here is None:
            here = _above(name, names)
            if here is None:
                here = False
    if here is not None and here != below:
        yield entry(Kind.HOSTS, name, 0, excepts=not here)


def _above(name: str, names: dict[str, int]) -> bool | None:
    """What the nearest wildcard above says of a name."""
    while name := name.partition(".")[2]:
        sign = _sign(names.get(name, 0), _BELOW, _NOT_BELOW)
        if sign is not None:
            return sign
    return None


def _sign(bits: int, listed: int, excepted: int) -> bool | None:
    """Listed, excepted (which goes first), or neither."""
    if bits & excepted:
        return False
    return True if bits & listed else None
