"""What others are told of an alert: a letter for e-mail, a document for webhooks.

In: an alert as it was raised. Out: texts that are kept, so that each attempt sends the same.
Must never: hold an address that somebody opened: who is to see that needs an authorisation.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from proxy_addons.audit.alerts.windows import Episode
    from proxy_addons.settings.alerts import Alert

FORM: Final = 1
"""Version of the document."""
MEASURED: Final = {
    "records": "records",
    "up": "octets sent",
    "down": "octets received",
    "hosts": "different sites",
}


def document(reference: str, alert: Alert, episode: Episode, gateway: str, now: datetime) -> str:
    """The JSON document of an alert. docs/alerts.md explains each field."""
    made = {
        "form": FORM,
        "reference": reference,
        "alert": alert.id,
        "clause": alert.clause,
        "words": alert.words,
        "severity": alert.severity,
        "gateway": gateway,
        "raised": _stamp(now),
        "who": {"kind": episode.kind, "name": episode.who},
        "first": _stamp(datetime.fromtimestamp(episode.first, UTC)),
        "last": _stamp(datetime.fromtimestamp(episode.last, UTC)),
        "records": episode.records,
        "measure": alert.measure,
        "amount": episode.amount,
        "threshold": alert.threshold,
        "within_minutes": alert.within,
        "late": episode.late,
        "record_ids": list(episode.ids),
    }
    return json.dumps(made, ensure_ascii=True, separators=(",", ":"), sort_keys=True)


def letter(body: str, sender: str, to: str, portal: str | None) -> EmailMessage:
    """A message.

    Args:
        body: what `document` made.
        sender: address that it comes from.
        to: address.
        portal: where the portal is; None: not known.
    """
    told = json.loads(body)
    reference = told["reference"]
    made = EmailMessage()
    made["From"] = sender
    made["To"] = to
    # No name in the subject: it is shown on locked screens.
    made["Subject"] = f"Watchhouse alert {reference} ({told['severity']})"
    made["Date"] = format_datetime(datetime.fromisoformat(told["raised"]))
    made["Message-ID"] = f"<{reference}.watchhouse@{sender.rpartition('@')[2]}>"
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers to it
    made["Content-Language"] = "en-GB"
    who = told["who"]
    lines = [
        f"Alert {reference}: {told['words']}",
        "",
        f"Rule: {told['alert']} ({told['clause']}), severity {told['severity']}",
        f"Who: {who['kind']} {who['name']}".rstrip(),
        f"From {told['first']} to {told['last']} (UTC), seen by {told['gateway']}",
        f"Counted: {told['records']} records, {told['amount']} {MEASURED[told['measure']]}",
        f"Threshold: {told['threshold']} within {told['within_minutes']} minutes",
        "",
        "An alert is a count, not a finding. What was opened is not in it: to look at the records",
        "an authorisation is needed.",
        "",
        f"First records: {', '.join(told['record_ids'])}",
    ]
    if portal:
        lines += ["", f"In the portal: {portal.rstrip('/')}/psd/alerts/{reference}"]
    made.set_content("\n".join(lines) + "\n")
    return made


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
