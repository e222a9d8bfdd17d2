"""What holds of every URL key, whatever is written."""

from __future__ import annotations

import contextlib
import re
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy_addons.urlkey import (
    UrlKey,
    UrlKeyError,
    authority_key,
    host_key,
    parse,
    path_key,
    query_key,
    request_key,
    url_key,
)

# No deadline: a slow machine is no fault of the code.
MANY = settings(max_examples=250, deadline=None)
SOME = settings(max_examples=100, deadline=None)

LABEL = re.compile(r"[a-z0-9_-]{1,63}")
PATH = re.compile(r"/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-F]{2})*")
QUERY = re.compile(r"[!\"$-~]*")

# Text out of the pieces that parsers trip over, so that arbitrary text often gets far.
PIECES = st.sampled_from(
    [
        *"abzAZ019-_.:/?#@\\[]%&=+;, \t\n\0\x7f",
        *("http://", "https://", "//", "..", "%2e", "%2E%2e", "%2f", "%00", "%", "xn--", "0x", "0"),
        *("example", "EXAMPLE", ".com", "127.0.0.1", "::1", "::ffff:1.2.3.4", "[::1]", "user:pw@"),
        *(
            "ü",
            "ß",
            "。",
            "\uff0e",
            "\uff11",
            "①",
            "\u200d",
            "\u0301",
            "℀",
            "א",
            "☃",
            "\ud800",
            "\udcff",
        ),
    ]
)
TEXT = st.one_of(
    st.text(max_size=60),
    st.lists(PIECES, max_size=14).map("".join),
    st.lists(PIECES, max_size=14).map(lambda pieces: "http://" + "".join(pieces)),
    st.binary(max_size=60).map(lambda octets: octets.decode("latin-1")),
    st.binary(max_size=60).map(
        lambda octets: "http://" + octets.decode("utf-8", "surrogateescape")
    ),
)
NAME = st.lists(
    st.from_regex(r"[a-z0-9_-]{1,20}", fullmatch=True).filter(lambda label: label[:4] != "xn--"),
    max_size=4,
).map(lambda labels: ".".join([*labels, "example"]))
ADDRESS = st.integers(0, 2**32 - 1)


def check_host(host: str, is_address: bool) -> None:
    if is_address:
        address = IPv6Address(host) if ":" in host else IPv4Address(host)
        assert str(address) == host
        return
    labels = host.split(".")
    assert len(host) <= 253
    assert all(LABEL.fullmatch(label) for label in labels)
    assert not re.fullmatch(r"[0-9]+|0x[0-9a-f]*", labels[-1])


def check_key(key: UrlKey) -> None:
    assert key.scheme in {"http", "https", "ws", "wss"}
    check_host(key.host, key.is_address)
    assert 1 <= key.port <= 65535
    assert PATH.fullmatch(key.path)
    assert not {".", ".."} & set(key.path.split("/"))
    assert QUERY.fullmatch(key.query)


@MANY
@given(TEXT)
@example("http://" + "a." * 126 + "a")
def test_any_text_is_a_key_of_strict_form_or_a_url_key_error(text: str) -> None:
    with contextlib.suppress(UrlKeyError):  # the only exception allowed
        key = url_key(text)
        check_key(key)
        assert url_key(str(key)) == key


ORDINARY = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["http://", "https://", "ws://", "wss://", "Http://", "ftp://", "http:/"]),
        st.one_of(NAME, st.text("a1.-_:xn@%A[", max_size=12), ADDRESS.map(str)),
        st.sampled_from(["", ":", ":80", ":0443", ":99999", ":8080", "@", "%41"]),
        st.text("/ab.;=~%2e-@:\\\u00fc ", max_size=12).map("/{}".format),
        st.one_of(
            st.just(""), st.text("?a=&#%'/.\u00fc ", max_size=12).map(lambda text: "?" + text)
        ),
    ),
)


def outcome_of(url: str, *, by_long: bool) -> UrlKey | str:
    try:
        if by_long:
            return parse._read_url(url, fragment_allowed=True)
        return url_key(url)
    except UrlKeyError as problem:
        return str(problem)


@MANY
@given(st.one_of(ORDINARY, TEXT))
@example("http://a.example/b/../c")
@example("http://a.example/.")
@example("http://a.example/b?c=d#e")
@example("http://a.example/b?")
@example("http://1.2/x@b.example")
@example("http://b.example/" + "a" * 65_519)
@example("http://b.example/" + "a" * 65_520)
def test_the_short_way_to_a_key_leads_where_the_long_one_does(url: str) -> None:
    assert outcome_of(url, by_long=False) == outcome_of(url, by_long=True)


