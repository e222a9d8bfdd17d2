"""Settings of what becomes of the access log: sealing, witnesses, time-stamps, room.

In: nothing. Out: frozen values, as watchhouse.yaml's section `log` has them.
Must never: do I/O.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Witness:
    """One of `log.witnesses`.

    Attributes:
        url: its submission prefix, without a slash at its end (C2SP tlog-witness).
        key: what its signatures are checked with: `name+id+key`.
    """

    url: str
    key: str


@dataclass(frozen=True, slots=True)
class TimeStamps:
    """`log.timestamps` (RFC 3161).

    Attributes:
        url: of the time-stamping authority; None: there is none.
        certificate: PEM file of the roots that its signatures lead to.
    """

    url: str | None = None
    certificate: Path | None = None


@dataclass(frozen=True, slots=True)
class Log:
    """`log`.

    Attributes:
        origin: name of the log, for a key that is made; None: after this gateway's host name.
        seal_every: seconds between two seals.
        seal_after: seconds after the full hour (or whatever `seal_every` is) at which one begins.
        keep_plain: days for which segments stay as they were written once they are sealed.
        witnesses: whom checkpoints are shown to.
        timestamps: who stamps them.
    """

    origin: str | None = None
    seal_every: float = 3600.0
    seal_after: float = 300.0
    keep_plain: int = 7
    witnesses: tuple[Witness, ...] = ()
    timestamps: TimeStamps = field(default_factory=TimeStamps)
