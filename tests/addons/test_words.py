"""Reasons of the engine without what they quote."""

from __future__ import annotations

import pytest

from proxy_addons.addons.words import unquoted


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Client disconnected.", "Client disconnected."),
        ("invalid header name: b'Set-Cookie: s=1'", "invalid header name"),
        ("multiple content-length headers: [b'5', b'secret']", "multiple content-length headers"),
        ("unexpected HTTP transfer-encoding b'x' for HTTP/1", "unexpected HTTP transfer-encoding"),
        ("HTTP/1 protocol error: illegal chunk header: bytearray(b'secret')",
         "HTTP/1 protocol error: illegal chunk header"),
        ('Bad HTTP response line: b"it\'s"', "Bad HTTP response line"),
        ("HTTP/2 connection closed: <ConnectionTerminated additional_data:secret>",
         "HTTP/2 connection closed"),
        ("b'secret'", ""),
        ("Certificate verify failed: self-signed certificate",
         "Certificate verify failed: self-signed certificate"),
        ("the middle of its answer's head", "the middle of its answer's head"),
        ("OpenSSL Error([('SSL routines', '', 'unsupported protocol')])",
         "TLS: unsupported protocol"),
        ("OpenSSL Error([('SSL routines', 'f', 'one'), ('SSL routines', '', 'no cipher match')])",
         "TLS: no cipher match"),
        ("OpenSSL Error([('lib', '', 'odd <script>')])", "OpenSSL Error"),
        ("The remote server and mitmproxy cannot agree on a TLS version to use. You may need to …",
         "TLS: no version in common"),
        ("Upstream proxy 192.0.2.1:3128 refused HTTP CONNECT request: 403 Forbidden",
         "Upstream proxy 192.0.2.1:3128 refused HTTP CONNECT request: 403 Forbidden"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_reason(said: str, kept: str) -> None:
    assert unquoted(said) == kept
