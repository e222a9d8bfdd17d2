"""How much work an answer takes, counted: no clock, so that it is the same on any machine.

In: a store whose questions are asked, a connection's statements. Out: operators of the query engine
with their rows; statements and steps of SQLite's machine.
Must never: change an answer.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from proxy_addons.audit.duckstore import DuckStore

type Operator = tuple[str, int, int, str]
"""Name, rows that came out, rows that were looked at, and by which conditions."""


class _Explained:
    """A cursor of DuckDB that profiles each query before it is run."""

    def __init__(self, cursor: Any, into: list[Operator]) -> None:
        self._cursor, self._into = cursor, into

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def execute(self, text: str, given: Any = None) -> Any:
        if given is None:
            return self._cursor.execute(text)
        profile = self._cursor.execute(f"EXPLAIN (ANALYZE, FORMAT json) {text}", given).fetchall()
        self._into.extend(_operators(json.loads(profile[0][1])))
        return self._cursor.execute(text, given)


class _Cursors:
    def __init__(self, store: Any, into: list[Operator]) -> None:
        self._store, self._into = store, into

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def cursor(self) -> _Explained:
        return _Explained(self._store.cursor(), self._into)


def _operators(node: Any) -> Iterator[Operator]:
    if "operator_name" in node:
        more = node.get("extra_info", {})
        how = f"{more.get('Expression', '')} {more.get('Filters', '')}"
        name = node["operator_name"].strip()
        yield name, node["operator_cardinality"], node["operator_rows_scanned"], how
    for each in node.get("children", ()):
        yield from _operators(each)


def worked(store: DuckStore, ask: Callable[[DuckStore], object]) -> list[Operator]:
    """What the query engine does for some questions; it has to have one thread."""
    found: list[Operator] = []
    plain = store._store
    store._store = _Cursors(plain, found)  # type: ignore[assignment]
    try:
        ask(store)
    finally:
        store._store = plain
    return found


@dataclass
class Spent:
    """What SQLite did.

    Attributes:
        statements: how many.
        steps: instructions of its machine.
    """

    statements: int = 0
    steps: int = 0

    def step(self) -> int:
        self.steps += 1
        return 0


@contextmanager
def spent() -> Iterator[Spent]:
    """Counts until the end of the block."""
    found = Spent()

    def before(connection: Any, *_: Any) -> None:
        found.statements += 1
        connection.connection.dbapi_connection.set_progress_handler(found.step, 1)

    def after(connection: Any, *_: Any) -> None:
        connection.connection.dbapi_connection.set_progress_handler(None, 1)

    event.listen(Engine, "before_cursor_execute", before)
    event.listen(Engine, "rollback", after)
    event.listen(Engine, "commit", after)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", before)
        event.remove(Engine, "rollback", after)
        event.remove(Engine, "commit", after)
