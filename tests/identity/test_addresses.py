from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy_addons.identity.addresses import AddressMap
from proxy_addons.policy.model import Person
from proxy_addons.settings.model import AddressEntry

NOBODY = Person(None, "unidentified", "withdrawn")


def people(*entries: tuple[str, str]) -> AddressMap:
    built = [AddressEntry(ip_network(net), name, f"profile-of-{name}") for net, name in entries]
    return AddressMap(built, "withdrawn")


DESKS = people(
    ("192.0.2.0/24", "office"),
    ("192.0.2.64/26", "room"),
    ("192.0.2.70", "sam"),
    ("2001:db8::/32", "six"),
    ("2001:db8::7", "seven"),
)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.1", "office"),
        ("192.0.2.64", "room"),
        ("192.0.2.127", "room"),
        ("192.0.2.128", "office"),
        ("192.0.2.70", "sam"),
        ("::ffff:192.0.2.70", "sam"),
        ("::ffff:c000:246", "sam"),
        ("2001:db8::7", "seven"),
        ("2001:0db8:0000::0008", "six"),
        ("2001:db8::7%eth0", "seven"),
    ],
)
def test_the_most_specific_network_wins(address: str, name: str):
    assert DESKS.person(address) == Person(name, "address", f"profile-of-{name}")


@pytest.mark.parametrize(
    "address",
    ["192.0.3.1", "2001:db9::", "::", "0.0.0.0", "::ffff:192.0.3.1", "::192.0.2.70", "", "sam",
     "192.0.2.70:8080", "192.0.2", "/run/socket"],
)  # fmt: skip
def test_who_is_not_known_gets_the_strictest_profile(address: str):
    assert DESKS.person(address) == NOBODY
    assert people().person(address) == NOBODY


def test_a_network_for_everybody():
    everybody = people(("0.0.0.0/0", "four"), ("::/0", "six"))
    assert everybody.person("198.51.100.1").name == "four"
    assert everybody.person("2001:db8::1").name == "six"
    assert everybody.person("::ffff:198.51.100.1").name == "four"


def test_the_same_network_twice_is_refused():
    with pytest.raises(ValueError, match="given twice"):
        people(("192.0.2.0/24", "a"), ("192.0.2.0/24", "b"))


# Few bits, so that networks contain one another often.
networks = st.builds(
    lambda bits, length: IPv4Network(((bits >> (8 - length) << (8 - length)) << 24, length)),
    st.integers(0, 255),
    st.integers(0, 8),
) | st.builds(
    lambda bits, length: IPv6Network(((bits >> (8 - length) << (8 - length)) << 120, length)),
    st.integers(0, 255),
    st.integers(0, 8),
)


@settings(deadline=None)
@given(
    st.lists(networks, unique=True, max_size=8),
    st.integers(0, 255).map(lambda n: str(ip_address(n << 24)))
    | st.integers(1, 255).map(lambda n: str(ip_address(n << 120))),
)
def test_the_same_as_looking_through_all_networks(
    known: list[IPv4Network | IPv6Network], address: str
):
    entries = [AddressEntry(network, str(network), "standard") for network in known]
    containing = [network for network in known if ip_address(address) in network]
    expected = str(max(containing, key=lambda network: network.prefixlen)) if containing else None
    assert AddressMap(entries, "withdrawn").person(address).name == expected
