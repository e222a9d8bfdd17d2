"""The columns of the Parquet files: the fields of the record, and where the line is.

In: the table of the record. Out: pieces of SQL.
Must never: hold a value that somebody gave.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy_addons.accesslog.record import DUCKDB_TYPES, FIELDS, NAMES

if TYPE_CHECKING:
    from pathlib import Path

JSON_COLUMNS: Final = (
    "{" + ", ".join(f"{field.name}: '{DUCKDB_TYPES[field.type]}'" for field in FIELDS) + "}"
)
"""The fields and their types, as `read_json` takes them."""

PLACED: Final = (*NAMES, "segment", "line")
"""The fields, and where the line is."""

DERIVED: Final = ("pending", "abroad")
"""What is found out when a file is made, so that questions need not join it with itself.

`pending`: an opening record of which the file has no closing one with the same start, person and
categories. (What may be seen depends on these alone: of two such records both may be, or neither.)
`abroad`: a closing record whose opening one may be in another file, or differs from it.
"""

COLUMNS: Final = ", ".join(f'"{name}"' for name in (*PLACED, *DERIVED))
"""All columns, in their order."""

KEY: Final = "coalesce(person, client_ip, '')"
"""Whose a record is."""

ORDER: Final = f"{KEY}, start, segment, line"
"""What files are sorted by: a person's records stand together."""

WRITTEN: Final = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 3, ROW_GROUP_SIZE 20480"
"""How they are written. DuckDB's vectors have 2,048 rows: groups are multiples of that."""


def quoted(path: Path | str) -> str:
    """A text for SQL that takes no parameters (COPY … TO)."""
    return "'" + str(path).replace("'", "''") + "'"
