"""Where bodies of HTTP/1 end: read strictly in chunks, said of what HTTP/2 says by its frames.

In: bytes of a body in chunks; a request that is to be sent. Out: what h11 makes of them; its head.
Must never: read without end; let a server take a body for a request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h11

if TYPE_CHECKING:
    from h11._readers import ChunkedReader
    from mitmproxy.http import Request

_CHUNK_LIMIT = 1 << 62  # bytes: larger sizes overflow in other readers


class InChunks:
    """Reads a chunked body; passes over trailer fields, which RFC 9110 6.5.1 allows.

    mitmproxy raises for trailers in HTTP/1, and has no limit on the line of a chunk.
    """

    def __init__(self, reader: ChunkedReader, limit: int) -> None:
        self._reader = reader
        self._limit = limit

    def __call__(self, buffer: Any) -> Any:
        """The next of h11's events; None: it has not come whole.

        Raises:
            h11.RemoteProtocolError: it cannot be read.
        """
        event = self._reader(buffer)
        if event is None and len(buffer) > self._limit:
            msg = "a chunk's head without end"
            raise h11.RemoteProtocolError(msg)
        if self._reader._bytes_in_chunk > _CHUNK_LIMIT:  # noqa: SLF001 - h11 does not tell otherwise
            msg = "a chunk larger than anything"
            raise h11.RemoteProtocolError(msg)
        return h11.EndOfMessage() if isinstance(event, h11.EndOfMessage) else event

    def read_eof(self) -> Any:
        """The connection has ended; as h11's."""
        return self._reader.read_eof()


def frame(request: Request) -> None:
    """Say where a request's body ends (RFC 9112 6.3).

    HTTP/2 says so by its frames. mitmproxy sends such a body as it is, and the server takes it for
    the next request: one that nobody has judged.
    """
    if request.is_http2 and "content-length" not in request.headers:
        request.headers["Transfer-Encoding"] = "chunked"
