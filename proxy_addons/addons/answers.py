"""A page of the gate as a mitmproxy response.

In: gate.refusal.Answer. Out: mitmproxy.http.Response.
Must never: change what the page says.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mitmproxy import http

if TYPE_CHECKING:
    from proxy_addons.gate.refusal import Answer


def response_of(answer: Answer, *, with_body: bool = True, close: bool = False) -> http.Response:
    """The response that carries an answer.

    Args:
        answer: status, headers and body.
        with_body: False for the answer to HEAD: the same head, no body (RFC 9110 9.3.2).
        close: whether the connection ends with it.
    """
    fields = [(name.encode(), value.encode("latin-1", "replace")) for name, value in answer.headers]
    fields.append((b"Content-Length", str(len(answer.body)).encode()))
    if close:
        fields.append((b"Connection", b"close"))
    now = time.time()
    return http.Response(
        http_version=b"HTTP/1.1",
        status_code=answer.status,
        reason=answer.phrase.encode("ascii") or _REASONS.get(answer.status, b""),
        headers=http.Headers(fields),
        content=answer.body if with_body else b"",
        trailers=None,
        timestamp_start=now,
        timestamp_end=now,
    )


_REASONS = {
    400: b"Bad Request",
    403: b"Forbidden",
    407: b"Proxy Authentication Required",
    502: b"Bad Gateway",
    503: b"Service Unavailable",
    504: b"Gateway Timeout",
    508: b"Loop Detected",
}
