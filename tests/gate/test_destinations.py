"""Addresses that must not be connected to, in every spelling."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.gate.destinations import Destinations, embedded_ipv4, is_local
from proxy_addons.settings.model import Endpoint
from proxy_addons.settings.table import DENIED_DESTINATIONS
from proxy_addons.urlkey import UrlKey, UrlKeyError, host_key

if TYPE_CHECKING:
    from collections.abc import Callable

DENIED = [ip_network(str(each)) for each in DENIED_DESTINATIONS]
INTRANET = [ip_network("10.20.0.0/16"), ip_network("fd00:1::/32")]


@pytest.fixture(scope="module")
def destinations() -> Destinations:
    return Destinations(DENIED, INTRANET)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1",
        "169.254.169.254", "100.64.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "240.0.0.1",
        "198.18.0.1", "168.63.129.16", "192.0.0.192",
        "::", "::1", "fe80::1", "fe80::1%2", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1",
        # IPv4 addresses inside IPv6 ones: mapped, well-known and local NAT64, 6to4, compatible.
        "::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "64:ff9b::7f00:1", "64:ff9b::169.254.169.254",
        "64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "::127.0.0.1",
        # IPv4-translated, and Teredo, which hides the client's address by inverting its bits.
        "::ffff:0:127.0.0.1", "2001:0:4136:e378:8000:63bf:80ff:fffe", "2001::1",
    ],
)  # fmt: skip
def test_inside_addresses_are_refused(destinations: Destinations, address: str) -> None:
    why = destinations.refusal(address, 443)
    assert why is not None
    assert address in why
    assert "network.deny_destinations" in why


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "172.32.0.1", "172.15.255.255", "11.0.0.0", "9.255.255.255", "128.0.0.1",
     "169.253.255.255", "100.128.0.1", "223.255.255.255", "192.0.2.1",
     "2001:db8::1", "2606:4700::1111", "2001:1::1", "::ffff:8.8.8.8",
     "::ffff:0:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"],
)  # fmt: skip
def test_outside_addresses_pass(destinations: Destinations, address: str) -> None:
    assert destinations.refusal(address, 443) is None


@pytest.mark.parametrize(
    "address",
    ["10.20.0.1", "10.20.255.255", "::ffff:10.20.0.1", "64:ff9b::10.20.0.1", "fd00:1::1"],
)
def test_the_intranet_passes(destinations: Destinations, address: str) -> None:
    assert destinations.refusal(address, 443) is None


@pytest.mark.parametrize("address", ["10.19.255.255", "10.21.0.0", "::ffff:10.21.0.0", "fd00:2::"])
def test_next_to_the_intranet_is_not_the_intranet(destinations: Destinations, address: str) -> None:
    assert destinations.refusal(address, 443) is not None


@pytest.mark.parametrize(
    "text", ["", "localhost", "127.1", "0x7f000001", "2130706433", "[::1]", "8.8.8.8 ", "8.8.8.8.8"]
)
def test_what_is_no_address_is_refused(destinations: Destinations, text: str) -> None:
    assert "is not an address" in (destinations.refusal(text, 443) or "")


@pytest.mark.parametrize(
    "spelling",
    ["127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1",
     "017700000001", "127.0.0.1.", "\uff11\uff12\uff17.0.0.1", "127\u30020.0.1", "[::1]",
     "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:0:0:1]", "[64:ff9b::127.0.0.1]",
     "%31%32%37.0.0.1"],
)  # fmt: skip
def test_loopback_in_every_spelling_that_a_url_may_have(
    destinations: Destinations, spelling: str
) -> None:
    """What the gate hands over is the canonical host of urlkey/."""
    assert destinations.refusal(host_key(spelling), 443) is not None


@given(st.integers(0, 2**32 - 1))
def test_an_address_is_judged_alike_however_it_is_wrapped(number: int) -> None:
    plain = IPv4Address(number)
    destinations = Destinations(DENIED, INTRANET)
    refused = destinations.refusal(str(plain), 443) is not None
    packed = plain.packed
    for wrapped in (
        IPv6Address(bytes(10) + b"\xff\xff" + packed),
        IPv6Address(bytes.fromhex("0064ff9b0000000000000000") + packed),
        IPv6Address(b"\x20\x02" + packed + bytes(10)),
    ):
        assert embedded_ipv4(wrapped) == plain
        assert (destinations.refusal(str(wrapped), 443) is not None) == refused, wrapped


@given(st.ip_addresses())
def test_only_what_a_network_holds_is_refused(address: IPv4Address | IPv6Address) -> None:
    refused = Destinations(DENIED, INTRANET).refusal(str(address), 443) is not None
    forms = {address, embedded_ipv4(address)}
    assert refused == any(
        any(form in network for network in DENIED)
        and not any(form in network for network in INTRANET)
        for form in forms
    )


@given(st.text(max_size=30))
def test_any_text_is_answered(text: str) -> None:
    why = Destinations(DENIED, INTRANET, [Endpoint("0.0.0.0", 8080)]).refusal(text, 8080)
    try:
        ip_address(text)
    except ValueError:
        assert why is not None


def test_an_answer_that_is_remembered_is_the_same(destinations: Destinations) -> None:
    for _ in range(2):
        assert destinations.refusal("10.0.0.1", 80) == destinations.refusal("10.0.0.1", 443)
        assert destinations.refusal("8.8.8.8", 80) is None


# --- the gateway itself -----------------------------------------------------------------------


def listening(*own: tuple[str, int]) -> Callable[[str, int], str | None]:
    """A check that denies nothing but the gateway's own listeners."""
    local = {"192.0.2.1", "2001:db8::1", "127.0.0.1", "::1"}
    endpoints = [Endpoint(host, port) for host, port in own]
    return Destinations((), (), endpoints, local=local.__contains__).refusal


