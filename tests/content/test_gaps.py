"""What an archive has beside what it lists: members and archives that only some programs see."""

from __future__ import annotations

import bz2
import gzip
import io
import struct
import tempfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.packing import ARCHIVES, PROGRAM, TEXT, by, rar4, tar_of, zip_of

from proxy_addons.content import gaps
from proxy_addons.content.archives import Members, examine_archive
from proxy_addons.settings.content import Archives

if TYPE_CHECKING:
    from collections.abc import Callable

HARMLESS = zip_of({"read.txt": TEXT, "more.txt": TEXT})
HARMFUL = zip_of({"setup.exe": PROGRAM})


def looked(archive: bytes) -> Members:
    return examine_archive(io.BytesIO(archive), Archives())


@pytest.mark.parametrize(
    "archive",
    [
        HARMLESS + HARMFUL,
        HARMFUL + HARMLESS,
        HARMLESS + HARMFUL + HARMLESS,
        HARMLESS + bytes(1000) + HARMFUL + bytes(30) + HARMLESS,
        zip_of({"a.zip": HARMLESS + HARMFUL + HARMLESS}),
    ],
    ids=["behind", "in front", "between", "in gaps", "deeper"],
)
def test_an_archive_beside_an_archive_is_seen(archive: bytes) -> None:
    assert "windows-program" in looked(archive).types


def without(archive: bytes, name: bytes) -> bytes:
    """An archive with a member that its directory does not list."""
    made = bytearray(archive)
    begin = made.rindex(b"PK\x01\x02", 0, made.rindex(name))
    end = made.index(b"PK", begin + 4)
    del made[begin:end]
    finish = made.rindex(b"PK\x05\x06")
    count, _, size = struct.unpack_from("<HHI", made, finish + 8)
    struct.pack_into("<HHI", made, finish + 8, count - 1, count - 1, size - (end - begin))
    return bytes(made)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_member_that_is_not_listed_is_seen(place: int) -> None:
    files = [("a.txt", TEXT), ("b.txt", TEXT)]
    files.insert(place, ("setup.exe", PROGRAM))
    hidden = without(zip_of(dict(files)), b"setup.exe")
    found = looked(hidden)
    assert "windows-program" in found.types
    assert found.findings <= {"unreadable-archive"}  # the piece has no end


def test_a_directory_that_points_before_the_beginning_hides_nothing() -> None:
    """Its place is said to be further on than it is: by that, all members are before the file."""
    archive = bytearray(HARMFUL)
    place = len(archive) - 6
    (directory,) = struct.unpack_from("<I", archive, place)
    struct.pack_into("<I", archive, place, directory + 256)
    assert "windows-program" in looked(bytes(archive)).types


@pytest.mark.parametrize("kind", [kind for kind in ARCHIVES if kind.startswith("zip")])
def test_an_ordinary_archive_hides_nothing(kind: str) -> None:
    inner = zip_of({"b.txt": TEXT})
    files = {"a.zip": inner, "c.txt": TEXT + b"PK\x03\x04" * 20 + inner, "d.txt": TEXT}
    found = looked(ARCHIVES[kind](files))
    assert not found.findings
    assert len(found.types & {"text", "archive"}) == 2


def test_what_is_written_to_a_pipe_hides_nothing() -> None:
    streamed = by(["zip", "-q", "-r", "-", "."], {"a.txt": TEXT, "b.txt": TEXT * 9})
    assert looked(streamed) == Members(frozenset({"text"}))


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress])
def test_a_tar_archive_behind_another_is_seen(pack: Callable[[bytes], bytes]) -> None:
    joined = tar_of({"read.txt": TEXT}) + tar_of({"setup.exe": PROGRAM})
    assert looked(pack(joined)).types == {"text", "windows-program"}


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("behind", [b"hello" * 500, rar4({"setup.exe": PROGRAM})])
def test_what_else_is_behind_a_tar_archive_is_a_finding(
    pack: Callable[[bytes], bytes], behind: bytes
) -> None:
    assert looked(pack(tar_of({"read.txt": TEXT}) + behind)).findings == {"unreadable-archive"}
    assert looked(bytes(2048) + behind).findings == {"unreadable-archive"}


PIECES = st.lists(st.sampled_from([b"P", b"K", b"\x03", b"\x04", b"PK\x03\x04", b"x"]), max_size=40)


@settings(max_examples=200, deadline=None)
@given(PIECES.map(b"".join), st.integers(0, 60), st.integers(0, 60), st.integers(4, 9))
def test_what_is_looked_for_is_found_wherever_it_is_cut(
    content: bytes, begin: int, end: int, block: int
) -> None:
    """A file may be larger than all memory: it is read in pieces."""
    with tempfile.TemporaryFile() as file, pytest.MonkeyPatch.context() as patch:
        file.write(content)
        file.flush()
        patch.setattr(gaps, "_BLOCK", block)
        octets = gaps._Octets(file)
        assert octets.find(b"PK\x03\x04", begin, end) == content.find(b"PK\x03\x04", begin, end)
