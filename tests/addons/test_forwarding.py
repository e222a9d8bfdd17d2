"""What of a head is sent on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.heads import HEADS, Pairs, pairs

from proxy_addons.addons.fieldroles import DROPPED, ROLES
from proxy_addons.addons.forwarding import forward_fields


@pytest.mark.parametrize(
    ("given", "websocket", "left"),
    [
        (("Proxy-Authorization: hunter2", "Proxy-Connection: keep-alive", "X: 1"), False, "X: 1"),
        (("Connection: close", "Keep-Alive: timeout=5"), False, "Connection: close"),
        (("A: 1", "Connection: keep-alive", "B: 2"), False, "A: 1|Connection: keep-alive|B: 2"),
        (("Connection: keep-alive, X-Hop", "x-HOP: 1", "X: 1"), False,
         "Connection: keep-alive|X: 1"),
        (("X-Hop: 1", "Connection: X-Hop"), False, ""),
        (("X-Hop: 1", "A: 1", "Connection: close", "X-Two: 2", "Connection: X-Hop,x-two"), False,
         "A: 1|Connection: close"),
        (("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: x"), False, ""),
        (("Connection: Upgrade", "Upgrade: websocket"), True,
         "Connection: Upgrade|Upgrade: websocket"),
        (("Connection: Upgrade", "Upgrade: websocket"), False, ""),
        (("Upgrade: TLS/1.0",), False, ""),
        # Naming them must not take away what says where a request goes, and where it ends.
        (("Connection: Host, Content-Length, Transfer-Encoding, Via", "Host: a",
          "Content-Length: 1", "Via: 1.1 a"), False, "Host: a|Content-Length: 1|Via: 1.1 a"),
        (("Connection: ",), False, ""),
        (("Connection: , ,",), False, ""),
        (("Connection: connection, close",), False, "Connection: close"),
        (("Connection: Cookie", "Cookie: c"), False, ""),
        (("X-Forwarded-For: 10.0.0.1", "FORWARDED: for=10.0.0.1", "X-Real-IP: 10.0.0.1"), False,
         ""),
        (("X-Forwarded-Host: refused.test", "X-Original-URL: /refused"), False, ""),
        (("TE: trailers", "X-Forwarded-Fort: yes", "Authorization: Basic x"), False,
         "TE: trailers|X-Forwarded-Fort: yes|Authorization: Basic x"),
    ],
)  # fmt: skip
def test_what_stays_on_this_hop(given: tuple[str, ...], websocket: bool, left: str) -> None:
    expected = pairs(*left.split("|")) if left else []
    assert forward_fields(pairs(*given), websocket=websocket, via=None) == expected


@pytest.mark.parametrize(
    ("given", "left"),
    [
        (("A: 1", "host: b.test", "B: 2"), "A: 1|host: a.test:8080|B: 2"),
        (("A: 1",), "Host: a.test:8080|A: 1"),
    ],
)
def test_the_host_is_that_of_the_target(given: tuple[str, ...], left: str) -> None:
    sent = forward_fields(pairs(*given), websocket=False, via=None, host=b"a.test:8080")
    assert sent == pairs(*left.split("|"))


def test_via_is_added_to_what_others_said() -> None:
    sent = forward_fields(pairs("Via: 1.0 before", "A: 1"), websocket=False, via=b"1.1 we")
    assert sent == pairs("Via: 1.0 before", "A: 1", "Via: 1.1 we")


@given(HEADS, st.booleans())
def test_sending_on_what_is_sent_on_changes_nothing(fields: Pairs, websocket: bool) -> None:
    once = forward_fields(fields, websocket=websocket, via=None)
    assert forward_fields(once, websocket=websocket, via=None) == once


@given(HEADS, st.booleans())
def test_nothing_is_invented_and_the_order_stays(fields: Pairs, websocket: bool) -> None:
    ours = {b"connection"}
    sent = [
        f for f in forward_fields(fields, websocket=websocket, via=None) if f[0].lower() not in ours
    ]
    left = iter(fields)
    assert all(field in left for field in sent), "a subsequence of what came"
    gone = {n.lower() for n, r in ROLES.items() if r == DROPPED}
    assert not gone & {name.lower() for name, _ in sent}
