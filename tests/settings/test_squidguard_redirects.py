"""squidGuard's redirects in our spelling. That both answer alike: tests/test_agree.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.gate.redirector.answers import redirect_of
from proxy_addons.settings.squidguard.redirects import template_of


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        ("http://b/", "http://b/"),
        ("302:http://b/?%a&%n&%i&%u&%p&%f", "302:http://b/?%a&%n&%i&%u&%p&%f"),
        ("http://b/?%s&%t", "http://b/?a%%20b&d%%25"),
        ("http://b/?%q", "http://b/?noquota"),
        # A % before any other sign is one, and what comes next may be a placeholder.
        ("http://b/?%%a", "http://b/?%%%a"),
        ("http://b/?%%%%", "http://b/?%%%%%%%%"),
        ("http://b/?%x%", "http://b/?%%x%%"),
        ("http://b/?x%20y%5", "http://b/?x%%20y%%5"),
    ],
)
def test_in_our_spelling(text: str, ours: str) -> None:
    assert template_of(text, "a b", "d%") == ours


def test_what_is_not_known_yet_stays() -> None:
    assert template_of("http://b/?%s&%t") == "http://b/?%s&%t"


@given(st.text("%abfinpqrstux1", max_size=12), st.text(max_size=5))
def test_whatever_it_is_our_helper_takes_it(text: str, name: str) -> None:
    redirect_of(template_of(f"http://b/?{text}", name, name))
