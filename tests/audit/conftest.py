"""The audit's own: stores of both engines."""

from __future__ import annotations

from support.places import (  # noqa: F401 - fixtures
    place,
    ready_postgresql,
    ready_sqlite,
    shared,
    store,
)
from support.postgres import postgres  # noqa: F401 - the fixture
