"""Settings of retention: how long what the audit looks at is kept.

In: nothing. Out: frozen values, as watchhouse.yaml's section `audit.retention` has them.
Must never: do I/O.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Retention:
    """`audit.retention`: months for which what is over is kept; a legal hold goes before all.

    Attributes:
        access_log: lines of the access log, after the last record of their segment.
        trail: the trail of looks and steps, the same.
        packs: evidence packs, after they were made.
        exports: the same.
        samples: names of rosters and samples, after the plan was closed.
        authorisations: after they ended.
    """

    access_log: int = 12
    trail: int = 84
    packs: int = 84
    exports: int = 3
    samples: int = 12
    authorisations: int = 84
