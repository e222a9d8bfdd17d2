"""The parent proxy's credentials (`network.upstream_proxy_credentials_env`).

In: requests and CONNECTs that go to the parent. Out: the same, with Proxy-Authorization.
Must never: send these credentials anywhere but to the parent.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mitmproxy.http import HTTPFlow

    from proxy_addons.addons.visitors import Visitors


def basic_login(credentials: str) -> bytes:
    """What `Proxy-Authorization` says (RFC 7617).

    Args:
        credentials: `user:password`.
    """
    return b"Basic " + base64.b64encode(credentials.encode())


class ParentCredentials:
    """Signs in at the parent proxy.

    Args:
        login: as `basic_login` makes it.
        visitors: tells requests inside a tunnel (which the parent does not read) from others.
    """

    def __init__(self, login: bytes, visitors: Visitors) -> None:
        self._header = login.decode("ascii")
        self._visitors = visitors

    def http_connect_upstream(self, flow: HTTPFlow) -> None:
        """A tunnel through the parent is about to be asked for."""
        flow.request.headers["Proxy-Authorization"] = self._header

    def requestheaders(self, flow: HTTPFlow) -> None:
        """A request in the clear goes to the parent as it is."""
        if flow.response is None and self._visitors[flow.client_conn].connect_host is None:
            flow.request.headers["Proxy-Authorization"] = self._header
