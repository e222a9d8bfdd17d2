"""One connection to an LDAP server (RFC 4511), from a thread: encrypted, verified, in time.

In: an address, credentials, searches. Out: rows, and what the server says to a bind.
Must never: accept a certificate of another name or authority, go on in the clear after a StartTLS
that failed, follow a referral, or wait longer than it was told to.

ldap3's own TLS is not used beyond its hook: left alone it checks no certificate, sends no name
(SNI) unless told, and matches host names by a copy of a function that Python has removed.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from proxy_addons.identity.entries import DirectorySettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

with warnings.catch_warnings():
    # ldap3 2.9.1 uses names that pyasn1 calls old (and still has). It is the last release.
    warnings.simplefilter("ignore", DeprecationWarning)
    import ldap3

_PAGED = "1.2.840.113556.1.4.319"  # RFC 2696
_MOST = 100_000  # rows in one answer

SUCCESS, _SIZE_LIMIT = 0, 4  # result codes of RFC 4511 appendix A


class BrokenError(Exception):
    """A server, or the connection to it, does not work. The message is plain words."""


class AnswerError(Exception):
    """A server answered, with something that cannot be used. The message is plain words."""


@dataclass(frozen=True, slots=True)
class Row:
    """One entry of an answer.

    Attributes:
        dn: distinguished name, as the server spells it.
        values: attribute in small letters → its values as they came.
    """

    dn: str
    values: Mapping[str, tuple[bytes, ...]]


@dataclass(frozen=True, slots=True)
class Target:
    """Where a connection goes.

    Attributes:
        host: name that the certificate has to be for.
        address: numeric address.
        port: of the server.
        tls: TLS from the first byte (`ldaps://`).
        start_tls: TLS after StartTLS (RFC 4511 4.14).
        context: for either kind of TLS.
    """

    host: str
    address: str
    port: int
    tls: bool
    start_tls: bool
    context: ssl.SSLContext | None


class _Timed:
    """A socket on which everything together ends at one moment.

    A socket's own timeout begins anew with each piece, so a server that sends a byte now and then
    would hold a thread for ever.
    """

    def __init__(self, plain: socket.socket, ends: float) -> None:
        self.plain = plain
        self.ends = ends

    def recv(self, size: int) -> bytes:
        self.limit()
        return self.plain.recv(size)

    def sendall(self, data: bytes) -> None:
        self.limit()
        self.plain.sendall(data)

    def limit(self) -> None:
        """Let the next call take what time is left.

        Raises:
            TimeoutError: none is.
        """
        left = self.ends - time.monotonic()
        if left <= 0:
            msg = "timed out"
            raise TimeoutError(msg)
        self.plain.settimeout(left)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.plain, name)


class _Tls(ldap3.Tls):  # type: ignore[misc] # ldap3 has no types
    """TLS as the standard library does it, in ldap3's hook: chain, dates and host name checked."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._context = context
        self._host = host
        self.problem: str | None = None

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:  # noqa: ARG002 - ldap3's signature
        plain = connection.socket
        if isinstance(plain, _Timed):
            plain.limit()
            plain = plain.plain
        # The bind follows the handshake's last piece at once; without this it would wait for that
        # piece to be acknowledged.
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            connection.socket = self._context.wrap_socket(plain, server_hostname=self._host)
        except ssl.SSLCertVerificationError as problem:
            # Nothing was sent. ldap3 makes a text of its own of this; ours says what is wrong.
            self.problem = f"its certificate is not accepted: {problem.verify_message}"
            raise