@pytest.mark.parametrize(
    ("own", "address", "port", "loop"),
    [
        ("192.0.2.1", "192.0.2.1", 8080, True),
        ("192.0.2.1", "192.0.2.1", 8081, False),
        ("192.0.2.1", "192.0.2.2", 8080, False),
        ("192.0.2.1", "::ffff:192.0.2.1", 8080, True),
        ("192.0.2.1", "64:ff9b::192.0.2.1", 8080, True),
        ("192.0.2.1", "0.0.0.0", 8080, True),
        ("192.0.2.1", "::", 8080, True),
        ("2001:db8::1", "2001:db8:0::1", 8080, True),
        ("0.0.0.0", "192.0.2.1", 8080, True),
        ("0.0.0.0", "::ffff:192.0.2.1", 8080, True),
        ("0.0.0.0", "127.0.0.1", 8080, True),
        ("0.0.0.0", "198.51.100.1", 8080, False),
        ("0.0.0.0", "192.0.2.1", 443, False),
        ("::", "2001:db8::1", 8080, True),
        ("::", "2001:db8::2", 8080, False),
        ("127.0.0.1", "192.0.2.1", 8080, False),
    ],
)
def test_the_gateway_does_not_connect_to_itself(
    own: str, address: str, port: int, *, loop: bool
) -> None:
    why = listening((own, 8080))(address, port)
    assert (why is not None) == loop
    assert why is None or "this gateway itself" in why


def test_the_intranet_is_no_way_round() -> None:
    """An operator who lists the gateway's network as intranet does not allow a loop."""
    check = Destinations(DENIED, [ip_network("0.0.0.0/0")], [Endpoint("10.0.0.1", 8080)])
    assert check.refusal("10.0.0.1", 8080) is not None
    assert check.refusal("10.0.0.1", 8081) is None


@pytest.mark.parametrize(
    ("address", "here"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("192.0.2.77", False),
     ("2001:db8::77", False), ("8.8.8.8", False)],
)  # fmt: skip
def test_which_addresses_are_this_machines(address: str, here: bool) -> None:
    assert is_local(address) is here


def test_the_key_refuses_what_the_check_could_not_read() -> None:
    for odd in ("127.0.0.1.1", "1.2.3.256", "[fe80::1%2]", "[::1"):
        with pytest.raises(UrlKeyError):
            host_key(odd)


@pytest.mark.parametrize(
    ("host", "refused"),
    [
        ("localhost", True),
        ("a.b.localhost", True),
        ("127.0.0.1", True),
        ("192.0.2.1", False),
        ("localhost.example", False),
        ("notlocalhost", False),
    ],
)
def test_a_machines_own_name_is_refused_before_it_is_resolved(
    host: str, refused: bool, destinations: Destinations
) -> None:
    key = UrlKey("http", host, 80, is_address=host[0].isdigit())
    assert (destinations.refusal_of(key) is not None) is refused
