"""The row of the table of settings about feeds.

In: nothing. Out: a row for table.py. feeds.py says what the values mean in the program,
feeds_build.py what must fit together.
Must never: hold what a receiver is: that is the operator's.
"""

from __future__ import annotations

from proxy_addons.settings.feeds_kinds import FeedKind
from proxy_addons.settings.kinds import ListOf
from proxy_addons.settings.setting import Setting

FEEDS: tuple[Setting, ...] = (
    Setting(
        "feeds",
        ListOf(FeedKind()),
        (),
        "Where the access log is delivered to as it is written: syslog by TLS, HTTPS, files.",
        textual=False,
    ),
)
