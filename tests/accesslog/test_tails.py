"""Whole lines from either end, held against the plain way of splitting a file."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy_addons.accesslog import tails
from proxy_addons.accesslog.tails import (
    end_of_last_line,
    end_of_whole_lines,
    lines_backward,
    lines_forward,
)

contents = st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\n\n", b"def" * 5]), max_size=40).map(
    b"".join
)


@pytest.fixture(autouse=True, params=[1, 4, 7, 1 << 18])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small blocks, so that lines and newlines fall on their borders."""
    monkeypatch.setattr(tails, "_BLOCK", request.param)


def plainly(content: bytes) -> list[tuple[int, bytes]]:
    lines = []
    offset = 0
    for line in content.splitlines(keepends=True):
        if line.endswith(b"\n"):
            lines.append((offset, line[:-1]))
        offset += len(line)
    return lines


# The fixture sets one constant for the whole test, which each example may share.
@settings(max_examples=60)
@given(content=contents, beyond=st.binary(max_size=5))
def test_lines_from_both_ends_are_those_of_the_plain_way(content: bytes, beyond: bytes) -> None:
    file = io.BytesIO(content + beyond)
    end = len(content)
    expected = plainly(content)
    assert list(lines_forward(file, end)) == expected
    assert list(lines_backward(file, end)) == expected[::-1]
    whole = content.rfind(b"\n") + 1
    assert end_of_last_line(file, end) == whole
    assert end_of_whole_lines(file, end) == whole


@settings(max_examples=60)
@given(before=contents, after=contents)
def test_nothing_counts_from_the_line_on_that_holds_a_nul(before: bytes, after: bytes) -> None:
    content = before + b"\0\0" + after
    assert end_of_whole_lines(io.BytesIO(content), len(content)) == before.rfind(b"\n") + 1


def test_lines_can_be_read_on_from_where_the_last_reading_ended() -> None:
    file = io.BytesIO(b"one\ntwo\nthree\n")
    assert list(lines_forward(file, 14, start=4)) == [(4, b"two"), (8, b"three")]


def test_a_file_that_is_shorter_than_it_was_said_to_be_ends_early() -> None:
    assert list(lines_forward(io.BytesIO(b"one\ntw"), 100)) == [(0, b"one")]
