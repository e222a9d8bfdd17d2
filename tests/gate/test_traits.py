"""Traits: what the form of a request says of it."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from proxy_addons.gate.facts import RequestFacts
from proxy_addons.gate.traits import traits_of
from proxy_addons.policy.model import TRAITS

# A query for www.example.com, type A (the example of RFC 8484 4.1.1), and an answer.
QUERY = bytes.fromhex("00000100000100000000000003777777076578616d706c6503636f6d0000010001")
ANSWER = QUERY[:2] + b"\x81\x80" + QUERY[4:]
DNS, WEBSOCKET = {"dns-over-https"}, {"websocket"}


def coded(message: bytes) -> str:
    return base64.urlsafe_b64encode(message).decode().rstrip("=")


@pytest.mark.parametrize(
    ("given", "traits"),
    [
        ({}, set()),
        ({"accept": "text/html, */*", "content_type": "application/json"}, set()),
        ({"accept": "application/dns-message"}, DNS),
        ({"accept": "text/html, Application/DNS-Message;q=0.5"}, DNS),
        ({"accept": "application/dns-json"}, DNS),
        ({"content_type": "application/dns-message"}, DNS),
        ({"content_type": "application/oblivious-dns-message"}, DNS),
        ({"path": f"/dns-query?dns={coded(QUERY)}"}, DNS),
        ({"path": f"/any/where?x=1&dns={coded(b'ID' + QUERY[2:])}&y=2"}, DNS),
        ({"path": f"/dns-query?dns={coded(ANSWER)}"}, set()),
        ({"path": f"/x?dns={coded(QUERY[:12])}"}, set()),
        ({"path": "/x?dns=8.8.8.8"}, set()),
        ({"path": "/x?dns=" + "a" * 25}, set()),
        ({"path": f"/x?adns={coded(QUERY)}"}, set()),
        ({"accept": "text/dns"}, set()),
        ({"upgrade": "websocket"}, WEBSOCKET),
        ({"upgrade": "h2c"}, set()),
        ({"upgrade": "websocket", "accept": "application/dns-message"}, DNS | WEBSOCKET),
    ],
)
def test_what_the_form_says(given: dict[str, Any], traits: set[str]) -> None:
    facts = RequestFacts(**({
        "method": "GET", "target_authority": "", "authority": "a.test", "authorities": 1,
        "path": "/",
    } | given))  # fmt: skip
    assert traits_of(facts) == traits
    assert traits <= TRAITS
