"""Lines of Squid's: what is one, how octets become lines, what an answer may hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.gate.redirector.answers import Refused, leads, passes, redirect_of
from proxy_addons.gate.redirector.lines import LONGEST, Asked, Feed, TooLong, channel_of, read


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("http://a/ 10.0.0.1/- - GET", Asked("http://a/", "10.0.0.1", "", "", "GET")),
        (
            "http://a/ 10.0.0.1/pc.example Sample%5CBob get myip=1 myport=2",
            Asked("http://a/", "10.0.0.1", "pc.example", "Sample\\Bob", "GET"),
        ),
        ("a:443\t10.0.0.1/-  -  CONNECT", Asked("a:443", "10.0.0.1", "", "", "CONNECT")),
        ("http://a/ ::1 b%C3%BCrger GET", Asked("http://a/", "::1", "", "bürger", "GET")),
        ("http://\xc3\xbc/ - - GET", Asked("http://ü/", "-", "", "", "GET")),
    ],
)
def test_the_fields_of_a_line(line: str, asked: Asked) -> None:
    assert read(line) == asked


@pytest.mark.parametrize(
    "line",
    [
        *("", " ", "http://a/", "http://a/ 10.0.0.1/- -", "http://a/ 10.0.0.1/- - G=T"),
        *("http://a/\0 10.0.0.1/- - GET", "http://a/ 10.0.0.1/- \x1b[2J GET"),
        *("http://\xff/ 10.0.0.1/- - GET", "http://a/ 10.0.0.1/- %FF GET"),
    ],
)
def test_what_is_no_line(line: str) -> None:
    assert read(line) is None


def test_the_channel() -> None:
    assert [
        channel_of(line) for line in ("0 http://a/", "12\tx", "12", "x 1", "12345678901 x")
    ] == [
        "0",
        "12",
        "",
        "",
        "",
    ]


def test_what_is_too_long_is_told_and_the_next_line_is_read() -> None:
    feed = Feed()
    assert feed.feed(b"a\n7 " + b"x" * LONGEST) == ["a", TooLong("7 " + "x" * 62)]
    assert feed.feed(b"x" * 10) == []
    assert feed.feed(b"x\nb\nc") == ["b"]
    assert feed.feed(b"x" * LONGEST + b"\n\n") == [TooLong("c" + "x" * 63), ""]
    assert feed.feed(b"d\r\n") == ["d"]
    assert feed.feed(b"e") == []
    assert feed.end() == ["e"]
    assert feed.end() == []


@given(st.lists(st.binary(max_size=20)), st.data())
def test_lines_are_the_same_wherever_they_are_cut(lines: list[bytes], data: st.DataObject) -> None:
    octets = b"\n".join(lines)
    feed, place, found = Feed(), 0, []
    while place < len(octets):
        size = data.draw(st.integers(1, len(octets) - place))
        found += feed.feed(octets[place : place + size])
        place += size
    found += feed.end()
    expected = octets.decode("latin-1").split("\n")
    got = [line for text in found for line in str(text).split("\n")]
    assert got == [
        line.removesuffix("\r") for line in (expected if expected[-1] else expected[:-1])
    ]


ASKED = Asked('http://a/"x y"?q=1&r', "10.0.0.1", "pc.example", "Bob Ü", "GET")
WHY = Refused("no-games", "staff", ("games", "fun"))


@pytest.mark.parametrize(
    ("template", "address"),
    [
        ("http://b.example/", "http://b.example/"),
        ("302:http://b.example/?a=%a&n=%n", "http://b.example/?a=10.0.0.1&n=pc.example"),
        (
            "http://b.example/?%i-%s-%t-%r",
            "http://b.example/?Bob%20%C3%9C-staff-games,fun-no-games",
        ),
        ("http://b/?u=%u", "http://b/?u=http%3A%2F%2Fa%2F%22x%20y%22%3Fq%3D1%26r"),
        ("http://b/%p%%", "http://b/%22x%20y%22%3Fq%3D1%26r%"),
    ],
)
def test_where_it_leads_to(template: str, address: str) -> None:
    assert redirect_of(template).address(ASKED, WHY) == address


def test_an_answer_never_grows_beyond_what_squid_reads() -> None:
    redirect = redirect_of("http://b/?%u%u%i%n")
    long = ASKED._replace(url="ü" * 100_000, ident="é" * 9_000, fqdn="x" * 9_000)
    assert len(redirect.address(long, WHY)) < 30_000


@pytest.mark.parametrize(
    "template",
    [
        *("b.example", "ftp://b/", "http://b/ x", 'http://b/"', "304:http://b/", "http://b/%z", ""),
        *("http://b/\n", "http://b/<x>", "http://b/\\"),
    ],
)
def test_no_template(template: str) -> None:
    with pytest.raises(ValueError, match=r"wanted|none of"):
        redirect_of(template)


@pytest.mark.parametrize(
    ("channel", "protocol", "template", "passed", "led"),
    [
        ("", "3.4", "http://b/", "ERR", 'OK rewrite-url="http://b/"'),
        ("7", "3.4", "302:http://b/", "7 ERR", '7 OK status=302 url="http://b/"'),
        ("", "3.3", "http://b/", "", "http://b/ 10.0.0.1/pc.example Bob%20%C3%9C GET"),
        ("7", "3.3", "301:http://b/", "7 ", "7 301:http://b/ 10.0.0.1/pc.example Bob%20%C3%9C GET"),
    ],
)
def test_both_protocols(channel: str, protocol: str, template: str, passed: str, led: str) -> None:
    redirect = redirect_of(template)
    assert passes(channel, protocol) == passed
    assert leads(channel, protocol, redirect, redirect.address(ASKED, WHY), ASKED) == led
