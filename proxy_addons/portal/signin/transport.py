"""Whether a request came a way on which a session may travel, and from where.

In: requests. Out: yes or no, the client's address, cookies as they must be set.
Must never: let a session or a password travel where others can read along.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import hdrs

from proxy_addons.portal.pac import host_of

if TYPE_CHECKING:
    from aiohttp import web

SESSION_COOKIE = "__Host-watchhouse"
FORM_COOKIE = "__Host-watchhouse-form"
PENDING_COOKIE = "__Host-watchhouse-oidc"
# The prefix binds a cookie to this host alone and to TLS (RFC 6265bis 4.1.3.2). Browsers count
# loopback as secure and keep it there over plain HTTP too (tests/portal/signin/ holds Chromium to
# that), so one name does for both.


def client_address(request: web.Request) -> str:
    """The address that the connection came from, for people and the lock-out; `?` if there is none.

    IPv6 clients change their address within a /64 at will (RFC 8981), so that is what they count
    as.
    """
    peer = request.get_extra_info("peername")
    try:
        address = ip_address(str(peer[0]).partition("%")[0])
    except (TypeError, IndexError, ValueError):
        # No TCP connection, or one that has just ended. Nobody gets an advantage by it: all such
        # share one name.
        return "?"
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        if mapped is not None:
            return str(mapped)
        if not address.is_loopback:
            return f"{IPv6Address(int(address) >> 64 << 64)}/64"
    return str(address)


def is_safe(request: web.Request) -> bool:
    """Whether nobody can read along: TLS to us, or a connection from this very machine."""
    if request.get_extra_info("ssl_object") is not None:
        return True
    try:
        return ip_address(client_address(request)).is_loopback
    except ValueError:
        # A network or nothing: not this machine. The request gets the page that says so.
        return False


def base_url(request: web.Request) -> str | None:
    """Scheme and authority at which the browser reached us; None where Host names nothing valid."""
    host = request.headers.get(hdrs.HOST)
    if host_of(host) is None:
        return None
    scheme = "https" if request.get_extra_info("ssl_object") is not None else "http"
    return f"{scheme}://{host}"


def is_own(request: web.Request) -> bool:
    """Whether a page of ours sent this POST, as far as the browser says.

    Every browser of today says `Sec-Fetch-Site`, and `Origin` with each POST. A client that says
    neither is none that a hostile page could be using.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site not in {"same-origin", "none"}:
        return False
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None:
        return True
    # The scheme is left out: a TLS end in front of us on this machine would change it.
    host = request.headers.get(hdrs.HOST, "")
    return bool(host) and urlsplit(origin).netloc.casefold() == host.casefold()


def came_from_elsewhere(request: web.Request) -> bool:
    """Whether another site's link led here, so that the browser kept our strict cookies back."""
    return request.headers.get("Sec-Fetch-Site") == "cross-site"


def set_cookie(
    response: web.StreamResponse, name: str, value: str, *, max_age: int | None = None
) -> None:
    """Set a cookie that scripts, other hosts and other sites' requests have no part in.

    Args:
        response: the answer.
        name: one of the names above.
        value: letters, digits, `-`, `_` and `.` only.
        max_age: seconds; None: until the browser ends.
    """
    response.set_cookie(
        name, value, path="/", secure=True, httponly=True, samesite="Strict", max_age=max_age
    )


def drop_cookie(response: web.StreamResponse, name: str) -> None:
    """Have the browser forget a cookie."""
    set_cookie(response, name, "", max_age=0)
