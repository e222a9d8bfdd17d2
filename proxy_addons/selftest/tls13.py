"""A small TLS 1.3 client whose ClientHello is made by hand, as no library would send it.

In: a hello (hello.py), what to send. Out: what the server sent.
Must never: be used for anything that has to be private: it does not look at certificates.

Source: RFC 8446. One suite (TLS_AES_128_GCM_SHA256), one group (x25519).
"""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

if TYPE_CHECKING:
    from proxy_addons.selftest.stream import Stream

_CHANGE_CIPHER_SPEC, _ALERT, _HANDSHAKE, _DATA = 20, 21, 22, 23
_SERVER_HELLO, _ENCRYPTED_EXTENSIONS, _FINISHED = 2, 8, 20
_KEY_SHARE, _ALPN = 51, 16
_HASH = 32
_LARGEST = 16384  # bytes in a record


class TlsRefusedError(Exception):
    """The other side did not go through with the handshake; the text says how."""


class _Keys:
    """One direction's key and nonces (RFC 8446 5.3)."""

    def __init__(self, secret: bytes) -> None:
        self._aead = AESGCM(_expand(secret, b"key", b"", 16))
        self._iv = int.from_bytes(_expand(secret, b"iv", b"", 12))
        self._number = 0

    def _nonce(self) -> bytes:
        nonce = (self._iv ^ self._number).to_bytes(12)
        self._number += 1
        return nonce

    def seal(self, kind: int, data: bytes) -> bytes:
        inner = data + bytes([kind])
        head = b"\x17\x03\x03" + (len(inner) + 16).to_bytes(2)
        return head + self._aead.encrypt(self._nonce(), inner, head)

    def open(self, head: bytes, data: bytes) -> tuple[int, bytes]:
        inner = self._aead.decrypt(self._nonce(), data, head).rstrip(b"\0")
        return inner[-1], inner[:-1]


