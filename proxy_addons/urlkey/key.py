"""The URL key: the one spelling of a web address that everything in Watchhouse compares.

In: a URL, an authority or a host name, as a client wrote it.
Out: a frozen `UrlKey` (or a canonical host), or `UrlKeyError`.
Must never: guess. What cannot be given one meaning is an error, and its caller refuses the request.
"""

from __future__ import annotations

from typing import NamedTuple, override

DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class UrlKeyError(ValueError):
    """The address has no single meaning. The request in hand is refused.

    The message says what is wrong and how to put it right. It never repeats the address, which may
    carry a user name and password.
    """


class UrlKey(NamedTuple):
    """A web address in canonical form.

    A tuple, as one is made for every request: a frozen dataclass takes four times as long to make.

    Attributes:
        scheme: `http`, `https`, `ws` or `wss`; empty where only host and port are known.
        host: lower-case A-label name without trailing dot; IPv4 in dotted decimal; IPv6 compressed,
            without brackets (RFC 5952).
        port: 1 to 65535.
        path: begins with `/`; percent-encoding canonical, dot segments removed (RFC 3986 6.2.2);
            empty where only host and port are known.
        query: what follows `?`, without it; as written, but that anything outside printable ASCII
            is percent-encoded.
        is_address: whether `host` is an IPv4 or IPv6 address.
    """

    scheme: str
    host: str
    port: int
    path: str = ""
    query: str = ""
    is_address: bool = False

    @override
    def __str__(self) -> str:
        """The address in one canonical spelling; `host:port` where only these are known."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        if not self.scheme:
            return f"{host}:{self.port}"
        port = "" if self.port == DEFAULT_PORTS.get(self.scheme) else f":{self.port}"
        query = f"?{self.query}" if self.query else ""
        return f"{self.scheme}://{host}{port}{self.path}{query}"
