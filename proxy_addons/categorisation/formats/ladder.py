"""Puts entries and exceptions in the order that the index keeps.

In Adblock and E2Guardian lists an exception wins over every entry, however specific, unless that is
strong (`$important`, a local list), and then a strong exception wins again. In the index the most
specific decides. So what a stronger one of the other sign covers is left out here.

In: entries, twice. Out: those that stand. Must never: hold the entries that are not exceptions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import marisa_trie

from proxy_addons.categorisation.entries import Kind
from proxy_addons.categorisation.report import CategoryImportError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from proxy_addons.categorisation.formats.base import Entry

_MOST = 1_000_000  # exceptions and strong entries, which are held


def standing(
    first: Iterable[Entry], second: Iterable[Entry], left_out: Callable[[Entry], None]
) -> Iterator[Entry]:
    """Yields the entries that no stronger one of the other sign covers.

    Args:
        first: the entries.
        second: the same once more.
        left_out: told those that are covered.

    Raises:
        CategoryImportError: when there are too many to hold.
    """
    texts: dict[int, list[str]] = {1: [], 2: [], 3: []}
    for found in first:
        if (rung := _rung(found)) and found.kind is not Kind.EXPRESSIONS:
            texts[rung].append(found.text)
            if len(texts[rung]) > _MOST:
                raise CategoryImportError(f"more than {_MOST:,} exceptions: not a list of sites")
    covers = {rung: marisa_trie.Trie(given) for rung, given in texts.items() if given}
    for found in second:
        if found.kind is not Kind.EXPRESSIONS and _covered(found, covers):
            left_out(found)
        else:
            yield found


def _rung(found: Entry) -> int:
    """0 an entry, 1 an exception, 2 a strong entry, 3 a strong exception."""
    return 2 * found.strong + found.excepts


def _covered(found: Entry, covers: dict[int, Any]) -> bool:
    rung = _rung(found)
    # Every other rung has the other sign.
    return any(
        higher in covers and covers[higher].prefixes(found.text) for higher in (rung + 1, rung + 3)
    )
