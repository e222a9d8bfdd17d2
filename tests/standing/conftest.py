"""Both engines: each test that asks for a store runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from support.stores import (  # noqa: F401 - fixtures, and what tests name
    ENGINES,
    Place,
    both_stores,
    made,
    place,
    ready_postgresql,
    ready_sqlite,
    shared,
    statements,
    store,
)
