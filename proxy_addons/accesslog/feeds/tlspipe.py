"""One TLS connection of which it is known what the other side has read.

In: an address, octets. Out: octets that the receiver's program has read; or an error.
Must never: call octets read that a kernel, or a proxy in between, has merely taken.

Syslog has no acknowledgement (RFC 5425 says nothing back, ever). What there is: TLS itself. After
the last octet we send a close_notify and wait for three things, none of which is enough alone:

1. the receiver's kernel has acknowledged all, our close_notify with it (SIOCOUTQ says 0): so what
   we sent was there before the receiver closed;
2. the receiver's own close_notify (RFC 5246 7.2.1; RFC 8446 6.1), which nobody in between can make;
3. an orderly end of TCP. A program that closes while octets are unread resets the connection
   instead (RFC 2525 2.17; RFC 9293 3.6.1).

A close_notify of the receiver before ours is no answer to it: then it is going down by itself.
"""

from __future__ import annotations

import contextlib
import fcntl
import select
import socket
import ssl
import struct
import termios
import time
from typing import TYPE_CHECKING, Final

from proxy_addons.accesslog.feeds.ways import Failed

if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK: Final = 1 << 16
_RECORD: Final = 1 << 14
_LOOK: Final = 0.002  # seconds between looks at the queue of a socket
# linux/tcp_states.h; the first octet of struct tcp_info is the state.
_LIVE: Final = frozenset({1, 8})  # established; close-wait: the other side has ended its half
_IDLE: Final = 30  # seconds after which TCP asks whether the other side is still there


class Unconfirmed(Failed):
    """The receiver closed in order, but without a close_notify: anybody in between can do that."""


class TlsPipe:
    """A connection. For one thread.

    Args:
        host: of the receiver.
        port: of the receiver.
        context: that checks it.
        name: that its certificate must have.
        timeout: seconds without progress after which it counts as broken.
        by_tcp: whether an orderly end of TCP is enough, without a close_notify.

    Raises:
        Failed: it cannot be had.
    """

    def __init__(
        self,
        host: str,
        port: int,
        context: ssl.SSLContext,
        name: str,
        timeout: float,
        *,
        by_tcp: bool = False,
    ) -> None:
        self._timeout = timeout
        self._by_tcp = by_tcp
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        try:
            self._socket = socket.create_connection((host, port), timeout)
        except OSError as problem:
            raise Failed(f"cannot be reached: {problem}", cut_off=True) from problem
        try:
            self._keep_alive()
            self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
            self._step(self._tls.do_handshake)
        except ssl.SSLCertVerificationError as problem:
            # Nothing was sent. It may be another machine, or a certificate that has run out.
            self.close()
            raise Failed(f"is not trusted: {problem.verify_message}") from problem
        except (OSError, ValueError) as problem:
            # ssl.SSLError is an OSError. Nothing was sent yet.
            self.close()
            raise Failed(f"TLS cannot be agreed on: {problem}", cut_off=True) from problem

    def send(self, octets: bytes) -> None:
        """Send octets; they are read only once `finish` returns.

        Raises:
            Failed: the connection broke. How much was read is not known.
        """
        view = memoryview(octets)
        try:
            for place in range(0, len(view), _CHUNK):
                for part in range(place, min(place + _CHUNK, len(view)), _RECORD):
                    self._tls.write(view[part : part + _RECORD])
                self._flush()
        except (OSError, ssl.SSLError) as problem:
            raise Failed(f"broke while sending: {problem}", cut_off=True) from problem

    def alive(self) -> bool:
        """Whether the receiver has neither closed nor broken the connection. Does not wait."""
        try:
            while select.select([self._socket], [], [], 0)[0]:
                data = self._socket.recv(_CHUNK)
                if not data:
                    return False
                self._incoming.write(data)
            return bool(self._tls.read(1) or True)
        except ssl.SSLWantReadError:
            # The usual case: nothing was said (what came were session tickets).
            return True
        except OSError:
            # A close_notify, a reset: nothing of ours was in flight, the caller opens another.
            return False

    def finish(self) -> None:
        """Close, and wait until the receiver has read everything and says so.

        Raises:
            Failed: it cannot be known that it has.
        """
        try:
            if not self.alive():
                raise Failed("closed the connection by itself", cut_off=True)
            # Our close_notify goes into the buffer; theirs is awaited below.
            with contextlib.suppress(ssl.SSLWantReadError):
                self._tls.unwrap()
            self._flush()
            self._taken()
            try:
                self._step(self._tls.unwrap)
            except ssl.SSLEOFError as problem:
                # An end of TCP, and no reset: that raises another error.
                if not self._by_tcp:
                    raise Unconfirmed("closed without a close_notify", cut_off=True) from problem
                return
            if self._receive():
                raise Failed("went on after it had closed", cut_off=True)
        except OSError as problem:
            # A reset, or nothing for too long. Some of it may have been read.
            raise Failed(f"did not confirm: {problem}", cut_off=True) from problem
        finally:
            self.close()

    def close(self) -> None:
        """Close without asking."""
        with contextlib.suppress(OSError):
            # Whatever was in flight counts as not read.
            self._socket.close()

    # --- inside -----------------------------------------------------------------------------

    def _keep_alive(self) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _IDLE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _taken(self) -> None:
        """Wait until the other kernel has acknowledged every octet.

        Raises:
            OSError: it does not.
        """
        until = time.monotonic() + self._timeout
        before = -1
        while True:
            waiting = struct.unpack("i", fcntl.ioctl(self._socket, termios.TIOCOUTQ, b"\0" * 4))[0]
            if waiting == 0:
                break
            if waiting != before:
                before, until = waiting, time.monotonic() + self._timeout
            if time.monotonic() > until:
                message = f"{waiting} octets are not acknowledged"
                raise TimeoutError(message)
            time.sleep(_LOOK)
        state = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        if state not in _LIVE:
            # A reset empties the queue too.
            message = "the connection was reset"
            raise ConnectionResetError(message)

    def _step[T](self, act: Callable[[], T]) -> T:
        while True:
            try:
                result = act()
            except ssl.SSLWantReadError:
                # It wants to hear from the other side first.
                self._flush()
                data = self._receive()
                if data:
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
                continue
            self._flush()
            return result

    def _receive(self) -> bytes:
        return self._socket.recv(_CHUNK)

    def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            view = memoryview(data)
            while view:
                view = view[self._socket.send(view) :]  # the timeout is for each call
