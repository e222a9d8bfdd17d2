"""Tables as files that a spreadsheet opens.

In: CSV. Out: an answer that is saved and not shown.
Must never: hold a cell that would be run as a formula: `harmless` of standing/report.py sees to it.
"""

from __future__ import annotations

from aiohttp import hdrs, web


def answer(name: str, text: str) -> web.Response:
    """A table as a download: UTF-8 with the mark by which spreadsheets know it.

    Args:
        name: of the file, letters and `-` only.
        text: CSV.
    """
    return web.Response(
        body=text.encode("utf-8-sig"),
        headers={
            hdrs.CONTENT_TYPE: "text/csv; charset=utf-8",
            hdrs.CONTENT_DISPOSITION: f'attachment; filename="{name}.csv"',
        },
    )
