"""A mail server of the tests' own (aiosmtpd), on loopback: takes mail over STARTTLS, keeps it.

In: a certificate, who may send. Out: messages as they came.
Must never: pass anything on.
"""

from __future__ import annotations

import email
import email.policy
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from support.force import free_ports

if TYPE_CHECKING:
    from email.message import EmailMessage
    from pathlib import Path


@dataclass
class Mail:
    """The server.

    Attributes:
        certificate: PEM file with certificate and key; None: no STARTTLS.
        users: name → password; None: nobody has to sign in.
        refused: addresses that it does not take.
        messages: what came, by address.
        in_clear: how many messages came without TLS.
        port: once it runs.
    """

    certificate: Path | None = None
    users: dict[str, str] | None = None
    refused: frozenset[str] = frozenset()
    messages: dict[str, list[EmailMessage]] = field(default_factory=dict)
    in_clear: int = 0
    port: int = 0

    def __enter__(self) -> Self:
        options: dict[str, Any] = {}
        if self.certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate)
            options |= {"tls_context": context, "require_starttls": True}
        if self.users is not None:
            options |= {"authenticator": self._knows, "auth_required": True}
        (self.port,) = free_ports(1)
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, **options)
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    def _knows(self, _server: Any, _session: Any, _envelope: Any, _how: str, data: Any) -> Any:
        known = (self.users or {}).get(data.login.decode()) == data.password.decode()
        return AuthResult(success=known, handled=False)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name for it
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if address in self.refused:
            return "550 5.1.1 there is no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - the library's name
        self.in_clear += session.ssl is None
        made = email.message_from_bytes(envelope.content, policy=email.policy.default)
        for address in envelope.rcpt_tos:
            self.messages.setdefault(address, []).append(made)  # type: ignore[arg-type]
        return "250 OK"
