"""What was observed of one row: answers, how the connection ended, what an origin got.

In: bytes that came back. Out: plain values. Must never: judge them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ORIGIN_FIELD = "x-watchhouse-origin"
"""A header by which answers of our own origin (origin.py) are known."""

# As the page has it (gate/blockpage.py): in HTML, or in plain text.
_REFERENCE = re.compile(
    r'(?:class="ref"><span>|^Reference: )([0-9A-Za-z-]+)(?:</span>|$)', re.MULTILINE
)
_RULE = re.compile(r'details="rule ([^"]+)"')
_DETAILS = re.compile(r'details="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer.

    Attributes:
        status: its code; 0 for a stream of HTTP/2 that was reset.
        fields: by lower-case name; of repeated ones the last.
        body: as it came, chunks put together.
    """

    status: int
    fields: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)

    @property
    def by_gateway(self) -> bool:
        """Whether Watchhouse says that the answer is its own (RFC 9209)."""
        return self.fields.get("proxy-status", "").startswith("watchhouse")

    @property
    def by_origin(self) -> bool:
        """Whether our own origin gave it."""
        return ORIGIN_FIELD in self.fields

    @property
    def rule(self) -> str:
        """The rule of the policy that refused it, where one did."""
        found = _RULE.search(self.fields.get("proxy-status", ""))
        return found[1] if found else ""

    @property
    def reference(self) -> str:
        """The reference number on it, if any."""
        text = self.body.decode("utf-8", "replace")
        if text.startswith("{"):
            try:
                return str(json.loads(text).get("reference") or "")
            except ValueError:
                # Not a page of ours: it has no number.
                return ""
        found = _REFERENCE.search(text)
        return found[1] if found else ""

    def __str__(self) -> str:
        if self.by_origin:
            return f"{self.status} from the origin"
        if not self.by_gateway:
            return f"{self.status} from elsewhere" if self.status else "stream reset"
        if self.rule:
            return f"{self.status} by rule {self.rule}"
        found = _DETAILS.search(self.fields.get("proxy-status", ""))
        return f"{self.status}, {found[1]}" if found else str(self.status)


@dataclass(slots=True)
class Observed:
    """What came of one row.

    Attributes:
        ports: local ports that it was sent from.
        tunnel: the answer to CONNECT, where there was one.
        tls: why TLS inside the tunnel did not come about; empty where it did or was not tried.
        alpn: what was agreed on inside TLS.
        answers: in order.
        rest: bytes that are no answer.
        ended: whether the proxy closed the connection.
        silent: whether it neither answered nor closed in time.
        origin: what our origin got, connection by connection; None where there is none.
        requests: how many requests it got.
        records: closing records of the access log for these ports; None where they are not known.
    """

    ports: list[int] = field(default_factory=list)
    tunnel: Answer | None = None
    tls: str = ""
    alpn: str = ""
    answers: Sequence[Answer] = ()
    rest: bytes = b""
    ended: bool = False
    silent: bool = False
    origin: list[bytes] | None = None
    requests: int = 0
    records: list[Mapping[str, object]] | None = None

    @property
    def said(self) -> str:
        """In a few words."""
        parts = []
        if self.tunnel is not None and self.tunnel.status != 200:
            return f"CONNECT: {self.tunnel}"
        if self.tls:
            parts.append(f"TLS: {self.tls}")
        parts += map(str, self.answers)
        if self.rest:
            parts.append(f"{len(self.rest)} bytes that are no answer")
        if not parts:
            parts.append("closed" if self.ended else "silence")
        return "; ".join(parts)


def answers_in(data: bytes, methods: Sequence[str], *, ended: bool) -> tuple[list[Answer], bytes]:
    """The complete answers in what came, and the rest.

    Args:
        data: what came.
        methods: of the requests, in order (an answer to HEAD has no body); those beyond are GET.
        ended: whether nothing more will come.
    """
    found: list[Answer] = []
    while data:
        head, end, rest = data.partition(b"\r\n\r\n")
        line, *lines = head.decode("latin-1").split("\r\n")
        match = re.match(r"HTTP/1\.[01] ([0-9]{3})(?: |$)", line)
        if not end or match is None:
            break
        fields = {}
        for each in lines:
            name, _, value = each.partition(":")
            fields[name.strip().lower()] = value.strip()
        status = int(match[1])
        if 100 <= status < 200 and status != 101:
            data = rest
            continue
        method = methods[len(found)] if len(found) < len(methods) else "GET"
        body = _body(method, status, fields, rest, ended=ended)
        if body is None:
            break
        content, data = body
        found.append(Answer(status, fields, content))
    return found, data


def _body(
    method: str, status: int, fields: Mapping[str, str], rest: bytes, *, ended: bool
) -> tuple[bytes, bytes] | None:
    """The body and what follows; None while it is not complete."""
    if method == "HEAD" or status in {101, 204, 304} or (method == "CONNECT" and status == 200):
        return b"", rest
    if "chunked" in fields.get("transfer-encoding", "").lower():
        return chunks_in(rest)
    if (length := fields.get("content-length", "")).isdecimal():
        size = int(length)
        return (rest[:size], rest[size:]) if len(rest) >= size else None
    return (rest, b"") if ended else None


def chunks_in(data: bytes) -> tuple[bytes, bytes] | None:
    """A chunked body, read leniently, and what follows; None while it is not complete."""
    body = b""
    while True:
        line, end, data = data.partition(b"\n")
        match = re.match(rb"\s*([0-9A-Fa-f]+)", line)
        if not end or match is None:
            return None
        size = int(match[1], 16)
        if size == 0:
            while True:
                line, end, data = data.partition(b"\n")
                if not end:
                    return None
                if not line.strip():
                    return body, data
        if len(data) < size + 1:
            return None
        body, data = body + data[:size], data[size:].removeprefix(b"\r").removeprefix(b"\n")
