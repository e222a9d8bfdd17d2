"""X-Forwarded-For: the last address that no balancer has for its own, or nobody."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.gate.forwarded import ForwardedError, client_of, speaks_for_others

OURS = (ip_network("10.0.0.0/28"), ip_network("2001:db8:1::/64"))

CASES = [
    ("192.0.2.7", "192.0.2.7"),
    (" 192.0.2.7 ", "192.0.2.7"),
    ("192.0.2.7:4711", "192.0.2.7"),
    ("2001:DB8::7", "2001:db8::7"),
    ("[2001:db8::7]", "2001:db8::7"),
    ("[2001:db8::7]:4711", "2001:db8::7"),
    ("::ffff:192.0.2.7", "192.0.2.7"),
    ("192.0.2.7, 10.0.0.3", "192.0.2.7"),
    ("192.0.2.7, ::ffff:10.0.0.3", "192.0.2.7"),
    ("192.0.2.7, 2001:db8:1::3, 10.0.0.3", "192.0.2.7"),
    # What stands before it was written by the client.
    ("10.0.0.9, 127.0.0.1, 192.0.2.7", "192.0.2.7"),
    ("unknown, <script>, 192.0.2.7, 10.0.0.3", "192.0.2.7"),
]
REFUSED = [
    "", " ", ",", "192.0.2.7,", "unknown", "_hidden", "10.0.0.3", "10.0.0.3, 2001:db8:1::3",
    "192.0.2.7, nobody", "192.0.2.7, nobody, 10.0.0.3", "192.0.2.256", "192.0.2.7:", "1.2.3",
    "192.0.2.7:123456", "2001:db8::7%eth0", "[2001:db8::7", "192.0.2.07", "for=192.0.2.7",
    "192.0.2.7 192.0.2.8", "\u0661.2.3.4",
]  # fmt: skip


@pytest.mark.parametrize(("value", "client"), CASES)
def test_the_client(value: str, client: str) -> None:
    assert client_of(value, OURS) == client


@pytest.mark.parametrize("value", REFUSED)
def test_nobody(value: str) -> None:
    with pytest.raises(ForwardedError) as refused:
        client_of(value, OURS)
    assert not value.strip(" ,") or value not in str(refused.value)


@given(st.lists(st.ip_addresses().map(str)), st.ip_addresses(), st.text(max_size=40))
def test_nothing_that_a_client_sends_in_front_counts(
    hops: list[str], client: object, forged: str
) -> None:
    told = str(client)
    if speaks_for_others(told, OURS):
        told = "192.0.2.1"
    ours = [hop for hop in hops if speaks_for_others(hop, OURS)]
    said = client_of(", ".join([forged, told, *ours]), OURS)
    address = ip_address(told)
    mapped = getattr(address, "ipv4_mapped", None)
    assert said == str(mapped or address)


def test_whose_word_is_taken() -> None:
    assert speaks_for_others("10.0.0.15", OURS)
    assert speaks_for_others("::ffff:10.0.0.15", OURS)
    assert not speaks_for_others("10.0.0.16", OURS)
    assert not speaks_for_others("10.0.0.15", ())
    assert not speaks_for_others("/run/socket", OURS)
