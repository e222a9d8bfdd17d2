"""The load generator: many connections in one thread, every answer checked.

In: where the proxy is, what to ask for, the exact body to expect. Out: nothing but completed work.
Raises `BadAnswerError` at the first answer that is not the expected one, `StuckError` when nothing
happens for a while: a side that refuses, errs or stalls has no cost worth printing.

Each connection is a generator that yields whenever it would block; `drive` wakes it when its socket
has news. Sockets are watched edge-triggered, so that a wake-up costs one system call.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

type Steps = Generator[None]

PATIENCE = 30.0
IP_BIND_ADDRESS_NO_PORT = 24  # ip(7); the socket module does not name it
EDGES = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
READ_SIZE = 65536
WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class BadAnswerError(Exception):
    """The proxy answered something else than what the origin serves."""


class StuckError(Exception):
    """No connection had any news for `PATIENCE` seconds."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked for, through which proxy.

    Attributes:
        proxy: address of the proxy's listener.
        host: name of the origin.
        port: the origin's port.
        path: path asked for.
        body: the exact body that the origin serves there.
        tls: context for the connection inside the tunnel, or None for plain HTTP.
        direct: `proxy` is the origin itself: no CONNECT, and paths instead of addresses.
        source: the client's address; None for the system's choice.
        login: credentials for the proxy, said where it is spoken to: in the CONNECT, or in requests
            outside a tunnel.
    """

    proxy: tuple[str, int]
    host: str
    port: int
    path: str
    body: bytes
    tls: ssl.SSLContext | None
    direct: bool = False
    source: str | None = None
    login: str = ""

    @property
    def authority(self) -> str:
        """`host`, or `host:port` where the port is not the scheme's own."""
        default = 443 if self.tls else 80
        return self.host if self.port == default else f"{self.host}:{self.port}"

    @property
    def request(self) -> bytes:
        """What a browser sends: absolute form to the proxy, origin form inside a tunnel.

        Browsers ask for the connection to be kept, which HTTP/1.1 has no need of; E2Guardian has.
        """
        inside = self.tls or self.direct
        target = self.path if inside else f"http://{self.authority}{self.path}"
        return (
            f"GET {target} HTTP/1.1\r\nHost: {self.authority}\r\n"
            "User-Agent: Mozilla/5.0 (X11; Linux x86_64) watchhouse-bench\r\n"
            "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
            "Accept-Language: en-GB,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n"
            f"{'' if inside else 'Proxy-'}Connection: keep-alive\r\n"
            f"{'' if inside else self._credentials}\r\n"
        ).encode("ascii")

    @property
    def connect_request(self) -> bytes:
        """The CONNECT that opens a tunnel."""
        return (
            f"CONNECT {self.host}:{self.port} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n"
            "User-Agent: Mozilla/5.0 (X11; Linux x86_64) watchhouse-bench\r\n"
            f"{self._credentials}\r\n"
        ).encode("ascii")

    @property
    def _credentials(self) -> str:
        return f"Proxy-Authorization: {self.login}\r\n" if self.login else ""


class Connection:
    """One client connection to a proxy."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.request = target.request
        self.sock: socket.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.sock.setblocking(False)  # noqa: FBT003 (the standard library's signature)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if target.source:
            # The port is chosen when the connection is made: a port is then free per destination.
            self.sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            self.sock.bind((target.source, 0))

    def fileno(self) -> int:
        """For select."""
        return self.sock.fileno()

    def open(self) -> Steps:
        """Connect; with TLS: open a tunnel and shake hands, verifying the proxy's certificate."""
        self.sock.connect_ex(self.target.proxy)
        yield
        if refused := self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise BadAnswerError(f"{self.target.proxy}: cannot connect (errno {refused})")
        context = self.target.tls
        if context is None:
            return
        if not self.target.direct:
            self.sock.sendall(self.target.connect_request)
            yield
            yield from self._read_connected()
        tls = context.wrap_socket(
            self.sock, server_hostname=self.target.host, do_handshake_on_connect=False
        )
        self.sock = tls
        while True:
            try:
                tls.do_handshake()
            except WOULD_BLOCK:
                yield
            except (ssl.SSLError, OSError) as error:
                raise BadAnswerError(
                    f"{self.target.host}: no TLS through the proxy: {error}"
                ) from error
            else:
                return

    def ask(self, times: int = 1) -> Steps:
        """Send the request and read its answer, so many times, one after the other."""
        for _ in range(times):
            self.sock.sendall(self.request)
            yield  # there cannot be an answer yet: do not pay for finding that out
            yield from self.read_answer()

    def close(self) -> None:
        """Close as a browser does: close_notify in TLS, then the socket."""
        if isinstance(self.sock, ssl.SSLSocket):
            # Ours is sent; theirs is not waited for.
            with contextlib.suppress(OSError, ValueError):
                self.sock.unwrap()
        self.sock.close()

    def whole_life(self) -> Steps:
        """Open, ask once, close."""
        try:
            yield from self.open()
            yield from self.ask()
        finally:
            self.close()

    def _read_connected(self) -> Steps:
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            try:
                chunk = self.sock.recv(READ_SIZE)
            except WOULD_BLOCK:
                yield
                continue
            answer += chunk
            if not chunk or (b"\r\n" in answer and b" 200 " not in answer.split(b"\r\n", 1)[0]):
                raise BadAnswerError(f"CONNECT {self.target.host}: {answer[:200]!r}")

    def read_answer(self) -> Steps:
        """Read a whole answer, which must be the origin's."""
        answer, body = b"", self.target.body
        while True:
            try:
                chunk = self.sock.recv(READ_SIZE)
            except WOULD_BLOCK:
                yield
                continue
            except OSError as error:
                raise BadAnswerError(f"{self.target.host}: {error}") from error
            answer = answer + chunk if answer else chunk
            end = answer.find(b"\r\n\r\n")
            if end >= 0 and not answer.startswith(b"HTTP/1.1 200 "):
                raise BadAnswerError(f"{self.target.host}: {answer[:300]!r}")
            if end >= 0 and len(answer) >= end + 4 + len(body):
                if answer[end + 4 :] != body:
                    raise BadAnswerError(
                        f"{self.target.host}: not the origin's body: {answer[:300]!r}"
                    )
                return
            if not chunk:
                raise BadAnswerError(f"{self.target.host}: closed after {answer[:300]!r}")


