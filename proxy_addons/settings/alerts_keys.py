"""The rows of the table of settings about alerts.

In: nothing. Out: rows for table.py. alerts.py says what the values mean in the program,
alerts_build.py what must fit together.
Must never: hold a secret as a value.
"""

from __future__ import annotations

from proxy_addons.settings.alerts_kinds import AlertKind, WebhookKind
from proxy_addons.settings.kinds import ListOf
from proxy_addons.settings.setting import Setting

ALERTS: tuple[Setting, ...] = (
    Setting(
        "alerts",
        ListOf(AlertKind()),
        (),
        "When Professional Standards is told of something, and how.",
        textual=False,
    ),
    Setting(
        "alert_webhooks",
        ListOf(WebhookKind()),
        (),
        "Receivers of alerts by HTTPS.",
        textual=False,
    ),
)
