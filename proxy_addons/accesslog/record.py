"""The record: every field of one line of the access log, as one table.

In: nothing. Out: the table, and what other modules derive from it.
Must never: hold a field for a credential, a cookie or a header taken whole.

docs/access-log.md explains each field at length; tests/accesslog/test_record.py holds the two
together. A change of meaning, type or name raises `SCHEMA`; a new field at the end does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

SCHEMA = 1
"""Version of the table below, in every record."""

TEXT_LIMIT = 2048
"""Characters kept of a text, other than a URL. What is longer is cut, and `altered` says so."""

URL_LIMIT = 8192
"""Characters kept of a URL."""

LIST_LIMIT = 32
"""Members kept of a list, each a text."""

type FieldValue = str | int | float | bool | Collection[str] | None
"""What a caller may hand over for a field."""

DUCKDB_TYPES: dict[str, str] = {
    "string": "VARCHAR",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "timestamp": "TIMESTAMPTZ",
    "strings": "VARCHAR[]",
    "boolean": "BOOLEAN",
}
"""How DuckDB calls the types (docs/access-log.md shows a query)."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the record.

    Attributes:
        name: its JSON key; always present.
        spec: its type, with a question mark where null may stand for "not known" or "does not
            apply". Types: `string`; `integer` (64 bits, signed); `number` (double); `timestamp`
            (RFC 3339, UTC, six decimals, `Z`); `strings` (a list of strings); `boolean`.
        meaning: what it says, in one sentence.
    """

    name: str
    spec: str
    meaning: str

    @property
    def type(self) -> str:
        """The type without the question mark."""
        return self.spec.removesuffix("?")

    @property
    def nullable(self) -> bool:
        """Whether the value may be null."""
        return self.spec.endswith("?")


FIELDS: tuple[Field, ...] = (
    Field("schema", "integer", "Version of this table."),
    Field(
        "event",
        "string",
        "Kind of record: transaction (it is over), open (it has lasted more than 5 s and goes on), "
        "gap (records were lost; error says which).",
    ),
    Field("id", "string", "Reference number of the transaction, as shown on block pages."),
    Field("worker", "integer", "Number of the worker process that wrote the record."),
    Field("seq", "integer", "Number of the record within its worker, without gaps."),
    Field("start", "timestamp", "When the transaction began (event time)."),
    Field("duration_ms", "number?", "Milliseconds from start to this record, never negative."),
    Field("person", "string?", "Proven name of who asked; null when nobody is known."),
    Field("person_how", "string?", "How the name is known."),
    Field("claimed", "string?", "Name that was claimed but not proven; evidence of nothing."),
    Field("client_ip", "string?", "Address that the client connected from."),
    Field("client_port", "integer?", "Port that the client connected from."),
    Field("kind", "string?", "What it was: http, https, tunnel, websocket or connect."),
    Field("method", "string?", "HTTP method."),
    Field("url", "string?", "Full URL, without user name and password."),
    Field("host", "string?", "Canonical host that was asked for."),
    Field("port", "integer?", "Port that was asked for."),
    Field("sni", "string?", "Server name in the TLS ClientHello."),
    Field("judged_host", "string?", "The name that decided, where it is another than `host`."),
    Field("categories", "strings", "Categories of the address; empty when in none."),
    Field("list_version", "string?", "Version of the category index that was asked."),
    Field("action", "string?", "What was decided: allow, coach, redirect or block."),
    Field("rule", "string?", "Id of the rule that decided."),
    Field("clause", "string?", "Clause of the force's policy that the rule carries out."),
    Field("reason", "string?", "The rule in plain words, as the person was told."),
    Field("profile", "string?", "Profile under which it was decided."),
    Field("exemption", "string?", "Reference of the exemption that gave the profile."),
    Field("handling", "string?", "What was done: plain, inspected, spliced or none."),
    Field("status", "integer?", "HTTP status that the client was given."),
    Field("bytes_up", "integer?", "Bytes from client to server."),
    Field("bytes_down", "integer?", "Bytes from server, or from the gateway, to client."),
    Field("content_type", "string?", "Content-Type of the response."),
    Field("server_ip", "string?", "Address of the server or parent proxy; null: none reached."),
    Field("server_port", "integer?", "Port of the server or parent proxy."),
    Field("policy_version", "string?", "Version of the configuration in force."),
    Field("error", "string?", "What went wrong, in words."),
    Field("altered", "strings", "What was changed to fit the record, as field:change."),
    Field("balancer_ip", "string?", "Address of the load balancer that spoke for the client."),
    Field("states", "strings", "What stood for the person then: a break, duty, allowances."),
    Field("counted", "boolean?", "Whether the minute counts as personal use because of it."),
    Field("findings", "strings", "What was found in the body, as kind=value."),
    Field("virus", "string?", "Name of the virus, as the scanner gave it."),
    Field("members", "strings", "Names of files in an archive that tell what it is."),
    Field("opened", "boolean?", "Whether the person opened it; false: a browser's own doing."),
    Field("changed", "strings", "What rules changed about the request, as kind:name@rule."),
    Field("would_block", "string?", "Id of the rule on trial that would not have let it pass."),
)

NAMES: tuple[str, ...] = tuple(field.name for field in FIELDS)

STAMPED = ("schema", "event", "worker", "seq", "altered")
"""Fields that the pipeline fills in; a transaction has no attribute for them."""

TRANSACTION_NAMES: tuple[str, ...] = tuple(name for name in NAMES if name not in STAMPED)
"""Fields that are attributes of a transaction."""

CALLER_NAMES = frozenset(TRANSACTION_NAMES) - {"id", "start", "duration_ms"}
"""Fields that a caller may set: the log itself knows the number and the times."""


def empty_record() -> dict[str, FieldValue]:
    """Returns a record in the order of the table with nothing known: null, or an empty list."""
    return {field.name: () if field.type == "strings" else None for field in FIELDS}
