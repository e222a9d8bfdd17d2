"""Path and query of a URL key.

In: a path or query as a client wrote it.
Out: its canonical spelling (RFC 3986 6.2.2), or `UrlKeyError`.
Must never: turn a separator into data or data into a separator (`%2F` stays `%2F`).

A backslash in a path is refused: browsers read it as `/` and never send it, servers differ.
Duplicate slashes are kept. `%` without two hexadecimal digits is data, as for browsers: `%25`.
"""

from __future__ import annotations

import re
import string

from proxy_addons.urlkey.key import UrlKeyError

_UNRESERVED = frozenset(string.ascii_letters + string.digits + "-._~")  # RFC 3986 2.3
_PCHAR = r"A-Za-z0-9\-._~!$&'()*+,;=:@"  # RFC 3986 3.3
# What is already as it should be (paths without dot segments).
PLAIN_PATH, PLAIN_QUERY = rf"/[{_PCHAR}/]*", r"[!\"$-~]*"
_PLAIN_PATH = re.compile(PLAIN_PATH, re.ASCII)
_PLAIN_QUERY = re.compile(PLAIN_QUERY, re.ASCII)
# An escape, or one character that must become one. Applied to bytes read as Latin-1.
_TO_REWRITE = re.compile(rf"%[0-9A-Fa-f]{{2}}|[^{_PCHAR}/]")
_PARAMETERS = re.compile(r";[^/]*")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_NOT_PRINTABLE = re.compile(r"[^!-~]")
_REFUSED = re.compile(r"[\x00-\x20\x7f]")

_ENCODED = {chr(code): f"%{code:02X}" for code in range(256)}
_REWRITTEN = _ENCODED | {
    f"%{high}{low}": chr(code)
    if chr(code := int(high + low, 16)) in _UNRESERVED
    else f"%{code:02X}"
    for high in string.hexdigits
    for low in string.hexdigits
}


def path_key(path: str) -> str:
    """Gives the canonical spelling of a path that begins with `/`.

    Percent-encoding of unreserved characters is undone, other escapes are in upper case, everything
    that is no path character is encoded, dot segments (also encoded ones) are removed.

    Raises:
        UrlKeyError: when the path does not begin with `/` or contains a control character, a space
            or a backslash.
    """
    if _PLAIN_PATH.fullmatch(path) and "/." not in path:
        return path
    if "\\" in path:
        raise UrlKeyError("the path contains a backslash: write / or %5C")
    if not path.startswith("/"):
        raise UrlKeyError("the path does not begin with /")
    path = _TO_REWRITE.sub(lambda found: _REWRITTEN[found[0]], _octets(path, "path"))
    return _without_dot_segments(path) if "/." in path else path


def other_reading(path: str) -> str | None:
    """How a server may read a path otherwise than it is spelt; None where it can be read one way.

    Some drop what follows `;` in a segment (RFC 3986 3.3 leaves it to them), some take an encoded
    slash or backslash for one that separates. Which it is cannot be seen from outside: a request is
    judged by both.

    Args:
        path: in canonical spelling (`path_key`).
    """
    if ";" not in path and "%" not in path:
        return None
    other = _PARAMETERS.sub("", path).replace("%2F", "/").replace("%5C", "/")
    if other == path:
        return None
    return _without_dot_segments(other) if "/." in other else other


def query_key(query: str) -> str:
    """Gives a query as written, but with anything outside printable ASCII percent-encoded.

    Args:
        query: what follows `?`, without it.

    Raises:
        UrlKeyError: when the query contains a control character, a space or `#`.
    """
    if _PLAIN_QUERY.fullmatch(query):
        return query
    if "#" in query:
        raise UrlKeyError("the query contains #: write %23")
    return _NOT_PRINTABLE.sub(lambda found: _ENCODED[found[0]], _octets(query, "query"))


def canonical_escapes(text: str) -> str:
    """Undoes the percent-encoding of unreserved characters; the other escapes go to upper case."""
    if "%" not in text:
        return text
    return _ESCAPE.sub(lambda found: _REWRITTEN[found[0]], text)


def _octets(text: str, part: str) -> str:
    """The UTF-8 octets of a text, one character each.

    Octets that were no UTF-8 reach us as lone surrogates (PEP 383) and become themselves again.
    """
    if _REFUSED.search(text):
        raise UrlKeyError(f"the {part} contains a space or control character: percent-encode it")
    if text.isascii():
        return text
    try:
        return text.encode("utf-8", "surrogateescape").decode("latin-1")
    except UnicodeError:  # the request in hand is refused
        raise UrlKeyError(f"the {part} contains half a surrogate pair, which is no text") from None


def _without_dot_segments(path: str) -> str:
    """RFC 3986 5.2.4 for an absolute path."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return "/" + "/".join(kept)
