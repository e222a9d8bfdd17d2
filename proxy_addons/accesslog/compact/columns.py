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

COLUMNS: Final = ", ".join((*(f'"{name}"' for name in NAMES), '"segment"', '"line"'))
"""All columns, in their order."""

ORDER: Final = "coalesce(person, client_ip), start, segment, line"
"""What files are sorted by: a person's records stand together."""

WRITTEN: Final = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 3, ROW_GROUP_SIZE 20480"
"""How they are written. DuckDB's vectors have 2,048 rows: groups are multiples of that."""


def quoted(path: Path | str) -> str:
    """A text for SQL that takes no parameters (COPY … TO)."""
    return "'" + str(path).replace("'", "''") + "'"
