"""From a URL, an authority or a request line to its key.

In: `url_key`: an absolute URL. `authority_key`: what CONNECT, Host and :authority carry.
`request_key`: scheme, authority and target of one request.
Out: a `UrlKey` (or canonical host and port), or `UrlKeyError`.
Must never: repeat its input in an error (it may hold a password), or pass over a part it does not
understand.
"""

from __future__ import annotations

import re
from functools import lru_cache

from proxy_addons.urlkey.host import canonical_host
from proxy_addons.urlkey.key import DEFAULT_PORTS, UrlKey, UrlKeyError
from proxy_addons.urlkey.path import PLAIN_PATH, PLAIN_QUERY, path_key, query_key

MAX_URL = 65_536  # octets. Browsers and servers stop far below; what is longer is refused, not cut.

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#\\]*)([^?#]*)(?:\?([^#]*))?(#.*)?", re.DOTALL)
# What nearly all URLs are. Each part is within what _URL, path_key and query_key take as it is, so
# that one look gives what they would; the host is read as any other.
_ORDINARY = re.compile(
    rf"(https?|wss?)://([a-z0-9._:-]+)({PLAIN_PATH})(?:\?({PLAIN_QUERY}))?", re.ASCII
)
_CACHED_LENGTH = 255  # longer authorities are hostile or rare: not worth memory in the cache
_PORT = re.compile(r"[0-9]*", re.ASCII)


def url_key(url: str) -> UrlKey:
    """Gives the key of an absolute http, https, ws or wss URL.

    User name and password are dropped, the fragment (which no browser sends) too.

    Raises:
        UrlKeyError: when the URL has no single meaning or is longer than 64 KiB.
    """
    return _url_key(url, fragment_allowed=True)


def authority_key(authority: str, default_port: int) -> tuple[str, int]:
    """Gives canonical host and port of `host[:port]`; an IPv6 host stands in brackets.

    Args:
        authority: as in CONNECT, Host or :authority.
        default_port: the port where none is written.

    Raises:
        UrlKeyError: when it has no single meaning, or carries a user name.
    """
    if "@" in authority:
        raise UrlKeyError("the authority carries a user name: write host or host:port only")
    host, port, _ = _host_and_port(authority, default_port)
    return host, port


def request_key(scheme: str, authority: str, target: str) -> UrlKey:
    """Gives the key of one request.

    Args:
        scheme: `http`, `https`, `ws` or `wss`: how the connection carries it.
        authority: Host or :authority; not used where the target is an absolute URL
            (RFC 9112 3.2.2), which the caller compares with it.
        target: the request target: origin-form (`/path?query`), absolute-form (a URL), or `*`
            (OPTIONS, the server as a whole: its key is that of `/`).

    Raises:
        UrlKeyError: when it has no single meaning. A fragment is one: servers differ on it.
    """
    if not target.startswith("/"):
        if target != "*":
            return _url_key(target, fragment_allowed=False)
        target = "/"
    _check_length(target, authority)
    scheme = scheme.lower()
    default_port = _default_port(scheme)
    if "@" in authority:
        raise UrlKeyError("the authority carries a user name: write host or host:port only")
    host, port, is_address = _host_and_port(authority, default_port)
    if "#" in target:
        raise UrlKeyError("the request target contains #: write %23")
    path, _, query = target.partition("?")
    return UrlKey(scheme, host, port, path_key(path), query_key(query), is_address)


def _url_key(url: str, *, fragment_allowed: bool) -> UrlKey:
    ordinary = _ORDINARY.fullmatch(url) if len(url) <= MAX_URL and "/." not in url else None
    if ordinary is not None:
        scheme, authority, path, query = ordinary.groups()
        host, port, is_address = _host_and_port(authority, DEFAULT_PORTS[scheme])
        return UrlKey(scheme, host, port, path, query or "", is_address)
    return _read_url(url, fragment_allowed=fragment_allowed)


def _read_url(url: str, *, fragment_allowed: bool) -> UrlKey:
    """The key of any URL. What `_url_key` answers by a shorter way must be what this answers."""
    _check_length(url, "")
    parts = _URL.fullmatch(url)
    if parts is None:
        raise UrlKeyError("not an absolute URL: write scheme://host/path")
    scheme, authority, path, query, fragment = parts.groups()
    if fragment and not fragment_allowed:
        raise UrlKeyError("the request target contains #: write %23")
    scheme = scheme.lower()
    default_port = _default_port(scheme)
    if "@" in authority:
        user, _, authority = authority.rpartition("@")
        if "@" in user:
            raise UrlKeyError("the URL has more than one @ before its path: write %40 in the user")
    host, port, is_address = _host_and_port(authority, default_port)
    return UrlKey(
        scheme, host, port, path_key(path or "/"), query_key(query) if query else "", is_address
    )


def _check_length(text: str, more: str) -> None:
    octets = len(text) + len(more)
    if octets <= MAX_URL and not text.isascii():
        octets = len(text.encode("utf-8", "surrogatepass")) + len(more)
    if octets > MAX_URL:
        raise UrlKeyError(f"the URL is longer than {MAX_URL} octets")


def _default_port(scheme: str) -> int:
    port = DEFAULT_PORTS.get(scheme)
    if port is None:
        raise UrlKeyError("the scheme is not one of http, https, ws, wss")
    return port


def _host_and_port(authority: str, default_port: int) -> tuple[str, int, bool]:
    if len(authority) <= _CACHED_LENGTH:
        return _known_host_and_port(authority, default_port)
    return _read_host_and_port(authority, default_port)


def _read_host_and_port(authority: str, default_port: int) -> tuple[str, int, bool]:
    host, port = authority, ""
    if ":" in authority and not authority.endswith("]"):
        host, _, port = authority.rpartition(":")
        if ":" in host and not host.startswith("["):
            raise UrlKeyError("the host has more than one colon: write an IPv6 address as [IPv6]")
    canonical, is_address = canonical_host(host)  # its own memory would be a second one
    return canonical, _port(port) if port else default_port, is_address


# The same few hosts are asked for again and again.
_known_host_and_port = lru_cache(maxsize=8192)(_read_host_and_port)


def _port(port: str) -> int:
    digits = port.lstrip("0")
    if not _PORT.fullmatch(port) or not 1 <= len(digits) <= 5 or int(digits) > 65_535:
        raise UrlKeyError("the port is not a number from 1 to 65535")
    return int(digits)