@MANY
@given(TEXT)
def test_any_host_is_canonical_or_a_url_key_error(text: str) -> None:
    with contextlib.suppress(UrlKeyError):
        host = host_key(text)
        assert host_key(host) == host
        assert host_key(host.upper()) == host
        check_host(host, host != "" and (":" in host or host.replace(".", "").isdigit()))


@MANY
@given(TEXT, st.sampled_from([80, 443]))
def test_any_authority_is_host_and_port_or_a_url_key_error(text: str, default: int) -> None:
    with contextlib.suppress(UrlKeyError):
        host, port = authority_key(text, default)
        written = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        assert authority_key(written, default) == (host, port)


@MANY
@given(st.sampled_from(["http", "https", "WSS", "x"]), TEXT, TEXT)
def test_any_request_is_a_key_of_strict_form_or_a_url_key_error(
    scheme: str, authority: str, target: str
) -> None:
    with contextlib.suppress(UrlKeyError):
        check_key(request_key(scheme, authority, target))
    with contextlib.suppress(UrlKeyError):
        key = request_key("http", "example.com", "/" + target)
        check_key(key)
        assert key.host == "example.com"


@SOME
@given(NAME, st.randoms(use_true_random=False))
def test_case_percent_encoding_and_a_final_dot_change_nothing(name: str, random: object) -> None:
    choice = random.choice  # type: ignore[attr-defined]
    written = "".join(
        choice([character, character.upper(), f"%{ord(character):02x}", f"%{ord(character):02X}"])
        for character in name
    )
    assert host_key(written) == host_key(written + ".") == name


@SOME
@given(NAME)
def test_full_width_spelling_changes_nothing(name: str) -> None:
    assert host_key("".join(chr(ord(character) + 0xFEE0) for character in name)) == name


def spellings(address: int) -> list[str]:
    """Every shape of an IPv4 address that a browser reads: bases by number of parts."""
    octets = address.to_bytes(4, "big")
    found = []
    for parts in (1, 2, 3, 4):
        numbers = [*octets[: parts - 1], int.from_bytes(octets[parts - 1 :], "big")]
        bases = [[base] * 4 for base in ("{}", "0{:o}", "0x{:x}", "0X{:X}", "0x00{:x}")]
        bases.append(["0x{:x}", "0{:o}", "{}", "0x{:x}"])
        found += [".".join(map(str.format, base, numbers)) for base in bases]
    return found


@SOME
@given(ADDRESS)
@example(0)
@example(2**32 - 1)
def test_all_spellings_of_an_ipv4_address_are_one(address: int) -> None:
    canonical = str(IPv4Address(address))
    for written in spellings(address):
        assert host_key(written) == canonical, written
        assert host_key(written + ".") == canonical, written
    wide = "".join(chr(ord(character) + 0xFEE0) for character in canonical)
    assert host_key(wide) == canonical
    assert host_key(f"[::ffff:{canonical}]") == canonical
    assert (
        host_key(f"[64:ff9b::{address:x}]" if address < 65536 else f"[64:ff9b::{canonical}]")
        == canonical
    )


@SOME
@given(st.integers(2**32, 2**70))
def test_a_number_too_large_for_ipv4_is_an_error(number: int) -> None:
    for written in (str(number), f"0x{number:x}", f"0{number:o}", f"1.{number}"):
        with pytest.raises(UrlKeyError):
            host_key(written)


@SOME
@given(st.ip_addresses(v=6))
def test_all_spellings_of_an_ipv6_address_are_one(address: IPv6Address) -> None:
    canonical = host_key(str(address))
    assert host_key(address.exploded.upper()) == canonical
    assert host_key(f"[{address.exploded}]") == canonical


@MANY
@given(st.lists(PIECES, max_size=14).map(lambda pieces: "/" + "".join(pieces)))
def test_a_path_key_is_a_fixed_point(path: str) -> None:
    with contextlib.suppress(UrlKeyError):
        canonical = path_key(path)
        assert path_key(canonical) == canonical


@SOME
@given(st.text(max_size=40))
def test_a_query_key_is_a_fixed_point(query: str) -> None:
    with contextlib.suppress(UrlKeyError):
        canonical = query_key(query)
        assert query_key(canonical) == canonical


@SOME
@given(st.text("abcAZ09-._~/", max_size=20))
def test_percent_encoding_of_unreserved_characters_changes_nothing(text: str) -> None:
    encoded = "".join(c if c == "/" else f"%{ord(c):02x}" for c in text)
    assert path_key("/" + encoded) == path_key("/" + text)
