"""The text of a rota file, piece by piece: cut anywhere, the same text, digest and line numbers."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.standing import rota_source
from proxy_addons.standing.rota_problems import RotaFileError
from proxy_addons.standing.rota_source import Source

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = st.text(st.sampled_from("a\n\ré\U0001f600,"), max_size=40)


@given(TEXTS, st.integers(1, 7), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_pieces_of_whole_lines_are_the_text(
    tmp_path_factory: pytest.TempPathFactory, text: str, size: int, encoding: str
):
    path = tmp_path_factory.mktemp("source") / "x"
    path.write_bytes(text.encode(encoding))
    source = Source(path)
    with pytest.MonkeyPatch.context() as patch:
        # Short of a byte order mark it would be another encoding.
        patch.setattr(rota_source, "PIECE", size + 3)
        pieces = list(source.pieces())
    assert "".join(pieces) == text
    assert all(piece.endswith("\n") for piece in pieces[:-1])
    assert all(pieces)
    assert source.digest == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("wrong", [b"\xff", b"\0"])
@given(before=TEXTS, size=st.integers(1, 7))
def test_what_is_wrong_is_on_its_line(
    tmp_path_factory: pytest.TempPathFactory, wrong: bytes, before: str, size: int
):
    path = tmp_path_factory.mktemp("source") / "x"
    path.write_bytes(b"a" + before.encode() + wrong + b"\nb\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rota_source, "PIECE", size)
        with pytest.raises(RotaFileError) as caught:
            list(Source(path).pieces())
    assert [each.row for each in caught.value.problems] == [1 + before.count("\n")]


def test_a_large_file_is_never_whole_in_memory(tmp_path: Path):
    path = tmp_path / "x"
    path.write_text("a line\n" * 200_000)
    told: list[tuple[str, int, int]] = []
    source = Source(path, lambda *each: told.append(each))
    assert max(map(len, source.pieces())) <= rota_source.PIECE + len("a line\n")
    size = path.stat().st_size
    assert told[-1] == ("reading", size, size)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)


def test_a_file_that_is_none(tmp_path: Path):
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(RotaFileError, match="cannot be read"):
            list(Source(path).pieces())
