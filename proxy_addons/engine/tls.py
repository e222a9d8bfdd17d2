"""TLS inside the layers: mitmproxy's TLS layers with a quick way for the bytes.

In: encrypted bytes of one connection; plain bytes of the layer inside. Out: the others.
Must never: hand on a byte of a handshake that has not ended well; drop bytes; leave out the check
of a server's certificate (that is OpenSSL's, set up in tlscontexts.py).

What differs from mitmproxy's: after a handshake the peer's certificates are not parsed into
objects that nobody reads; bytes go through one buffer of the process instead of a new one of 64 kB
each time; that there is no more to read is asked for, not found out by an exception; and a
connection that stands already needs none of the outer layer's steps. Large data passes in pieces,
so that OpenSSL holds little of it at any time.
"""

# ruff: noqa: SLF001 - pyOpenSSL's methods make a buffer for each call; OpenSSL itself is private

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layers.tls import (
    ClientTLSLayer,
    ServerTLSLayer,
    TlsEstablishedClientHook,
    TLSLayer,
)
from mitmproxy.proxy.tunnel import TunnelState
from mitmproxy.tls import TlsData
from OpenSSL import SSL

from proxy_addons.engine.sessions import Watch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mitmproxy.proxy.context import Context
    from mitmproxy.proxy.layer import CommandGenerator, Layer

    from proxy_addons.engine.hello import Hello

_lib: Any = SSL._lib  # type: ignore[attr-defined]
_ffi: Any = SSL._ffi  # type: ignore[attr-defined]
_READ, _WRITE, _HANDSHAKE = _lib.SSL_read, _lib.SSL_write, _lib.SSL_do_handshake
_BIO_READ, _BIO_WRITE = _lib.BIO_read, _lib.BIO_write
_WANT_READ = _lib.SSL_ERROR_WANT_READ
_ZERO_RETURN = _lib.SSL_ERROR_ZERO_RETURN

_PIECE = 16 * 1024  # a TLS record's content (RFC 8446 5.1)
# After more bytes than this at once OpenSSL's memory BIO is exchanged for a new one: it never gives
# back what it has grown to, and the connection may do nothing from now on for an hour.
_LARGE = 4 * 1024
# Filled and copied within one call, never between two: a worker has one thread that runs layers.
_SIZE = 64 * 1024
_buffer = _ffi.new("char[]", _SIZE)
_view = _ffi.buffer(_buffer, _SIZE)

# OpenSSL's reasons that mean that the peer does not speak TLS at all.
_NO_TLS = frozenset({"wrong version number", "packet length too long", "record layer failure"})


