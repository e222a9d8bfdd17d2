"""The routes of the API: one table, which the server, the document and its tests share.

In: nothing. Out: the table.
Must never: name a route that is not served, or serve one that it does not name.

Another route is another row here, and a handler of its `operation`'s name in serving.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from proxy_addons.portal.api import shapes
from proxy_addons.portal.signin.roles import AUDITOR, PSD

if TYPE_CHECKING:
    from collections.abc import Mapping

BASE: Final = "/api/v1"
JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Route:
    """One thing that can be asked. All are GET: nothing is changed by the API.

    Attributes:
        path: below `BASE`.
        operation: its name in the document, and of its handler.
        what: one line about it.
        more: some more.
        query: its parameters.
        answer: type of the answer in JSON; None: it is a file, see `files`, or the document.
        files: content type → what it holds, where the answer is a file.
        roles: of tokens that can ask it; empty: it needs none.
        problems: kinds besides those that every route has.
    """

    path: str
    operation: str
    what: str
    more: str = ""
    query: type[Any] = shapes.Nothing
    answer: type[Any] | None = None
    files: Mapping[str, str] | None = None
    roles: frozenset[str] = frozenset()
    problems: tuple[str, ...] = ()


_BOTH: Final = frozenset({PSD, AUDITOR})
_RECORDS: Final = frozenset({PSD})
_ASKED: Final = ("refused", "wrong-range", "unavailable")

ROUTES: Final = (
    Route("/openapi.json", "document", "This document", files={JSON: "OpenAPI 3.1"}),
    Route(
        "/authorisations",
        "authorisations",
        "What the token can be used for",
        answer=shapes.Rights,
        roles=_BOTH,
        problems=("unavailable",),
    ),
    Route(
        "/records",
        "records",
        "A page of records",
        "Records within the authorisation, and no other: what it does not cover is as if it did not"
        " exist. Each page is a look, which is recorded before it is answered.",
        query=shapes.Records,
        answer=shapes.Page,
        roles=_RECORDS,
        problems=(*_ASKED, "unknown"),
    ),
    Route(
        "/counts",
        "counts",
        "How many records, by one dimension",
        "A dimension whose field may not be seen has no counts.",
        query=shapes.Counts,
        answer=shapes.CountsFound,
        roles=_RECORDS,
        problems=_ASKED,
    ),
    Route(
        "/export",
        "export",
        "All records as a file",
        "CSV and JSON lines come as they are read: an answer that was cut off ends without its last"
        " chunk, and is not whole. One export of a token at a time.",
        query=shapes.Exported,
        files={
            "text/csv": "RFC 4180, with a line of headings",
            "application/x-ndjson": "a `Record` each line",
            "application/vnd.apache.parquet": "Apache Parquet",
        },
        roles=_RECORDS,
        problems=(*_ASKED, "busy"),
    ),
    Route(
        "/trail",
        "trail",
        "Who looked, the newest first",
        "For auditors' tokens.",
        query=shapes.Looks,
        answer=shapes.Trail,
        roles=frozenset({AUDITOR}),
        problems=(*_ASKED, "unknown"),
    ),
)

ALWAYS: Final = ("wrong-query", "not-secure", "fault")
"""Problems of every route."""
WITH_TOKEN: Final = ("no-token", "too-often", "unavailable")
"""And of every route that needs a token."""
