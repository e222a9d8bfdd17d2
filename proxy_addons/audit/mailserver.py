"""The force's mail server (SMTP, RFC 5321), with the standard library.

In: settings. Out: a connection that takes messages, or words on why there is none.
Must never: say anything to a server whose certificate is not good where TLS is asked for; log a
password.
"""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from typing import TYPE_CHECKING, Final

from proxy_addons.identity.link import verifying

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage

    from proxy_addons.settings.shifts import Reports

TIMEOUT: Final = 30.0  # seconds for each answer of the server


class MailingError(Exception):
    """Nothing can be sent; the text says why, in plain words."""


class Connection:
    """An open connection to the mail server. `open_connection` makes one.

    Args:
        smtp: the connection.
    """

    def __init__(self, smtp: smtplib.SMTP) -> None:
        self._smtp = smtp

    def send(self, made: EmailMessage) -> None:
        """Send a message.

        Raises:
            MailingError: the server did not take this one.
        """
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
            msg = f"the mail server refuses the message to {made['To']}: {said}"
            raise MailingError(msg) from problem
        except (smtplib.SMTPException, OSError) as problem:
            # As above; without a connection the next will say the same.
            msg = f"the mail server does not answer: {_words(problem)}"
            raise MailingError(msg) from problem


@contextlib.contextmanager
def open_connection(
    settings: Reports, context: ssl.SSLContext | None = None
) -> Iterator[Connection]:
    """A connection to the mail server, for several messages.

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
        yield Connection(smtp)
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
