"""Rows as a file: CSV, JSON lines, Parquet.

In: rows, one after the other. Out: a download.
Must never: be sent before it is whole, so that no part of it is taken for all; let a cell be run by
a spreadsheet; hold all rows in memory.
"""

from __future__ import annotations

import asyncio
import csv
import os
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiohttp import hdrs, web

from proxy_addons.accesslog.record import DUCKDB_TYPES, FIELDS, NAMES
from proxy_addons.rights.opening import opened
from proxy_addons.standing.report import harmless

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping

    from proxy_addons.audit.store import Row

_FIRST: Final = ("segment", "line", "masked")
"""Columns before those of the record: where its line is, and whether its site is masked."""
_BLOCK: Final = 1 << 20
_AT_ONCE: Final = 1000
_ENCODER: Final = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Form:
    """One kind of file.

    Attributes:
        name: in addresses, and the file's ending.
        words: on its button.
        kind: its content type.
    """

    name: str
    words: str
    kind: str


FORMS: Final = {
    each.name: each
    for each in (
        Form("csv", "CSV", "text/csv; charset=utf-8"),
        Form("jsonl", "JSON lines", "application/x-ndjson"),
        Form("parquet", "Parquet", "application/vnd.apache.parquet"),
    )
}


async def exported(
    request: web.Request,
    form: Form,
    rows: AsyncIterator[Row],
    reference: str,
    now: datetime,
    headers: Mapping[str, str] | None = None,
) -> web.StreamResponse:
    """Send rows as a file.

    Args:
        request: to be answered.
        form: of the file.
        rows: all of them.
        reference: of the authorisation, for the file's name.
        now: the same.
        headers: of the answer besides.

    Raises:
        Refused: by the desk, also in the middle; nothing was sent.
        OSError: there is no room for it here.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="watchhouse-")))
        made = folder / f"rows.{form.name}"
        await _written(made, form, rows)
        told = {**headers_of(form, reference, now), **(headers or {})}
        return await sent(request, made, told)


async def sent(request: web.Request, file: Path, headers: Mapping[str, str]) -> web.StreamResponse:
    """Send a file that is whole, as a download.

    Args:
        request: to be answered.
        file: its path.
        headers: its content type, and what to save it as.
    """
    answer = web.StreamResponse(headers=headers)
    whole = await opened(lambda: file.open("rb"), BufferedReader.close)
    try:
        answer.content_length = os.fstat(whole.fileno()).st_size
        await answer.prepare(request)
        while block := await asyncio.to_thread(whole.read, _BLOCK):
            await answer.write(block)
        await answer.write_eof()
    finally:
        whole.close()  # here: on a thread it would not be closed where this is cancelled
    return answer


def headers_of(form: Form, reference: str, now: datetime) -> dict[str, str]:
    """What is said of a file, as for `exported`."""
    name = f"{reference.lower()}-{now:%Y%m%dT%H%M%SZ}.{form.name}"
    return {
        hdrs.CONTENT_TYPE: form.kind,
        hdrs.CACHE_CONTROL: "no-store",
        hdrs.CONTENT_DISPOSITION: f'attachment; filename="{name}"',
    }


async def _written(made: Path, form: Form, rows: AsyncIterator[Row]) -> None:
    lines = made.with_suffix(".lines")
    target = lines if form.name == "parquet" else made
    with await opened(
        lambda: target.open("w", encoding="utf-8", newline=""), TextIOWrapper.close
    ) as file:
        write = writer_of(form, file)
        several: list[Row] = []
        async for row in rows:
            several.append(row)
            if len(several) == _AT_ONCE:
                await asyncio.to_thread(write, several)
                several = []
        await asyncio.to_thread(write, several)
    if form.name == "parquet":
        await asyncio.to_thread(_parquet, lines, made)


def writer_of(form: Form, file: Any) -> Callable[[Iterable[Row]], None]:
    """What writes rows into a text file: as CSV, else as lines of JSON; a heading at once."""
    return _csv(file) if form.name == "csv" else _lines(file)


def columns_of(row: Row) -> dict[str, Any]:
    """All columns of a row, those too that may not be seen: null."""
    first = dict(zip(_FIRST, (row.at.segment, row.at.line, row.masked), strict=True))
    return first | {name: row.values.get(name) for name in NAMES}


def _lines(file: Any) -> Callable[[Iterable[Row]], None]:
    def write(rows: Iterable[Row]) -> None:
        file.writelines(f"{_ENCODER.encode(columns_of(row)).decode()}\n" for row in rows)

    return write


def _csv(file: Any) -> Callable[[Iterable[Row]], None]:
    """RFC 4180: CRLF, a line of headings."""
    file.write("\ufeff")  # by which spreadsheets know UTF-8
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow((*_FIRST, *NAMES))

    def write(rows: Iterable[Row]) -> None:
        writer.writerows(
            [harmless(_cell(value)) for value in columns_of(row).values()] for row in rows
        )

    return write


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)


def _parquet(lines: Path, made: Path) -> None:
    import duckdb  # noqa: PLC0415 - 20 MB that a portal without such exports does not need

    types = {"segment": "VARCHAR", "line": "BIGINT", "masked": "BOOLEAN"} | {
        field.name: DUCKDB_TYPES[field.type] for field in FIELDS
    }
    with duckdb.connect(config={"threads": 1, "memory_limit": "256MB"}) as connection:
        connection.execute(
            "COPY (SELECT * FROM read_json($lines, format = 'newline_delimited', columns = $types))"
            " TO $made (FORMAT parquet, COMPRESSION zstd)",
            {"lines": str(lines), "types": types, "made": str(made)},
        )
