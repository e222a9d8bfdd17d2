"""The directory's LDAP servers: which one is asked, and what is kept of its connections.

In: the settings of the directory, questions. Out: answers, and whether a password is somebody's.
Must never: send an empty password, take one server's silence for the directory's, or ask a server
that has just failed with every question.
"""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from proxy_addons.identity.entries import (
    DirectorySettingsError,
    DirectoryUnavailableError,
    WrongPasswordError,
)
from proxy_addons.identity.link import SUCCESS, AnswerError, BrokenError, Target, dial, verifying
from proxy_addons.identity.reports import reporter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from proxy_addons.identity.link import Link
    from proxy_addons.settings import people

_DEAD = 10.0  # seconds for which a server that did not answer is passed over
_REFUSED = 60.0  # the same after our own password was refused: each try counts towards a lock-out
_IDLE = 60.0  # seconds after which an unused connection is closed; servers end them at some time
_ADDRESSES = 4  # of one server's name that are tried; an AD domain's name has all controllers'

# Those that say the credentials are not taken: constraintViolation, inappropriateAuthentication,
# invalidCredentials, insufficientAccessRights, unwillingToPerform.
_NOT_TAKEN = frozenset((19, 48, 49, 50, 53))
# Active Directory says more in the text of invalidCredentials ([MS-ERREF] 2.2, in hexadecimal).
_BECAUSE = {
    "data 532": "expired",  # password
    "data 701": "expired",  # account
    "data 773": "expired",  # must be changed first
    "data 533": "not-allowed",  # disabled
    "data 530": "not-allowed",  # not at this time
    "data 531": "not-allowed",  # not from here
    "data 775": "locked",
}


class _RefusedError(BrokenError):
    """Our own password is not taken."""


@dataclass(slots=True)
class _Server:
    url: str
    tls: bool
    host: str
    port: int
    dead_until: float | None = None  # None: it answered last time
    idle: list[Link] = field(default_factory=list)


