"""Both engines of the standing store."""

from __future__ import annotations

from support.stores import (  # noqa: F401 - fixtures
    place,
    ready_postgresql,
    ready_sqlite,
    shared,
    store,
)
