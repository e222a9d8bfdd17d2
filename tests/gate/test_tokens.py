"""Tokens count for what they were made for, and for nothing else."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.gate.tokens import LIFE, Deed, TokenError, Tokens

SECRET = b"s" * 32
NAMES = st.text(max_size=20)
DEEDS = st.builds(
    Deed, st.text(max_size=12), st.text(max_size=40), st.text(max_size=60).map("/{}".format)
)
DAY = 86400


class Clock:
    now = 20_000.0 * DAY

    def __call__(self) -> float:
        return self.now


def tokens() -> tuple[Tokens, Clock]:
    clock = Clock()
    return Tokens(SECRET, clock), clock


@given(NAMES, NAMES, DEEDS, st.integers(0, 2 * DAY), st.integers(0, LIFE - 1))
def test_a_token_counts_for_a_quarter_of_an_hour_over_midnight_too(
    name: str, host: str, deed: Deed, begins: int, later: int
) -> None:
    made, clock = tokens()
    clock.now += begins
    token = made.make(name, host, deed)
    clock.now += later
    assert made.read(name, host, token) == deed
    clock.now += LIFE - later
    with pytest.raises(TokenError, match="too old"):
        made.read(name, host, token)


@given(NAMES, NAMES, NAMES, NAMES, DEEDS)
def test_a_token_counts_for_one_person_and_host(
    name: str, host: str, other: str, elsewhere: str, deed: Deed
) -> None:
    made, _ = tokens()
    token = made.make(name, host, deed)
    if (name, host) != (other, elsewhere):
        with pytest.raises(TokenError):
            made.read(other, elsewhere, token)


@given(DEEDS, st.data())
def test_no_bit_of_a_token_can_be_changed(deed: Deed, data: st.DataObject) -> None:
    made, _ = tokens()
    token = made.make("jane", "shop.test", deed)
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    changed = base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("=")
    with pytest.raises(TokenError):
        made.read("jane", "shop.test", changed)


@given(st.text(max_size=200) | st.binary(max_size=80).map(lambda b: base64.b64encode(b).decode()))
def test_whatever_comes_is_refused_and_nothing_else_is_raised(text: str) -> None:
    with pytest.raises(TokenError):
        tokens()[0].read("jane", "shop.test", text)


@pytest.mark.parametrize(
    "content",
    [b"null", b"1", b"{}", b"[]", b'"abcd"', b"[1,2,3,4]", b'[true,"a","b","/"]', b"[" * 4000,
     b'[1e99,"a","b","/"]', b'[-1,"a","b","/"]', b'[99999999999999999999,"a","b","/"]'],
)  # fmt: skip
def test_other_content_is_refused(content: bytes) -> None:
    token = base64.urlsafe_b64encode(content + bytes(16)).decode().rstrip("=")
    with pytest.raises(TokenError):
        tokens()[0].read("jane", "shop.test", token)


@pytest.mark.parametrize(
    ("path", "back"),
    [
        ("/x?y=1", "/x?y=1"),
        ("/" + "x" * 1499, "/" + "x" * 1499),
        ("/" + "x" * 1500, "/"),
        ("/list?" + "x" * 1500, "/list"),
        ("*", "/"),
    ],
)
def test_a_long_path_is_cut_to_what_can_be_gone_back_to(path: str, back: str) -> None:
    made, _ = tokens()
    token = made.make("jane", "shop.test", Deed("confirm", "a b", path))
    assert made.read("jane", "shop.test", token).back == back


def test_a_token_says_whether_something_has_to_be_sent_again() -> None:
    made, _ = tokens()
    for again in (False, True):
        deed = Deed("confirm", "a b", "/form", again=again)
        assert made.read("jane", "shop.test", made.make("jane", "shop.test", deed)) == deed


def test_a_token_names_nobody() -> None:
    token = tokens()[0].make("jane-doe", "shop.test", Deed("end-break"))
    assert b"jane" not in base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
