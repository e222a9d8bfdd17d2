"""The third form: who may look at the access log, and what became of it.

In: the second form. Out: new tables beside the old ones, part by part (`parts/`).
Must never: be changed once it is released: the next form is the next script.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.standing.migrations.parts import (
    alerts,
    api,
    authority,
    erasure,
    retention,
    sampling,
    searches,
)

if TYPE_CHECKING:
    from collections.abc import Callable

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_PARTS: tuple[Callable[[], None], ...] = (
    authority.make,
    sampling.make,
    retention.make,
    alerts.make,
    api.make,
    erasure.make,
    searches.make,
)


def upgrade() -> None:
    """Make what is new."""
    for make in _PARTS:
        make()
