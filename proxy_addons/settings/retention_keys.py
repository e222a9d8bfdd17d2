"""The rows of the table of settings about retention.

In: nothing. Out: rows for table.py. retention.py says what the values mean in the program.
Must never: let a period be nothing: what is erased at once cannot be held.
"""

from __future__ import annotations

from proxy_addons.settings.kinds import Whole
from proxy_addons.settings.setting import Setting

_MONTHS = Whole(1, 1200)  # a hundred years

RETENTION: tuple[Setting, ...] = (
    Setting(
        "audit.retention.access_log",
        _MONTHS,
        12,
        "Months for which the access log is kept.",
    ),
    Setting(
        "audit.retention.trail",
        _MONTHS,
        84,
        "Months for which the trail of looks at it is kept.",
    ),
    Setting("audit.retention.packs", _MONTHS, 84, "Months for which evidence packs are kept."),
    Setting("audit.retention.exports", _MONTHS, 3, "Months for which exports are kept."),
    Setting(
        "audit.retention.samples",
        _MONTHS,
        12,
        "Months after the end of a dip sample for which names of its roster are kept.",
    ),
    Setting(
        "audit.retention.authorisations",
        _MONTHS,
        84,
        "Months after its end for which an authorisation is kept.",
    ),
)