class QuickTls(TLSLayer):
    """What both sides have in common."""

    tls: Any = None

    def handle_event(self, event: events.Event) -> CommandGenerator[None]:
        """Take an event; the short way once TLS stands and nothing is waited for."""
        if self.tunnel_state is TunnelState.OPEN and self._paused is None:
            if not isinstance(event, events.ConnectionEvent) or (
                event.connection is not self.conn and event.connection != self.conn
            ):
                return self.event_to_child(event)
            if type(event) is events.DataReceived:
                return self.receive_data(event.data)
        return super().handle_event(event)

    def event_to_child(self, event: events.Event) -> CommandGenerator[None]:
        """Hand an event to the layer inside, and obey what it says of this connection."""
        if self.tunnel_state is TunnelState.ESTABLISHING and not self.command_to_reply_to:
            self._event_queue.append(event)
            return
        conn = self.conn
        for command in self.child_layer.handle_event(event):
            if not isinstance(command, commands.ConnectionCommand) or command.connection != conn:
                yield command
            elif type(command) is commands.SendData:
                for sealed in self._seal(command.data):
                    yield commands.SendData(conn, sealed)
            else:
                yield from self._handle_command(command)

    def receive_handshake_data(self, data: bytes) -> CommandGenerator[tuple[bool, str | None]]:
        """Feed the handshake. Gives whether it has ended, and what went wrong."""
        tls: Any = self.tls
        if data:
            _BIO_WRITE(tls._into_ssl, data, len(data))
        done = _HANDSHAKE(tls._ssl)
        if done == 1:
            yield from self._stands()
            return True, None
        try:
            tls._raise_ssl_error(tls._ssl, done)
        except SSL.WantReadError:
            yield from self.tls_interact()
            return False, None
        except SSL.Error as problem:
            # The alert that says so is not sent, as by mitmproxy: the connection is closed.
            return False, _said(tls, problem, data)
        return False, None  # cannot be: OpenSSL neither finished, nor waits, nor complains

    def _stands(self) -> CommandGenerator[None]:
        conn, tls = self.conn, self.tls
        conn.certificate_list = []
        conn.timestamp_tls_setup = time.time()
        conn.alpn = tls.get_alpn_proto_negotiated()
        yield from self._established()
        yield from self.receive_data(b"")

    def _established(self) -> CommandGenerator[None]:
        yield from ()

    def receive_data(self, data: bytes) -> CommandGenerator[None]:
        """Decrypt what came, and hand it to the layer inside."""
        pieces, reason, problem = self._open(data)
        if problem is not None:
            # The peer has sent an alert, or nonsense. What was read before it is good, and nothing
            # comes after it. OpenSSL then counts as closed, so that mitmproxy would keep the end
            # of the connection from the layer inside, which would wait until the idle limit.
            yield commands.Log(f"TLS Error: {problem}", logging.WARNING)
        yield from self.tls_interact()
        if pieces:
            plain = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            yield from self.event_to_child(events.DataReceived(self.conn, plain))
        if reason == _ZERO_RETURN or problem is not None:
            self.conn.state &= ~ConnectionState.CAN_READ
            yield from self.event_to_child(events.ConnectionClosed(self.conn))

    def _open(self, data: bytes) -> tuple[list[bytes], int, SSL.Error | None]:
        """Decrypt. Gives the plain bytes, OpenSSL's reason for giving no more, and an error."""
        tls: Any = self.tls
        if tls is None:
            return [], _WANT_READ, None
        ssl, into = tls._ssl, tls._into_ssl
        pieces = []
        offset, size = 0, len(data)
        with _ffi.from_buffer(data) as start:
            while True:
                if size:
                    _BIO_WRITE(into, start + offset, min(_PIECE, size - offset))
                    offset += _PIECE
                while (count := _READ(ssl, _buffer, _SIZE)) > 0:
                    pieces.append(_view[:count])
                reason: int = _lib.SSL_get_error(ssl, count)
                if reason != _WANT_READ:
                    break  # an end or an error: what comes after it is nothing
                if offset >= size:
                    if size > _LARGE:
                        # OpenSSL has taken all of it in, as it asks for more.
                        tls._into_ssl = _lib.BIO_new(_lib.BIO_s_mem())
                        _lib.SSL_set_bio(ssl, tls._into_ssl, tls._from_ssl)
                    return pieces, reason, None
        if reason != _ZERO_RETURN:
            try:
                tls._raise_ssl_error(ssl, count)
            except SSL.Error as problem:
                return pieces, reason, problem  # the caller says so
        return pieces, reason, None

    def receive_close(self) -> CommandGenerator[None]:
        """The connection has ended."""
        if self.tls is not None:
            yield from super().receive_close()
        else:
            yield from self.event_to_child(events.ConnectionClosed(self.conn))

    def send_data(self, data: bytes) -> CommandGenerator[None]:
        """Encrypt and send."""
        for sealed in self._seal(data):
            yield commands.SendData(self.conn, sealed)

    def tls_interact(self) -> CommandGenerator[None]:
        """Send what OpenSSL has to say."""
        if self.tls is None:
            return
        source = self.tls._from_ssl
        while (count := _BIO_READ(source, _buffer, _SIZE)) > 0:
            yield commands.SendData(self.conn, _view[:count])
            if count < _SIZE:
                return

    def _seal(self, data: bytes) -> Iterator[bytes]:
        tls: Any = self.tls
        if tls is None:
            return
        ssl, source = tls._ssl, tls._from_ssl
        offset, left = 0, len(data)
        with _ffi.from_buffer(data) as start:
            while left:
                # It may take less than it is given: a client can ask for small records.
                done = _WRITE(ssl, start + offset, min(_PIECE, left))
                if done <= 0:
                    try:
                        tls._raise_ssl_error(ssl, done)
                    except (SSL.ZeroReturnError, SSL.SysCallError):
                        # The peer has closed TLS. What it is not sent is its own loss; its end is
                        # told of when it is read.
                        return
                offset += done
                left -= done
                while (count := _BIO_READ(source, _buffer, _SIZE)) > 0:
                    yield _view[:count]
                    if count < _SIZE:
                        break
        if len(data) > _LARGE:
            tls._from_ssl = _lib.BIO_new(_lib.BIO_s_mem())
            _lib.SSL_set_bio(ssl, tls._into_ssl, tls._from_ssl)


