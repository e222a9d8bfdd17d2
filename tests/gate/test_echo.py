"""What came from outside is shown whole, visible and harmless."""

from __future__ import annotations

import re
from html import unescape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy_addons.gate.echo import address, plain, sf_string, visible

# No deadline: a slow machine is no fault of the code.
SOME = settings(max_examples=100, deadline=None)

HOSTILE = st.text(
    alphabet=st.one_of(
        st.characters(),
        st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp", "Co"]),
        st.sampled_from("\"'<>&\\*/\r\n\0\u202e\u2066\u200b\u2028\ud800\udcff@?#%"),
    ),
    max_size=60,
)


@SOME
@given(HOSTILE)
def test_visible_text_holds_only_visible_characters(text: str) -> None:
    shown = visible(text)
    assert shown.isprintable()
    shown.encode("utf-8")


@SOME
@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=60))
def test_ordinary_text_is_shown_as_it_is(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb", "a%E2%80%AEb"),
        ("a\r\nb", "a%0D%0Ab"),
        ("caf\udce9", "caf%E9"),
        ("x\ud800y", "x\N{REPLACEMENT CHARACTER}y"),
        ("münchen.example", "münchen.example"),
        ("\u2028", "%E2%80%A8"),
    ],
)
def test_invisible_characters_become_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize("length", [9, 10, 11, 12])
def test_a_cut_is_visible_and_says_how_much_is_missing(length: int) -> None:
    shown = visible("a" * length, limit=10)
    if length <= 10:
        assert shown == "a" * length
    else:
        word = length - 10
        assert shown == f"{'a' * 10}… ({word} more characters)"


def test_thousands_are_set_apart() -> None:
    assert visible("a" * 20_000, limit=10).endswith("(19,990 more characters)")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.example/b?c=secret#d", "https://a.example/b?…"),
        ("https://a.example/b#token=1", "https://a.example/b"),
        ("https://me:secret@a.example/b", "https://a.example/b"),
        ("https://me:se@cret@a.example/@b", "https://a.example/@b"),
        ("//me@a.example/", "//a.example/"),
        ("https://a.example/x@y", "https://a.example/x@y"),
        ("a.example:443", "a.example:443"),
        ("", ""),
    ],
)
def test_an_address_is_shown_without_credentials_and_query(url: str, shown: str) -> None:
    assert address(url) == shown


def test_a_long_address_is_cut_once() -> None:
    assert address("https://a.example/" + "x" * 100 + "?q=1", limit=30) == (
        "https://a.example/xxxxxxxxxxxx… (88 more characters)"
    )


@SOME
@given(st.text("abc:@/", max_size=10), st.from_regex(r"[a-z]{1,9}", fullmatch=True))
def test_no_password_is_ever_shown(noise: str, host: str) -> None:
    assert "sEcReT" not in address(f"https://user{noise.replace('/', '')}:sEcReT@{host}/{noise}")


# sf-string of RFC 8941, 3.3.3
_SF_STRING = re.compile(r'"(?:[ !#-\[\]-~]|\\["\\])*"')


@SOME
@given(HOSTILE)
def test_a_structured_string_is_one_whatever_goes_in(text: str) -> None:
    assert _SF_STRING.fullmatch(sf_string(text))


@SOME
@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=60))
def test_a_structured_string_keeps_ascii(text: str) -> None:
    assert re.sub(r"\\(.)", r"\1", sf_string(text)[1:-1]) == text


@SOME
@given(HOSTILE)
def test_plain_text_cannot_end_a_comment_or_a_tag(text: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9 ._:?-]*", plain(text))
    assert unescape(plain(text)) == plain(text)
