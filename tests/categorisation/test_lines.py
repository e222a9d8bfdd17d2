"""Lines come whole and numbered, from files of any shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy_addons.categorisation import lines

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def read(path: Path, content: bytes) -> list[tuple[int, str]]:
    path.write_bytes(content)
    return [
        (first + offset, line)
        for first, batch in lines.batches(path)
        for offset, line in enumerate(batch)
    ]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.text("ab é\r", max_size=9), max_size=30), st.booleans(), st.integers(1, 40))
def test_lines_are_those_of_the_file_whatever_the_block(
    tmp_path: Path, texts: list[str], end: bool, block: int
) -> None:
    content = "\n".join(texts) + ("\n" if end else "")
    before = lines._BLOCK
    lines._BLOCK = block
    try:
        found = read(tmp_path / "list", content.encode())
    finally:
        lines._BLOCK = before
    expected = content.split("\n")
    if expected[-1] == "":
        expected.pop()
    assert found == list(enumerate(expected, 1))


def test_a_byte_order_mark_is_no_part_of_the_first_entry(tmp_path: Path) -> None:
    assert read(tmp_path / "list", b"\xef\xbb\xbfa\nb") == [(1, "a"), (2, "b")]


def test_octets_that_are_no_utf_8_come_as_surrogates(tmp_path: Path) -> None:
    assert read(tmp_path / "list", b"a\xffb\n") == [(1, "a\udcffb")]


def test_a_line_without_end_does_not_fill_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "_BLOCK", 4096)
    monkeypatch.setattr(lines, "MAX_LINE", 1000)
    found = read(tmp_path / "list", b"first\n" + b"x" * 1_000_000 + b"\nlast\n")
    assert [(number, len(line) > 1000) for number, line in found] == [
        (1, False),
        (2, True),
        (3, False),
    ]
    assert max(len(line) for _, line in found) <= 1000 + 1 + 4096
    assert found[2] == (3, "last")