class InspectedTls(QuickTls, ClientTLSLayer):
    """TLS with a client, without mitmproxy's own reading of the ClientHello.

    The hello is parsed once: the bytes that reach OpenSSL here are those that the decision read.

    Args:
        context: of the connection.
        hello: its ClientHello, parsed and passed by the gate.
    """

    def __init__(self, context: Context, hello: Hello) -> None:
        super().__init__(context)
        self._hello: Hello | None = hello

    def receive_handshake_data(self, data: bytes) -> CommandGenerator[tuple[bool, str | None]]:
        """Feed the handshake; with the first bytes, start it."""
        if (hello := self._hello) is not None:
            self._hello = None  # it has some kB, and the connection may stay for a day
            self.client_hello_parsed = True
            self.conn.sni = hello.sni
            self.conn.alpn_offers = hello.alpn_protocols
            yield from self.start_tls()
            if not self.conn.connected:
                return False, "connection closed early"
        return (yield from super().receive_handshake_data(data))

    def _established(self) -> CommandGenerator[None]:
        yield TlsEstablishedClientHook(TlsData(self.conn, self.context, self.tls))


class ServerTls(QuickTls, ServerTLSLayer):
    """TLS with a server; its session is kept for the next connection there."""

    _watch: Watch | None = None

    def _established(self) -> CommandGenerator[None]:
        if isinstance(watch := self.tls.get_app_data(), Watch):
            watch.stands(self.tls)
            self._watch = watch
        yield from ()

    def receive_data(self, data: bytes) -> CommandGenerator[None]:
        """Decrypt what came; in TLS 1.3 the ticket comes after the handshake."""
        if self._watch is None:
            return super().receive_data(data)
        return self._receive_watching(data)

    def _receive_watching(self, data: bytes) -> CommandGenerator[None]:
        tls = self.tls
        yield from super().receive_data(data)
        if tls is not None and self._watch is not None and self._watch.look(tls):
            self._watch = None

    def on_handshake_error(self, err: str) -> CommandGenerator[None]:
        """The handshake failed: what is remembered of the server may be why."""
        if self.tls is not None and isinstance(watch := self.tls.get_app_data(), Watch):
            watch.failed()
        yield from super().on_handshake_error(err)


def let_go(outermost: Layer) -> None:
    """Give back OpenSSL's part of a connection to a server that has been closed.

    The layers themselves know of one another, and may stay until their client goes.

    Args:
        outermost: of the layers of that connection alone.
    """
    each: Layer | None = outermost
    while each is not None:
        if isinstance(each, QuickTls):
            each.tls = None
        each = getattr(each, "child_layer", None)


def _said(tls: Any, problem: SSL.Error, data: bytes) -> str:
    """What went wrong in a handshake, in mitmproxy's words (addons/words.py shortens them)."""
    reasons = problem.args[0] if problem.args else None
    last = reasons[-1][-1] if isinstance(reasons, list) and reasons else ""
    if last == "certificate verify failed":
        result = _lib.X509_verify_cert_error_string(_lib.SSL_get_verify_result(tls._ssl))
        return f"Certificate verify failed: {_ffi.string(result).decode()}"
    if last in _NO_TLS and data[:4].isascii():
        return "The remote server does not speak TLS."
    if last == "tlsv1 alert protocol version":
        return "The remote server and mitmproxy cannot agree on a TLS version to use."
    if last in {"tlsv1 alert unknown ca", "ssl/tls alert bad certificate"}:
        return str(last)
    return f"OpenSSL {problem!r}"
