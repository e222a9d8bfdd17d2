"""TLS with a client of the gateway itself: between its socket and the wire that reads requests.

In: a TCP transport, and the certificate to show. Out: a transport of plain bytes for the protocol
that is made when TLS stands; or one word on why it does not.
Must never: make anything of a client before its handshake has ended well; hold more than one
read's bytes; say in a traceback what a client sent.

asyncio's own TLS transport was not taken: each connection has a buffer of 256 kB there, and there
is no half-closing: a spliced server that has said all would go unnoticed. Here the wire sees what
it sees of TCP: `close_notify` ends one direction (RFC 8446 6.1), and so does its absence.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_PIECE = 16 * 1024  # a TLS record's content (RFC 8446 5.1)
# Filled and copied within one call, never between two: a worker has one thread that runs layers.
_room = bytearray(_PIECE)
_view = memoryview(_room)

# Why a handshake came to nothing, beside what OpenSSL says.
LATE = "not agreed on in time"
LEFT = "the client left"


class Secure(asyncio.Protocol, asyncio.Transport):
    """The protocol of a TCP transport, and the transport of the protocol inside TLS.

    One object serves as both: the methods of the two have different names.

    Args:
        context: of a server, with what it shows.
        within: seconds for the handshake.
        make: makes the protocol inside; called when TLS stands.
        over: told once how the handshake ended: None when well, else why not, in a word or two of
            OpenSSL's or ours.
    """

    __slots__ = ("_ended", "_inner", "_into", "_make", "_out", "_over", "_raw", "_timer", "_tls")

    def __init__(
        self,
        context: ssl.SSLContext,
        within: float,
        make: Callable[[], asyncio.Protocol],
        over: Callable[[str | None], None],
    ) -> None:
        super().__init__()
        self._into = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._into, self._out, server_side=True)
        self._make: Callable[[], asyncio.Protocol] | None = make
        self._over: Callable[[str | None], None] | None = over
        self._inner: asyncio.Protocol | None = None
        self._raw: asyncio.Transport = None  # type: ignore[assignment] # set when made
        self._ended = False  # the peer sends no more
        self._timer = asyncio.get_running_loop().call_later(within, self._fail, LATE)

    # --- protocol of the TCP transport ----------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The TCP transport is there; the client speaks first."""
        self._raw = transport  # type: ignore[assignment] # TCP transports are Transports

    def data_received(self, data: bytes) -> None:
        """Encrypted bytes came."""
        if self._ended:
            return  # after its close_notify nothing counts
        pieces, over, problem = self._take_in(data)
        self._send_out()  # its answers; an alert, where something is wrong
        if self._inner is None:
            if problem is not None:
                self._fail((problem.reason or "not TLS").lower().replace("_", " "))
            return
        if pieces and not self._raw.is_closing():
            self._inner.data_received(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if problem is not None:
            # Nonsense, or an alert. What was read before it is good, and nothing comes after it.
            self._raw.abort()
        elif over and not self._raw.is_closing() and not self._end():
            self.close()

    def eof_received(self) -> bool:
        """The client's side of TCP has ended; True keeps ours open."""
        if self._inner is None:
            self._fail(LEFT)
            return False
        if self._ended:
            return True  # it has said so in TLS; whether ours stays open was settled then
        return self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        """TCP has ended."""
        self._settle(LEFT)
        inner, self._inner = self._inner, None
        self._ended = True
        if inner is not None:
            inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """The client takes data more slowly than it comes."""
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        """It has caught up."""
        if self._inner is not None:
            self._inner.resume_writing()

    # --- transport of the protocol inside -------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Encrypt and send."""
        sealed = []
        try:
            for offset in range(0, len(data), _PIECE):
                self._tls.write(data[offset : offset + _PIECE] if len(data) > _PIECE else data)
                sealed.append(self._out.read())
        except ssl.SSLError:
            # TLS has ended with an error, which its reader has been told; or our side has said that
            # it sends no more. Nobody is there to take it.
            return
        if sealed:
            self._raw.write(sealed[0] if len(sealed) == 1 else b"".join(sealed))

    def can_write_eof(self) -> bool:
        """Each direction can be ended by itself."""
        return True

    def write_eof(self) -> None:
        """Send no more; what the client still sends is read."""
        self._say_goodbye()
        self._raw.write_eof()

    def close(self) -> None:
        """End it, after what is still to be sent."""
        if not self._raw.is_closing():
            self._say_goodbye()
            self._raw.close()

    def abort(self) -> None:
        """End it now."""
        self._raw.abort()

    def is_closing(self) -> bool:
        """Whether it ends, or has ended."""
        return self._raw.is_closing()

    def is_reading(self) -> bool:
        """Whether the client is being read."""
        return self._raw.is_reading()

    def pause_reading(self) -> None:
        """Read no more for now: nothing is kept here, so that the client has to wait."""
        self._raw.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        self._raw.resume_reading()

    def get_write_buffer_size(self) -> int:
        """Bytes that the client has not taken yet, encrypted."""
        return self._raw.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What the TCP transport knows, but for its socket: bytes on it would not be TLS."""
        return default if name == "socket" else self._raw.get_extra_info(name, default)

    # --- inside ---------------------------------------------------------------------------

    def _take_in(self, data: bytes) -> tuple[list[bytes], bool, ssl.SSLError | None]:
        """Decrypt. Gives plain bytes, whether the client has ended TLS, and an error."""
        pieces: list[bytes] = []
        # In pieces, so that OpenSSL's memory does not grow to the size of a whole read, for good.
        for offset in range(0, len(data), _PIECE):
            self._into.write(data[offset : offset + _PIECE] if len(data) > _PIECE else data)
            try:
                if self._inner is None:
                    self._tls.do_handshake()
                    self._stands()
                while count := self._tls.read(_PIECE, _room):
                    pieces.append(bytes(_view[: int(count)]))
            except ssl.SSLWantReadError:
                continue  # a record is not there whole
            except ssl.SSLError as problem:
                return pieces, False, problem  # the caller ends the connection
            return pieces, True, None
        return pieces, False, None

    def _stands(self) -> None:
        make = self._make
        assert make is not None
        self._send_out()
        self._settle(None)
        self._inner = make()
        self._inner.connection_made(self)

    def _end(self) -> bool:
        """The client sends no more: whether our side stays open."""
        self._ended = True
        assert self._inner is not None
        return bool(self._inner.eof_received())

    def _fail(self, why: str) -> None:
        """There will be no TLS."""
        self._settle(why)
        self._ended = True
        if self._raw is not None:
            self._raw.close()  # an alert still goes out; nothing more is read

    def _settle(self, why: str | None) -> None:
        """The handshake is over, one way or the other."""
        self._timer.cancel()
        over, self._over, self._make = self._over, None, None
        if over is not None:
            over(why)

    def _say_goodbye(self) -> None:
        # It waits for the client's, which we do not; or TLS has ended already.
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
        self._send_out()

    def _send_out(self) -> None:
        if self._out.pending and not self._raw.is_closing():
            self._raw.write(self._out.read())
