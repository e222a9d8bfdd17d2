"""Name resolution: a host to the addresses that may be connected to.

In: a canonical host. Out: numeric addresses, IPv6 and IPv4 as the system orders them.
Must never: block the event loop; remember a failure for long; decide which address is allowed
(the gate does, on what comes out here).
"""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cachetools import TTLCache
from mitmproxy_rs.dns import DnsResolver

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_REMEMBERED = 8192  # names
# Seconds an answer is used without asking again. The system's resolver does not pass the TTL on;
# this is short enough for fail-over, long enough that a page of 70 requests asks once.
_TTL = 30.0
# Seconds that a name counts as not there: a page that names a dead host seventy times asks once,
# and a host that has just come to be is found with the next reload.
_ABSENT = 3.0
_TIMEOUT = 10.0  # seconds for one look-up; a resolver that is dead must not hold a request longer
# Look-ups at once by way of the system, each in a thread that it blocks. They are the resolver's
# own: a dead name server must not hold up what else needs a thread (housekeeping, the log's end).
# Those that wait for the dead name server of one zone must leave some for all others.
_THREADS = 64


class ResolutionFailed(Exception):  # noqa: N818 - named as the outcome it is
    """The name has no address, or nobody answered. The request in hand gets a 502 page."""


class Resolver:
    """Resolves names, with a short memory.

    Args:
        dns_servers: numeric addresses of name servers to ask instead of the system's.
        clock: monotonic seconds.
    """

    def __init__(self, dns_servers: Sequence[str], clock: Callable[[], float]) -> None:
        self._known: TTLCache[str, tuple[str, ...]] = TTLCache(_REMEMBERED, _TTL, clock)
        self._absent: TTLCache[str, ResolutionFailed] = TTLCache(_REMEMBERED, _ABSENT, clock)
        self._asking: dict[str, asyncio.Future[tuple[str, ...]]] = {}
        self._resolver = DnsResolver(name_servers=list(dns_servers)) if dns_servers else None
        self._threads = ThreadPoolExecutor(_THREADS, "names")

    def known(self, host: str) -> tuple[str, ...] | None:
        """The addresses of a canonical host where nobody has to be asked for them."""
        if ":" in host or host.rpartition(".")[2].isdigit():
            return (str(ip_address(host)),)
        return self._known.get(host)

    async def addresses(self, host: str) -> tuple[str, ...]:
        """Addresses of a canonical host; a literal is its own.

        Raises:
            ResolutionFailed: when there is none.
        """
        if (known := self.known(host)) is not None:
            return known
        if (absent := self._absent.get(host)) is not None:
            raise ResolutionFailed(str(absent))
        if (asking := self._asking.get(host)) is None:
            # One look-up for all who ask at the same time.
            asking = asyncio.ensure_future(self._ask(host))
            self._asking[host] = asking
            asking.add_done_callback(lambda done: self._answered(host, done))
        return await asyncio.shield(asking)

    def _answered(self, host: str, done: asyncio.Future[tuple[str, ...]]) -> None:
        self._asking.pop(host, None)
        if done.cancelled():
            return
        if (problem := done.exception()) is None:
            self._known[host] = done.result()
        elif isinstance(problem, ResolutionFailed):
            self._absent[host] = problem

    async def _ask(self, host: str) -> tuple[str, ...]:
        try:
            async with asyncio.timeout(_TIMEOUT):
                if self._resolver is not None:
                    found = await self._resolver.lookup_ip(host)
                else:
                    look_up = partial(socket.getaddrinfo, host, None, type=socket.SOCK_STREAM)
                    infos = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
                    found = [str(info[4][0]) for info in infos]
        except TimeoutError as late:
            msg = f"no name server answered for {host} within {_TIMEOUT:.0f} s"
            raise ResolutionFailed(msg) from late
        except (OSError, UnicodeError) as problem:
            msg = f"the name {host} does not resolve"
            raise ResolutionFailed(msg) from problem
        addresses = tuple(dict.fromkeys(found))
        if not addresses:
            msg = f"the name {host} has no address"
            raise ResolutionFailed(msg)
        return addresses
