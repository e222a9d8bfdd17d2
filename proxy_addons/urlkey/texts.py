"""Addresses as texts that are compared: what a URL entry of a list, or a rule's, is a prefix of.

In: `host/path?query` as somebody wrote it; or a URL key.
Out: texts of one key space, in which an entry matches a request exactly when its text is a prefix
of the request's (categorisation/entries.py shows them); the text that expressions are searched in.
Must never: widen an entry, or let another spelling of one address be another text.

Paths match as prefixes of text, case folded, as in squidGuard (research: sgDb.c); a leading `www`,
`web` or `ftp` with digits is dropped from hosts, unless only a top-level domain would be left.
Duplicate slashes and needless percent-encoding do not hide a path.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from proxy_addons.urlkey.host import classified_host
from proxy_addons.urlkey.key import UrlKeyError
from proxy_addons.urlkey.path import canonical_escapes, path_key, query_key

if TYPE_CHECKING:
    from proxy_addons.urlkey.key import UrlKey

_COMMON_HOST = re.compile(r"(?:www|web|ftp)[0-9]*\.(?=[^./]+\.)", re.ASCII)
_SLASHES = re.compile(r"//+")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE | re.ASCII)
_URL_PARTS = re.compile(r"([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?", re.DOTALL)
_PORT = re.compile(r":[0-9]*\Z")


def prefix_text(entry: str) -> str:
    """Gives the text of `host/path?query`, with or without a scheme.

    Raises:
        UrlKeyError: it is no host and path.
    """
    entry = _SCHEME.sub("", entry, count=1)
    parts = _URL_PARTS.fullmatch(entry)
    assert parts is not None  # the expression matches any text
    host, path, query, fragment = parts.groups(default="")
    if "@" in host:
        raise UrlKeyError("an entry carries no user name: write host/path")
    if _PORT.search(host) and not host.endswith("]"):
        raise UrlKeyError("an entry carries no port, it matches any: write host/path")
    if fragment and not (path.strip("/") or query):
        raise UrlKeyError(
            "browsers do not send what follows #, and without it this is a whole site"
        )
    try:
        text = host_text(host, drop_common=True)
    except UrlKeyError as error:
        raise UrlKeyError(f"not a host: {error}") from None
    try:
        return text + folded(path_key(path or "/"), query and "?" + query_key(query[1:]))
    except UrlKeyError as error:
        raise UrlKeyError(f"not a path as a browser sends it: {error}") from None


def host_text(host: str, *, drop_common: bool = False) -> str:
    """Gives the text of a host: labels reversed, each with a dot; an address in brackets.

    Raises:
        UrlKeyError: it is no host.
    """
    name, is_address = classified_host(host)
    if is_address:
        return f"[{name}]."
    return reversed_name(without_common_label(name) if drop_common else name)


def request_text(key: UrlKey, bare: str) -> str:
    """Gives the text that a request is looked up by: its prefixes are the entries that match.

    Args:
        key: the request's; without a path it is looked up as the root of its host.
        bare: the host, see `without_common_label`.
    """
    if not key.path:
        rest = "/"
    elif key.query:
        rest = folded(key.path, "?" + key.query)
    else:
        rest = folded(key.path, "")
    return f"[{bare}].{rest}" if key.is_address else reversed_name(bare) + rest


def expression_text(key: UrlKey) -> str:
    """Gives the text that expressions are searched in: `host/path?query`, no scheme, no port."""
    text = key.host + (key.path or "/")
    return f"{text}?{key.query}" if key.query else text


def reversed_name(name: str) -> str:
    """Gives `com.example.` for `example.com`."""
    return ".".join(name.split(".")[::-1]) + "."


def without_common_label(host: str) -> str:
    """Gives a host name without a leading `www`, `web` or `ftp` with digits."""
    if host.startswith("www."):  # nearly all of those that have one
        bare = host[4:]
        return bare if "." in bare else host
    return _COMMON_HOST.sub("", host, count=1) if host[0] in "wf" else host


def folded(path: str, query: str) -> str:
    """Path and query as they are compared: one case, one slash, no needless escapes."""
    if "//" in path:
        path = _SLASHES.sub("/", path)
    return (path + canonical_escapes(query)).lower()