def client_context(ca_file: str) -> ssl.SSLContext:
    """A TLS client that trusts one authority only and never resumes a session.

    Raises:
        OSError: the file cannot be read.
    """
    context = ssl.create_default_context(cafile=ca_file)
    # Squid's certificates have no authority key identifier, which browsers do not ask for either.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.set_alpn_protocols(["http/1.1"])
    return context


def drive(work: Iterable[tuple[Connection, Steps]], at_once: int) -> int:
    """Carry out pieces of work, so many at a time.

    Args:
        work: connections, each with the steps to take on it.
        at_once: how many are in hand at any moment.

    Returns:
        The number of pieces done, all of them good.

    Raises:
        BadAnswerError: an answer was wrong; what else was in hand is dropped.
        StuckError: nothing happened any more.
    """
    waiting: Iterator[tuple[Connection, Steps]] = iter(work)
    in_hand: dict[int, Steps] = {}
    done = 0
    with select.epoll() as poll:

        def admit(number: int) -> None:
            nonlocal done
            for connection, steps in islice(waiting, number):
                # The first step runs before the socket is watched: a socket that is not yet
                # connecting reports a hang-up.
                if step(steps):
                    in_hand[connection.fileno()] = steps
                    poll.register(connection, EDGES)
                else:
                    done += 1

        admit(at_once)
        while in_hand:
            events = poll.poll(PATIENCE)
            if not events:
                raise StuckError(
                    f"no news on any of {len(in_hand)} connections for {PATIENCE:.0f} s"
                )
            for fileno, _ in events:
                steps = in_hand.get(fileno)
                if steps is None or step(steps):
                    continue
                del in_hand[fileno]
                _forget(poll, fileno)
                done += 1
                admit(1)
    return done


def keep_alive(target: Target, connections: int) -> list[Connection]:
    """Open connections and ask once on each, so that what follows is only requests."""
    opened = [Connection(target) for _ in range(connections)]
    drive(((c, c.open()) for c in opened), connections)
    drive(((c, c.ask()) for c in opened), connections)
    return opened


def ask_all(opened: list[Connection], requests: int) -> int:
    """Ask `requests` times in total, shared equally by connections that are open already.

    Returns:
        The number of answers, all good.
    """
    each = requests // len(opened)
    return drive(((c, c.ask(each)) for c in opened), len(opened)) * each


def connect_each(targets: Iterable[Target], at_once: int) -> int:
    """Open a connection for each target, ask once, close it.

    Returns:
        The number of connections, all good.
    """
    made: Callable[[Target], Connection] = Connection
    return drive(((c, c.whole_life()) for c in map(made, targets)), at_once)


def step(steps: Steps) -> bool:
    """Take one step; False when that was the last."""
    try:
        next(steps)
    except StopIteration:
        return False
    return True


def _forget(poll: select.epoll, fileno: int) -> None:
    try:
        poll.unregister(fileno)
    except OSError:
        return  # the work has closed its socket, which took it out of the poll


def has_ended(connection: Connection) -> bool:
    """Whether the proxy has closed a connection that should be idle."""
    poll = select.poll()
    poll.register(connection, select.POLLIN | select.POLLRDHUP)
    return any(events & (select.POLLRDHUP | select.POLLHUP) for _, events in poll.poll(0))
