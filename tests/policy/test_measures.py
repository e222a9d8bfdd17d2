"""Sizes and declared types as findings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.policy.findings import words_of
from proxy_addons.policy.measures import implied, over, sizes_of, typed

NAMED = frozenset({
    "upload_size=0", "upload_size=10", "upload_size=2000", "file_type=pdf", "content_type=image/*",
    "content_type=image/png", "content_type=text/html", "content_type=none",
})  # fmt: skip


@given(st.integers(0, 5000))
def test_a_size_is_over_what_is_less(length: int):
    found = over(length, sizes_of(NAMED))
    assert found == {f"upload_size={size}" for size in (0, 10, 2000) if size < length}


@pytest.mark.parametrize(
    ("declared", "found"),
    [
        ("image/png", "image/* image/png"),
        ("IMAGE/PNG; charset=x", "image/* image/png"),
        ("image/gif", "image/*"),
        ("imagex/png", ""),
        ("text/html;charset=utf-8", "text/html"),
        ("text/plain, image/gif", "image/*"),
        ("text/html, image/png", "image/* image/png text/html"),
        ("", "none"),
        (" , ;x", "none"),
        ("none", "none"),
        ("image", "none"),
    ],
)
def test_declared_types(declared: str, found: str):
    assert typed(declared, NAMED) == {f"content_type={each}" for each in found.split()}


def test_what_follows_of_what():
    assert set(implied(NAMED)) == {
        ("upload_size=2000", "upload_size=10"),
        ("upload_size=10", "upload_size=0"),
        ("content_type=image/png", "content_type=image/*"),
    }


def test_in_words():
    assert words_of("upload_size=10000000") == "more than 10,000,000 bytes sent"
    assert words_of("content_type=image/*") == "the declared type image/*"
