"""Standing: what changes during the day and all workers share: exemptions, withdrawals, sessions.

In: a SQLite file or a PostgreSQL database. Out: registers for people, snapshots for workers.
Must never: decide a request: the gate does, with the snapshot.

`upgrade.migrate` is not among the names below: it needs alembic, which no worker has use for.
"""

from proxy_addons.standing.actor import Actor
from proxy_addons.standing.exemption import Exemption, State, Wanted
from proxy_addons.standing.expiry import note_expiries
from proxy_addons.standing.problems import (
    StaleViewError,
    StandingError,
    StandingUnavailableError,
    StepRefusedError,
    UnknownReferenceError,
)
from proxy_addons.standing.register import Register
from proxy_addons.standing.snapshot import EMPTY, LiveExemption, Snapshot
from proxy_addons.standing.steps import Step
from proxy_addons.standing.store import Store, open_store
from proxy_addons.standing.use import note_use
from proxy_addons.standing.watch import Watch
from proxy_addons.standing.withdrawals import Withdrawal, Withdrawals

__all__ = [
    "EMPTY",
    "Actor",
    "Exemption",
    "LiveExemption",
    "Register",
    "Snapshot",
    "StaleViewError",
    "StandingError",
    "StandingUnavailableError",
    "State",
    "Step",
    "StepRefusedError",
    "Store",
    "UnknownReferenceError",
    "Wanted",
    "Watch",
    "Withdrawal",
    "Withdrawals",
    "note_expiries",
    "note_use",
    "open_store",
]
