"""Text that came from outside, made fit to be shown or sent.

In: any string, hostile ones and lone surrogates included.
Out: text whose every character is visible; header and comment texts that cannot end early.
Must never: raise, or let a control, bidirectional or invisible character through.
"""

from __future__ import annotations

import re

_USERINFO = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*:)?//[^/?#]*@")
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9 ._:-]")


def _hidden(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was no UTF-8, kept by surrogateescape (PEP 383)
        return f"%{code - 0xDC00:02X}"
    if 0xD800 <= code <= 0xDFFF:
        return "\N{REPLACEMENT CHARACTER}"
    return "".join(f"%{byte:02X}" for byte in character.encode())


def visible(text: str, limit: int = 300) -> str:
    """The text with every character visible, and cut visibly.

    Control, bidirectional and other invisible characters are percent-encoded (an address that is
    shown must not read differently from what it is); lone surrogates become `?`.

    Args:
        text: anything.
        limit: the longest text, in characters, that is shown whole.
    """
    left_out = max(len(text) - limit, 0)
    shown = text[:limit]
    if not (shown.isascii() and shown.isprintable()):
        shown = "".join(c if c.isprintable() else _hidden(c) for c in shown)
    if left_out:
        shown += f"… ({left_out:,} more characters)"
    return shown


def address(url: str, limit: int = 300) -> str:
    """An address to show: without user name, password and query.

    Passwords must not be shown, and queries carry search words and session keys that have no place
    on a page that people print or send to the service desk; the log record has the whole address.
    `?…` shows that there was a query, unless the cut is shown already.
    """
    clean = _USERINFO.sub(lambda match: f"{match[1] or ''}//", url)
    base, question, _query = clean.partition("?")
    base = base.partition("#")[0]
    shown = visible(base, limit)
    return f"{shown}?…" if question and len(base) <= limit else shown


def sf_string(text: str, limit: int = 200) -> str:
    """A structured-field string (RFC 8941, 3.3.3), quotes included: visible ASCII and spaces."""
    ascii_only = "".join(c if " " <= c <= "~" else "?" for c in text[:limit])
    escaped = ascii_only.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def plain(text: str, limit: int = 80) -> str:
    """Text for a comment in a script or style sheet: nothing that could end one is left."""
    return _NOT_PLAIN.sub("?", text[:limit])
