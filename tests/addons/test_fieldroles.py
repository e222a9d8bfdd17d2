"""What each field is to us."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.addons import fieldroles
from proxy_addons.addons.forwarding import forward_fields
from proxy_addons.addons.heads import fault_of_head

if TYPE_CHECKING:
    import pytest


def test_invented_names_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fieldroles, "_known", {})
    monkeypatch.setattr(fieldroles, "_REMEMBERED", 3)
    fields = [(b"X-%d" % number, b"") for number in range(9)] + [(b"X-Real-Ip", b"1")]
    assert fault_of_head(b"GET", b"HTTP/1.0", fields) is None
    assert forward_fields(fields, websocket=False, via=None) == fields[:-1]
    assert len(fieldroles._known) == 3
    assert fault_of_head(b"GET", b"HTTP/1.1", [*fields, (b"a b", b"")]) == "invalid header name"
