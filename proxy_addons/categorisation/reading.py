"""Reads one list file as the compiler and the import both do.

In: a list file. Out: batches of what its lines stand for; problems of the lines that are not used.
Must never: stop at a line that cannot be used, or drop one without counting it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.categorisation.entries import PARSERS, EntryError
from proxy_addons.categorisation.lines import batches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy_addons.categorisation.report import Problems
    from proxy_addons.categorisation.tree import ListFile


def read_entries(file: ListFile, problems: Problems) -> Iterator[tuple[list[str], int]]:
    """Yields the entries of a list file in batches.

    Args:
        file: the file.
        problems: where lines that are not used are noted.

    Yields:
        Index texts (of expressions: patterns), and about how many octets they were read from.

    Raises:
        OSError: when the file cannot be read.
    """
    parse = PARSERS[file.kind]
    for first, lines in batches(file.path):
        found = []
        number = first
        for line in lines:
            try:
                text = parse(line)
            except EntryError as error:  # this line is not used, and said so
                problems.add(file.place, number, str(error))
            else:
                if text is not None:
                    found.append(text)
            number += 1
        yield found, sum(map(len, lines)) + len(lines)