class Servers:
    """All servers of the directory, for several threads.

    Args:
        settings: of the directory.
        keep: connections kept open to each server.
        clock: seconds, monotonic, for how long a dead server is passed over.

    Raises:
        DirectorySettingsError: a URL or the CA file cannot be used.
    """

    def __init__(
        self, settings: people.Directory, *, keep: int, clock: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._keep = keep
        self._clock = clock
        self._lock = threading.Lock()
        self._closed = False
        self._report = reporter("directory")
        self._servers = [_server(url) for url in settings.servers]
        encrypted = settings.start_tls or any(server.tls for server in self._servers)
        self._context = verifying(settings.ca_file) if encrypted else None

    def ask[T](self, question: Callable[[Link], T]) -> T:
        """The answer of the first server that has one.

        Raises:
            DirectoryUnavailableError: none has.
        """
        return self._each(lambda server: self._ask_one(server, question))

    def prove(self, dn: str, password: str) -> None:
        """Find out whether a password is the one of an entry, by a bind of its own connection.

        Raises:
            WrongPasswordError: no server takes it. An empty one is not even sent: servers answer a
                bind with a name and no password with success (RFC 4513 5.1.2).
            DirectoryUnavailableError: no server says.
        """
        if not password or not dn:
            raise WrongPasswordError
        self._each(lambda server: self._prove_one(server, dn, password))

    def close(self) -> None:
        """Close the connections that nobody uses; the others end with their question."""
        with self._lock:
            self._closed = True
            idle = [link for server in self._servers for link in server.idle]
            for server in self._servers:
                server.idle.clear()
        for link in idle:
            link.close()

    def _each[T](self, attempt: Callable[[_Server], T]) -> T:
        problems: list[str] = []
        for server in self._candidates():
            try:
                value = attempt(server)
            except BrokenError as problem:
                # The question goes to the next server, and this one has a rest.
                self._failed(server, problem)
                problems.append(f"{server.url}: {problem}")
            except AnswerError as problem:
                # Another server may know better; this one is well.
                self._answered(server)
                problems.append(f"{server.url}: {problem}")
            except WrongPasswordError:
                # That is an answer.
                self._answered(server)
                raise
            else:
                self._answered(server)
                return value
        msg = "; ".join(problems) or "no server has answered just now"
        raise DirectoryUnavailableError(msg)

    def _candidates(self) -> Iterator[_Server]:
        """Servers worth asking, in order. Of those that were dead, one question tries one again."""
        for server in self._servers:
            with self._lock:
                if server.dead_until is not None:
                    if self._clock() < server.dead_until:
                        continue
                    server.dead_until = self._clock() + _DEAD
            yield server

    def _failed(self, server: _Server, problem: BrokenError) -> None:
        with self._lock:
            first = server.dead_until is None
            pause = _REFUSED if isinstance(problem, _RefusedError) else _DEAD
            server.dead_until = self._clock() + pause
            idle, server.idle = server.idle, []
        for link in idle:
            link.close()
        if first:
            self._report.warning(
                "directory: a server does not work", server=server.url, problem=str(problem)
            )

    def _answered(self, server: _Server) -> None:
        with self._lock:
            was_dead, server.dead_until = server.dead_until is not None, None
        if was_dead:
            self._report.warning("directory: a server works again", server=server.url)

    def _ask_one[T](self, server: _Server, question: Callable[[Link], T]) -> T:
        ends = time.monotonic() + self._settings.timeout
        link = self._idle(server)
        if link is not None:
            try:
                return self._put_to(server, link, question, ends)
            except BrokenError:
                # The server may have closed it, or been restarted, since: a new connection tells.
                pass
        return self._put_to(server, self._open(server, ends), question, ends)

    def _put_to[T](
        self, server: _Server, link: Link, question: Callable[[Link], T], ends: float
    ) -> T:
        try:
            link.until(ends)
            value = question(link)
        except BaseException:
            # Whatever it was: what the connection would say next cannot be known.
            link.close()
            raise
        link.used = time.monotonic()
        with self._lock:
            keep = not self._closed and len(server.idle) < self._keep
            if keep:
                server.idle.append(link)
        if not keep:
            link.close()
        return value

    def _idle(self, server: _Server) -> Link | None:
        while True:
            with self._lock:
                if not server.idle:
                    return None
                link = server.idle.pop()
            if time.monotonic() - link.used < _IDLE:
                return link
            link.close()

    def _open(self, server: _Server, ends: float) -> Link:
        settings = self._settings
        link = self._dial(server, ends, settings.bind_dn, settings.bind_password)
        try:
            link.until(ends)
            result = link.bind()
        except BrokenError:
            # The caller goes to the next server.
            link.close()
            raise
        if result["result"] == SUCCESS:
            return link
        link.close()
        msg = (
            f"it refuses the service account ({result['description']}): check directory.bind_dn"
            " and the variable that directory.bind_password_env names"
        )
        raise _RefusedError(msg)

    def _prove_one(self, server: _Server, dn: str, password: str) -> None:
        ends = time.monotonic() + self._settings.timeout
        link = self._dial(server, ends, dn, password)
        try:
            link.until(ends)
            result = link.bind()
        finally:
            link.close()
        code = result["result"]
        if code == SUCCESS:
            return
        if code in _NOT_TAKEN:
            said = str(result.get("message") or "")
            raise WrongPasswordError(
                next((kind for sign, kind in _BECAUSE.items() if sign in said), "wrong-password")
            )
        # Of this sign-in alone: somebody's odd account must not end everybody's questions.
        msg = f"it answers {result['description']} to a sign-in"
        raise AnswerError(msg)

    def _dial(self, server: _Server, ends: float, user: str | None, password: str | None) -> Link:
        """A connection to the first of a server's addresses that takes one."""
        try:
            found = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as problem:
            # The caller goes to the next server.
            msg = f"its name cannot be resolved: {problem}"
            raise BrokenError(msg) from problem
        addresses = [str(address[4][0]) for address in found][:_ADDRESSES]
        start_tls = self._settings.start_tls
        for left in range(len(addresses), 0, -1):
            share = (ends - time.monotonic()) / left
            if share <= 0:
                break
            target = Target(
                server.host, addresses[-left], server.port, server.tls, start_tls, self._context
            )
            try:
                return dial(target, user, password, share)
            except BrokenError:
                # The next address of this server; after the last one, the next server.
                if left == 1:
                    raise
        msg = "it does not answer in time"
        raise BrokenError(msg)


def _server(url: str) -> _Server:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as problem:
        # Nothing is started with it.
        msg = f"directory.servers: {url!a} is no URL: {problem}"
        raise DirectorySettingsError(msg) from problem
    if parts.scheme not in {"ldap", "ldaps"} or not parts.hostname:
        msg = f"directory.servers: wanted ldap://host or ldaps://host, not {url!a}"
        raise DirectorySettingsError(msg)
    tls = parts.scheme == "ldaps"
    return _Server(url, tls, parts.hostname, port or (636 if tls else 389))
