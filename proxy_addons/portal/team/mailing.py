"""Sending weekly reports by e-mail (SMTP, RFC 5321), with the standard library.

In: settings, reports. Out: messages handed to the force's mail server, or words on why not.
Must never: say anything to a server whose certificate is not good where TLS is asked for; send
a report to an address that a name has slipped more into; log a password.
"""

from __future__ import annotations

import contextlib
import re
import smtplib
import ssl
from dataclasses import dataclass
from datetime import UTC
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import TYPE_CHECKING, Final

from proxy_addons.identity.link import verifying

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from proxy_addons.settings.shifts import Reports

TIMEOUT: Final = 30.0  # seconds for each answer of the server
# What a login name may put into an address: the characters of a dot-atom (RFC 5322 3.2.3) that no
# mail system reads more into.
_NAME = re.compile(r"[A-Za-z0-9]+(?:[._'+-][A-Za-z0-9]+)*")


class MailingError(Exception):
    """Nothing can be sent; the text says why, in plain words."""


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
        smtp: the connection.
        settings: `personal_use.reports`.
    """

    def __init__(self, smtp: smtplib.SMTP, settings: Reports) -> None:
        self._smtp = smtp
        self._settings = settings

    def send(self, letter: Letter, now: datetime) -> str:
        """Send a report.

        Returns:
            The address that it went to.

        Raises:
            MailingError: the server did not take this one.
        """
        made = message(self._settings, letter, now)
        try:
            self._smtp.send_message(made)
        except smtplib.SMTPRecipientsRefused as problem:
            # This one is not sent; the next may be.
            code, words = next(iter(problem.recipients.values()))
            msg = f"the mail server refuses the address {made['To']}: {_said(code, words)}"
            raise MailingError(msg) from problem
        except smtplib.SMTPResponseException as problem:
            # As above.
            said = _said(problem.smtp_code, problem.smtp_error)
            msg = f"the mail server refuses the report to {made['To']}: {said}"
            raise MailingError(msg) from problem
        except (smtplib.SMTPException, OSError) as problem:
            # As above; without a connection the next will say the same.
            msg = f"the mail server does not answer: {_words(problem)}"
            raise MailingError(msg) from problem
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
    if settings.smtp is None:
        msg = "no mail server is configured (personal_use.reports.smtp)"
        raise MailingError(msg)
    host, port = settings.smtp
    where = f"mail server {host}:{port}"
    try:
        smtp = smtplib.SMTP(host, port, timeout=TIMEOUT)
    except (smtplib.SMTPException, OSError) as problem:
        # Nothing was sent.
        msg = f"{where} cannot be reached: {_words(problem)}"
        raise MailingError(msg) from problem
    try:
        _greet(smtp, settings, context, where)
        yield Mailer(smtp, settings)
    finally:
        with contextlib.suppress(smtplib.SMTPException, OSError):
            # A server that has gone cannot be taken leave of.
            smtp.quit()
        smtp.close()


def _greet(
    smtp: smtplib.SMTP, settings: Reports, context: ssl.SSLContext | None, where: str
) -> None:
    try:
        if settings.starttls:
            smtp.starttls(context=context or verifying(None))
            smtp.ehlo()
        if settings.user is not None and settings.password is not None:
            smtp.login(settings.user, settings.password)
    except ssl.SSLCertVerificationError as problem:
        # Nothing was said that an eavesdropper could use, and nothing is sent.
        msg = f"{where}: its certificate is not good: {problem.verify_message}"
        raise MailingError(msg) from problem
    except smtplib.SMTPNotSupportedError as problem:
        # As above.
        msg = f"{where} does not offer what is needed: {problem}"
        raise MailingError(msg) from problem
    except smtplib.SMTPAuthenticationError as problem:
        # Nothing is sent. What the server said can repeat the name, never the password.
        msg = f"{where} does not take user and password (code {problem.smtp_code})"
        raise MailingError(msg) from problem
    except (smtplib.SMTPException, OSError) as problem:
        # Nothing is sent.
        msg = f"{where}: {_words(problem)}"
        raise MailingError(msg) from problem


def _said(code: int, words: bytes | str) -> str:
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
    shown = "".join(each if each.isprintable() else " " for each in text)[:200]
    return f"{code} {shown}".strip()


def _words(problem: Exception) -> str:
    text = getattr(problem, "strerror", None) or str(problem) or type(problem).__name__
    return "".join(each if each.isprintable() else " " for each in str(text))[:200]
