"""TLS sessions with servers, kept to be resumed: a handshake without certificates and signatures.

In: finished handshakes of ours. Out: sessions for the next connection to the same place.
Must never: give a session out under another name, port, protocol or way out than it was agreed on
under (on resuming, nobody looks at a certificate again); let a certificate count for longer than
an hour after it was checked; outlive the trust store it was checked against (the store belongs to
the context, this memory to the same `TlsContexts`); leave the process (they hold secrets).

They are kept as bytes: OpenSSL spoils a session when its connection is freed without having been
closed by TLS's own rules, as happens whenever a client leaves.
"""

# ruff: noqa: SLF001 - pyOpenSSL has neither bytes of sessions nor whether one was resumed

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

from OpenSSL import SSL

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.engine.egress import WayOut

_lib: Any = SSL._lib  # type: ignore[attr-defined]
_ffi: Any = SSL._ffi  # type: ignore[attr-defined]

# Seconds that a check of a certificate is good for. Sessions that follow from one another by
# resuming all count from the same check.
_GOOD_FOR = 3600.0
_PLACES = 1024  # servers remembered
_EACH = 8  # sessions for one: browsers open six connections at once
# Post-quantum key shares are what a handshake costs most to offer, and few servers take them. To
# one that chose X25519 although it could have had both, only that share is sent ahead; the other
# group is still named, so that the server can ask for it. The question mark: where it is known.
_CLASSICAL = b"X25519:?X25519MLKEM768:P-256:P-384"


class Place(NamedTuple):
    """What a session is good for, and nothing else.

    Attributes:
        host: connected to, canonical.
        port: connected to.
        name: that the certificate was checked for.
        offers: the protocols offered (ALPN).
        way_out: by which it was reached: a session shown from two addresses makes them one.
    """

    host: str
    port: int
    name: str
    offers: tuple[bytes, ...]
    way_out: WayOut | None = None


class _Kept(NamedTuple):
    session: bytes
    checked: float


class _Known:
    """What is remembered of one place."""

    __slots__ = ("classical", "sessions")

    def __init__(self) -> None:
        self.sessions: list[_Kept] = []
        self.classical = False


class Sessions:
    """The memory.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: OrderedDict[Place, _Known] = OrderedDict()

    def begin(self, connection: SSL.Connection, place: Place) -> None:
        """Let a new connection resume a session, where there is one; and watch for its own.

        Args:
            connection: before its handshake; its app data becomes a `Watch`.
            place: where it goes.
        """
        checked = None
        if (known := self._known.get(place)) is not None:
            self._known.move_to_end(place)
            if known.classical:
                _lib.SSL_set1_curves_list(connection._ssl, _CLASSICAL)
            oldest = self._clock() - _GOOD_FOR
            while known.sessions:
                # Each is used once, so that connections cannot be told to be of one origin by the
                # ticket they show (RFC 8446 C.4). The youngest first: the others may grow old.
                session, made = known.sessions.pop()
                if made > oldest:
                    if _offer(connection, session):
                        checked = made
                    break
                known.sessions.clear()  # those below it are no younger
        connection.set_app_data(Watch(self, place, checked))

    def keep(self, place: Place, session: bytes, checked: float | None) -> None:
        """Keep a session for the next.

        Args:
            place: what it is good for.
            session: of a connection whose handshake ended well, as OpenSSL writes it (DER).
            checked: when the certificate was, where that was before this connection.
        """
        known = self._of(place)
        known.sessions.append(_Kept(session, self._clock() if checked is None else checked))
        # By the age of the check, the youngest last; the oldest go.
        known.sessions.sort(key=lambda kept: kept.checked)
        del known.sessions[:-_EACH]

    def chose(self, place: Place, *, classical: bool) -> None:
        """What kind of key exchange a server chose when it had the choice."""
        self._of(place).classical = classical

    def forget(self, place: Place) -> None:
        """A handshake failed: nothing of what is remembered is used for the next."""
        self._known.pop(place, None)

    def _of(self, place: Place) -> _Known:
        known = self._known.get(place)
        if known is None:
            known = self._known[place] = _Known()
            if len(self._known) > _PLACES:
                self._known.popitem(last=False)
        self._known.move_to_end(place)
        return known


class Watch:
    """Watches one connection for a session to keep.

    Args:
        sessions: the memory.
        place: where the connection goes.
        checked: when the certificate of the session offered was checked; None without one.
    """

    __slots__ = ("_agreed", "_checked", "_place", "_sessions")

    def __init__(self, sessions: Sessions, place: Place, checked: float | None) -> None:
        self._sessions = sessions
        self._place = place
        self._checked = checked
        self._agreed: Any = None

    def stands(self, connection: SSL.Connection) -> None:
        """The handshake has ended well."""
        ssl = connection._ssl
        if not _lib.SSL_session_reused(ssl):
            self._checked = None  # the certificate was checked just now
            name = _lib.SSL_get0_group_name(ssl)
            classical = name != _ffi.NULL and _ffi.string(name).lower() == b"x25519"
            self._sessions.chose(self._place, classical=classical)
        # Held, so that its address is not given to the one that comes with a ticket.
        self._agreed = _ffi.gc(_lib.SSL_get1_session(ssl), _lib.SSL_SESSION_free)

    def failed(self) -> None:
        """The handshake did not end well."""
        self._sessions.forget(self._place)

    def look(self, connection: SSL.Connection) -> bool:
        """Keep the connection's session if there is one now; whether it was."""
        ssl = connection._ssl
        if _lib.SSL_version(ssl) == SSL.TLS1_3_VERSION and (
            _lib.SSL_get_session(ssl) == self._agreed
        ):
            return False  # no ticket has come: it is the session that was resumed, or good for none
        self._sessions.keep(self._place, _written(_lib.SSL_get_session(ssl)), self._checked)
        self._agreed = None
        return True


def _written(session: Any) -> bytes:
    size = _lib.i2d_SSL_SESSION(session, _ffi.NULL)
    room = _ffi.new("unsigned char[]", size)
    _lib.i2d_SSL_SESSION(session, _ffi.new("unsigned char **", room))
    return bytes(_ffi.buffer(room, size))


def _offer(connection: SSL.Connection, written: bytes) -> bool:
    with _ffi.from_buffer("unsigned char[]", written) as start:
        at = _ffi.new("unsigned char const **", start)
        session = _lib.d2i_SSL_SESSION(_ffi.NULL, at, len(written))
    if session == _ffi.NULL:
        # Cannot be, and would only mean a full handshake.
        _lib.ERR_clear_error()
        return False
    done: bool = _lib.SSL_set_session(connection._ssl, session) == 1
    _lib.SSL_SESSION_free(session)  # the connection holds it now
    return done
