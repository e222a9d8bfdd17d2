"""The files of `watchhouse decide`: a version, and one list of entries.

In: a path, the list's key, the kind of its entries. Out: the entries.
Must never: raise, or pass over a fault: each is in the report, and whoever reads refuses the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.settings.kinds import Fields, ListOf, Whole
from proxy_addons.settings.tree import read

if TYPE_CHECKING:
    from pathlib import Path

    from proxy_addons.settings.kinds import Kind
    from proxy_addons.settings.problems import Report


def entries_of[T](path: Path, key: str, item: Kind[T], report: Report) -> tuple[T, ...]:
    """The entries of a file; those without a fault, where the report has any.

    Args:
        path: of the file.
        key: under which the list stands.
        item: kind of an entry.
        report: takes the problems.
    """
    try:
        data = path.read_bytes()
    except OSError as problem:
        # Nothing is used of a configuration of which a part is missing.
        report.add(str(path), "", f"cannot be read: {problem.strerror}")
        return ()
    root = read(data, str(path), report)
    if root is None:
        return ()
    fields = Fields(root, "", report, "a table of keys")
    fields.need("version", Whole(1, 1), 1)
    found: tuple[T, ...] = fields.need(key, ListOf(item), ())
    fields.done()
    return found
