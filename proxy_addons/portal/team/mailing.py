"""Sending weekly reports by e-mail.

In: settings, reports. Out: messages handed to the force's mail server, or words on why not.
Must never: send a report to an address that a name has slipped more into.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from datetime import UTC
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import TYPE_CHECKING

from proxy_addons.audit.mailserver import MailingError, open_connection

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from datetime import datetime

    from proxy_addons.audit.mailserver import Connection
    from proxy_addons.settings.shifts import Reports

# What a login name may put into an address: the characters of a dot-atom (RFC 5322 3.2.3) that no
# mail system reads more into.
_NAME = re.compile(r"[A-Za-z0-9]+(?:[._'+-][A-Za-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Letter:
    """One report.

    Attributes:
        name: canonical name of the line manager.
        subject: without anybody's name.
        text: for programs that show no HTML.
        html: the report.
        csv: the figures.
        file: name of the attached file.
    """

    name: str
    subject: str
    text: str
    html: str
    csv: str
    file: str


def address_of(settings: Reports, name: str) -> str:
    """Where a line manager's report goes.

    Raises:
        MailingError: no address can be made of the name.
    """
    if _NAME.fullmatch(name) is None:
        shown = name if name.isprintable() else "(not shown)"
        msg = f"{shown}: no mail address can be made of this login name"
        raise MailingError(msg)
    return settings.address.replace("{name}", name)


def message(settings: Reports, letter: Letter, now: datetime) -> EmailMessage:
    """A report as a message.

    Raises:
        MailingError: as for `address_of`.
    """
    made = EmailMessage()
    made["From"] = settings.sender
    made["To"] = address_of(settings, letter.name)
    made["Subject"] = letter.subject
    made["Date"] = format_datetime(now.astimezone(UTC))
    made["Message-ID"] = make_msgid("watchhouse", settings.sender.rpartition("@")[2])
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers to it
    made["Content-Language"] = "en-GB"
    made.set_content(letter.text)
    made.add_alternative(letter.html, subtype="html")
    made.add_attachment(
        letter.csv.encode("utf-8-sig"), maintype="text", subtype="csv", filename=letter.file
    )
    return made


class Mailer:
    """An open connection to the mail server. `connected` makes one.

    Args:
        connection: the connection.
        settings: `personal_use.reports`.
    """

    def __init__(self, connection: Connection, settings: Reports) -> None:
        self._connection = connection
        self._settings = settings

    def send(self, letter: Letter, now: datetime) -> str:
        """Send a report.

        Returns:
            The address that it went to.

        Raises:
            MailingError: the server did not take this one.
        """
        made = message(self._settings, letter, now)
        self._connection.send(made)
        return str(made["To"])


@contextlib.contextmanager
def connected(settings: Reports, context: ssl.SSLContext | None = None) -> Iterator[Mailer]:
    """A connection to the mail server, for several reports.

    Args:
        settings: `personal_use.reports`.
        context: for TLS; None for the system's authorities (SSL_CERT_FILE names others).

    Raises:
        MailingError: there is no server, it does not speak TLS where it must, its certificate is
            not good, or it does not take the password. Nothing was sent.
    """
    with open_connection(settings, context) as connection:
        yield Mailer(connection, settings)
