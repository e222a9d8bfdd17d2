"""The engine's reasons, made fit for log and page: without what they quote.

In: an error text of mitmproxy or OpenSSL. Out: the same, without bytes that a peer sent.
Must never: let a header, cookie or body through that an error quotes.
"""

from __future__ import annotations

import re

# A quote opens after a space or bracket; an apostrophe does not.
_QUOTE = re.compile(r"(?:[:\s(\[]+|\A)(?:bytearray\()?b?['\"<]")
# OpenSSL Error([('SSL routines', '', 'unsupported protocol')]): fixed words of the library's own.
_OPENSSL = re.compile(r"OpenSSL Error\(\[.*?'([a-z0-9/ ]+)'\)\]\)\Z")


def unquoted(message: str) -> str:
    """The message up to the first thing it quotes."""
    if "cannot agree on a TLS version" in message:
        return "TLS: no version in common"  # the rest is about options of mitmproxy's
    if found := _OPENSSL.match(message):
        return f"TLS: {found[1]}"
    return _QUOTE.split(message, maxsplit=1)[0]
