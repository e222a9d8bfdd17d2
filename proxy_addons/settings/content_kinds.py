"""Kinds of value that name scanners.

In: a node of the configuration. Out: a typed value, or None with the problem reported.
Must never: resolve a name, or contact anybody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy_addons.settings.kinds import text_of
from proxy_addons.settings.netkinds import Address, render
from proxy_addons.settings.problems import quoted

if TYPE_CHECKING:
    from proxy_addons.settings.problems import Report
    from proxy_addons.settings.tree import Node

UNIX = "unix:"
_LONGEST_PATH = 107  # bytes of the path of a Unix socket (unix(7)), without the zero at its end
ICAP = "icap://"
ICAP_PORT = 1344  # RFC 3507 4.2
_SERVICE = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*")


@dataclass(frozen=True, slots=True)
class ClamdServer:
    """Where a clamd listens."""

    wanted: str = "unix:/path of a socket, or host:port, an IPv6 address in brackets"

    def read(self, node: Node, key: str, report: Report) -> str | None:
        """See `Kind.read`. The value is as written, the port and host in canonical form."""
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        if text.startswith(UNIX):
            path = text.removeprefix(UNIX)
            if path.startswith("/") and path.isprintable() and len(path.encode()) <= _LONGEST_PATH:
                return text
            what = f"found {quoted(text)}, whose path is not absolute, or longer than"
            message = f"{what} {_LONGEST_PATH} bytes; wanted {self.wanted}"
            report.add(node.place, key, message)
            return None
        try:
            return render(Address().parse(text))
        except ValueError as problem:
            # Not an address: reported, and the whole configuration is refused with it.
            hint = f"; did you mean {UNIX}{text}?" if text.startswith("/") else ""
            message = f"found {quoted(text)}, {problem}; wanted {self.wanted}{hint}"
            report.add(node.place, key, message)
            return None


@dataclass(frozen=True, slots=True)
class IcapUrl:
    """A service of an ICAP server (RFC 3507 4.2)."""

    wanted: str = "icap://host[:port]/service"

    def read(self, node: Node, key: str, report: Report) -> str | None:
        """See `Kind.read`. The value has its port."""
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        if not text.startswith(ICAP):
            report.add(node.place, key, f"found {quoted(text)}; wanted {self.wanted}")
            return None
        authority, slash, service = text.removeprefix(ICAP).partition("/")
        try:
            address = render(Address(default_port=ICAP_PORT).parse(authority))
        except ValueError as problem:
            # Not an address: reported, and the whole configuration is refused with it.
            message = f"found {quoted(text)}, {problem}; wanted {self.wanted}"
            report.add(node.place, key, message)
            return None
        if not service or _SERVICE.fullmatch(slash + service) is None:
            message = f"found {quoted(text)}, which names no service; wanted {self.wanted}"
            report.add(node.place, key, message)
            return None
        return f"{ICAP}{address}/{service}"