class Link:
    """One connection: encrypted if it has to be, and bound as who reads the directory."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.used = time.monotonic()

    def bind(self) -> Mapping[str, Any]:
        """Sign in with what the connection was dialled with; the server's result.

        Raises:
            BrokenError: there is no such answer.
        """
        with _explained(None):
            # ldap3 would open a closed connection again here, and that one in the clear.
            if self._connection.closed:
                _refuse("the connection is closed")
            self._connection.bind(read_server_info=False)
            result: Mapping[str, Any] = self._connection.result
            if result["type"] != "bindResponse":
                _refuse(f"it answers {result['type']} to a bind")
            return result

    def until(self, ends: float) -> None:
        """Everything from now on ends at this moment (monotonic seconds).

        Raises:
            BrokenError: the connection is closed already.
        """
        if self._connection.socket is None:
            _refuse("the connection is closed")
        self._connection.socket.ends = ends

    def search(
        self,
        base: str,
        query: str,
        attributes: Sequence[str],
        *,
        at_most: int | None = None,
        page: int | None = None,
    ) -> list[Row]:
        """Entries in the tree under `base` that a filter finds.

        Args:
            base: DN.
            query: filter (RFC 4515).
            attributes: to be had of each.
            at_most: ask for no more than so many; None: all.
            page: entries in one piece of an answer with all (RFC 2696).

        Raises:
            BrokenError: the connection does not work.
            AnswerError: the server does not answer this.
        """
        rows: list[Row] = []
        cookie: bytes | None = None
        while True:
            result = self._ask(base, query, attributes, ldap3.SUBTREE, rows, at_most, page, cookie)
            code = result["result"]
            if code != SUCCESS and not (code == _SIZE_LIMIT and at_most):
                msg = f"the server answers {result['description']} to a search under {base!a}"
                raise AnswerError(msg)
            control = (result.get("controls") or {}).get(_PAGED)
            cookie = control["value"]["cookie"] if control else None
            if not cookie or at_most:
                return rows
            if len(rows) > _MOST:
                msg = f"more than {_MOST} entries in one answer"
                raise AnswerError(msg)

    def read(self, dn: str, attributes: Sequence[str]) -> Row | None:
        """One entry, or None if it is not there or not ours to read."""
        rows: list[Row] = []
        self._ask(dn, "(objectClass=*)", attributes, ldap3.BASE, rows, 1, None, None)
        return rows[0] if rows else None

    def close(self) -> None:
        """Close the connection, and forget the password; nothing is waited for."""
        _close(self._connection)
        self._connection.password = None
        self._connection.request = None

    def _ask(  # noqa: PLR0913, PLR0917 - what one LDAP search has
        self,
        base: str,
        query: str,
        attributes: Sequence[str],
        scope: str,
        rows: list[Row],
        at_most: int | None,
        page: int | None,
        cookie: bytes | None,
    ) -> Mapping[str, Any]:
        """One search request; its entries are added to `rows`."""
        with _explained(None):
            self._connection.search(
                base,
                query,
                scope,
                dereference_aliases=ldap3.DEREF_NEVER,
                attributes=list(attributes),
                size_limit=at_most or 0,
                paged_size=page,
                paged_cookie=cookie,
                auto_escape=False,
            )
            result: Mapping[str, Any] = self._connection.result
            for each in self._connection.response:
                # References to other servers (searchResRef) are not followed: AD adds them to
                # every search from the top of a domain.
                if each["type"] == "searchResEntry":
                    values = {
                        name.lower(): tuple(given)
                        for name, given in each["raw_attributes"].items()
                        if given
                    }
                    rows.append(Row(_dn(each["raw_dn"]), values))
        return result


def dial(target: Target, user: str | None, password: str | None, seconds: float) -> Link:
    """A connection, encrypted if it has to be, not bound yet.

    Args:
        target: where to.
        user: DN for `Link.bind`; None: anonymous.
        password: for `Link.bind`; never an empty one with a user.
        seconds: in which all of it has to be done.

    Raises:
        BrokenError: there is none to be had.
    """
    ends = time.monotonic() + seconds
    tls = None
    if target.tls or target.start_tls:
        if target.context is None:
            msg = "there is nothing to check its certificate by"
            raise BrokenError(msg)
        tls = _Tls(target.context, target.host)
    # Bytes go out as they are. A text ldap3 would change by SASLprep, which can make two passwords
    # one, and refuses some.
    secret = None if password is None else password.encode()
    with _explained(tls):
        connection = ldap3.Connection(
            ldap3.Server(
                target.address,
                port=target.port,
                use_ssl=target.tls,
                tls=tls,
                get_info=ldap3.NONE,
                allowed_referral_hosts=[],
                connect_timeout=seconds,
            ),
            user=user or None,
            password=secret,
            authentication=ldap3.SIMPLE if user else ldap3.ANONYMOUS,
            client_strategy=ldap3.SYNC,
            auto_bind=ldap3.AUTO_BIND_NONE,
            auto_referrals=False,
            auto_range=False,
            check_names=False,
            auto_escape=False,
            raise_exceptions=False,
        )
    try:
        with _explained(tls):
            connection.open(read_server_info=False)
            connection.socket = _Timed(connection.socket, ends)
            if target.start_tls and not target.tls:
                connection.start_tls(read_server_info=False)
                connection.socket = _Timed(connection.socket, ends)
        # Looked at rather than believed: start_tls() says some failures by a return value.
        if tls and not isinstance(connection.socket.plain, ssl.SSLSocket):
            _refuse("it does not start TLS")
    except BrokenError:
        # The caller goes to the next address or server.
        _close(connection)
        raise
    return Link(connection)


def verifying(ca_file: Path | None) -> ssl.SSLContext:
    """What certificates are checked by: chain, dates, host name.

    The same with every Python: 3.13 began to refuse authorities without some extensions of RFC
    5280 (VERIFY_X509_STRICT), which the own authorities of many a site lack, and to take a
    certificate in the file that is not its own issuer's as an anchor.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ValueError) as problem:
        # Nothing is started with it.
        msg = f"{ca_file}: directory.ca_file cannot be read as PEM certificates: {problem}"
        raise DirectorySettingsError(msg) from problem
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.hostname_checks_common_name = False
    return context


def _close(connection: Any) -> None:
    """Close the socket, politely or not: nothing is waited for."""
    plain = connection.socket
    if plain is not None:
        with contextlib.suppress(OSError):
            # It is closed already.
            plain.close()


@contextlib.contextmanager
def _explained(tls: _Tls | None) -> Iterator[None]:
    """Whatever goes wrong with a server, as `BrokenError`."""
    try:
        yield
    except (BrokenError, AnswerError):
        # Has its words; the caller goes to the next server.
        raise
    except Exception as problem:
        # ldap3's own errors, those of the socket, and whatever an answer that is no LDAP does to
        # its parser: the caller goes to the next server.
        said = (tls and tls.problem) or _words(problem)
        raise BrokenError(said) from problem


def _dn(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        # The server is well; this answer is of no use.
        msg = "the server answers with a DN that is not UTF-8"
        raise AnswerError(msg) from None


def _refuse(problem: str) -> None:
    raise BrokenError(problem)


def _words(problem: Exception) -> str:
    """What went wrong, without what may come from a stranger."""
    text = str(problem)
    if isinstance(problem, TimeoutError) or "timed out" in text:
        return "it does not answer in time"
    if "refused" in text:
        return "it refuses connections"
    if isinstance(problem, (OSError, ldap3.core.exceptions.LDAPException)):
        return ascii(text)[1:-1][:200]
    return f"its answer is no LDAP ({type(problem).__name__})"
