"""The URL key: the one spelling of a web address that everything in Watchhouse compares.

In: a URL, an authority or a host name, as a client wrote it.
Out: a frozen `UrlKey` (or a canonical host), or `UrlKeyError`.
Must never: guess. What cannot be given one meaning is an error, and its caller refuses the request.
"""

from __future__ import annotations

from dataclasses import dataclass


class UrlKeyError(ValueError):
    """The address has no single meaning. The request in hand is refused."""


@dataclass(frozen=True, slots=True)
class UrlKey:
    """A web address in canonical form.

    Attributes:
        scheme: `http`, `https`, `ws` or `wss`, lower case; empty where only host and port are known.
        host: lower-case A-label name without trailing dot; IPv4 in dotted decimal; IPv6 compressed,
            without brackets (RFC 5952).
        port: 1 to 65535.
        path: begins with `/`; percent-encoding canonical, dot segments removed (RFC 3986 6.2.2);
            empty where only host and port are known.
        query: what follows `?`, without it; as written.
        is_address: whether `host` is an IPv4 or IPv6 address.
    """

    scheme: str
    host: str
    port: int
    path: str = ""
    query: str = ""
    is_address: bool = False