class Tls13:
    """TLS on a stream. The handshake is done when this is made.

    Args:
        stream: that carries it.
        hello: the ClientHello message, with its four bytes of head.
        records: its bytes, as records (they may be cut as no library cuts them).
        secret: the private key of the x25519 share in it.
        patience: seconds for the handshake.
        size: send the records in pieces of this many bytes, where not 0.

    Raises:
        TlsRefusedError: the server ended it.
    """

    def __init__(
        self,
        stream: Stream,
        hello: bytes,
        records: bytes,
        secret: X25519PrivateKey,
        *,
        patience: float,
        size: int = 0,
    ) -> None:
        self._stream = stream
        self._until = time.monotonic() + patience
        self._buffer = b""
        self.alpn = ""
        self.answered = False
        self._ended = False
        stream.send(records, size)
        transcript = hello + (server_hello := self._server_hello())
        shared = secret.exchange(X25519PublicKey.from_public_bytes(_share(server_hello)))
        early = _extract(b"", bytes(_HASH))
        derived = _derive(early, b"derived", b"")
        handshake = _extract(derived, shared)
        client = _derive(handshake, b"c hs traffic", transcript)
        server = _derive(handshake, b"s hs traffic", transcript)
        self._reading = _Keys(server)
        transcript += self._flight()
        verify = hmac.digest(
            _expand(client, b"finished", b"", _HASH), hashlib.sha256(transcript).digest(), "sha256"
        )
        finished = bytes([_FINISHED]) + len(verify).to_bytes(3) + verify
        stream.send(b"\x14\x03\x03\0\x01\x01" + _Keys(client).seal(_HANDSHAKE, finished))
        master = _extract(_derive(handshake, b"derived", b""), bytes(_HASH))
        self._writing = _Keys(_derive(master, b"c ap traffic", transcript))
        self._reading = _Keys(_derive(master, b"s ap traffic", transcript))

    def send(self, data: bytes, size: int = 0) -> None:
        """Send as application data."""
        step = size or _LARGEST
        for start in range(0, len(data), step):
            self._stream.send(self._writing.seal(_DATA, data[start : start + step]))

    def send_handshake(self, message: bytes) -> None:
        """Send a handshake message where none is expected."""
        self._stream.send(self._writing.seal(_HANDSHAKE, message))

    def receive(self, until: float) -> bytes | None:
        """Application data; an alert is an end."""
        while not self._ended:
            record = self._record(until)
            if record is None:
                return None
            try:
                kind, data = self._reading.open(*record) if record[0] else (_ALERT, b"")
            except InvalidTag:
                # Not what a peer would send: as good as an end.
                kind, data = _ALERT, b""
            if kind == _ALERT:
                self._ended = True
            elif kind == _DATA and data:
                return data
        return b""

    def _record(self, until: float) -> tuple[bytes, bytes] | None:
        """Head and content of the next record; empty at the end; None when out of time."""
        while len(self._buffer) < 5 or len(self._buffer) < 5 + int.from_bytes(self._buffer[3:5]):
            data = self._stream.receive(until)
            if data is None:
                return None
            if not data:
                return b"", b""
            self._buffer += data
        end = 5 + int.from_bytes(self._buffer[3:5])
        head, content, self._buffer = self._buffer[:5], self._buffer[5:end], self._buffer[end:]
        return head, content

    def _expected(self) -> tuple[bytes, bytes]:
        record = self._record(self._until)
        if record is None:
            raise TlsRefusedError("no answer to the ClientHello")
        if not record[0]:
            raise TlsRefusedError("closed at the ClientHello")
        if record[0][0] == _ALERT:
            raise TlsRefusedError("alert at the ClientHello")
        return record

    def _server_hello(self) -> bytes:
        head, message = self._expected()
        if head[0] != _HANDSHAKE or message[0] != _SERVER_HELLO:
            raise TlsRefusedError("not TLS")
        self.answered = True
        return message[: 4 + int.from_bytes(message[1:4])]

    def _flight(self) -> bytes:
        """The server's encrypted messages, up to Finished."""
        messages, seen = b"", 0
        while True:
            head, content = self._expected()
            if head[0] == _CHANGE_CIPHER_SPEC:
                continue
            kind, data = self._reading.open(head, content)
            if kind == _ALERT:
                raise TlsRefusedError("alert in the handshake")
            messages += data
            while len(messages) >= seen + 4:
                end = seen + 4 + int.from_bytes(messages[seen + 1 : seen + 4])
                if len(messages) < end:
                    break
                if messages[seen] == _ENCRYPTED_EXTENSIONS:
                    self.alpn = _alpn(messages[seen + 6 : end])
                if messages[seen] == _FINISHED:
                    return messages[:end]
                seen = end


def _extract(salt: bytes, key: bytes) -> bytes:
    return hmac.digest(salt or bytes(_HASH), key, "sha256")


def _expand(secret: bytes, label: bytes, context: bytes, length: int) -> bytes:
    """HKDF-Expand-Label (RFC 8446 7.1)."""
    name = b"tls13 " + label
    info = length.to_bytes(2) + bytes([len(name)]) + name + bytes([len(context)]) + context
    return HKDFExpand(SHA256(), length, info).derive(secret)


def _derive(secret: bytes, label: bytes, messages: bytes) -> bytes:
    return _expand(secret, label, hashlib.sha256(messages).digest(), _HASH)


def _extensions(block: bytes) -> dict[int, bytes]:
    found = {}
    while len(block) >= 4:
        kind, length = int.from_bytes(block[:2]), int.from_bytes(block[2:4])
        found[kind] = block[4 : 4 + length]
        block = block[4 + length :]
    return found


def _share(server_hello: bytes) -> bytes:
    """The x25519 share in a ServerHello (RFC 8446 4.1.3)."""
    place = 4 + 2 + 32
    place += 1 + server_hello[place] + 3
    share = _extensions(server_hello[place + 2 :]).get(_KEY_SHARE, b"")
    if len(share) != 4 + 32:
        raise TlsRefusedError("another key share was asked for")
    return share[4:]


def _alpn(block: bytes) -> str:
    chosen = _extensions(block).get(_ALPN, b"")
    return chosen[3:].decode("latin-1")
