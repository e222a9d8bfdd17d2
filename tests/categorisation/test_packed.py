"""Archives and packed files of every kind; what is hostile or damaged is refused as a whole."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy_addons.categorisation import (
    CategoryImportError,
    Format,
    bounded,
    import_lists,
    staging,
    unpackzip,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from conftest import Place

FILES = {"bl/games/domains": b"a.test\nb.test\n", "bl/news/urls": b"a.test/x\n"}
LINES = b"".join(b"n%d.test\n" % number for number in range(2000))


def tarred(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def zipped(files: Mapping[str, bytes], mode: int = 0, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = method
            archive.writestr(info, content)
    return packed.getvalue()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}


@pytest.mark.parametrize("ending", [*(f".tar{each}" for each in PACKERS), ".zip", ""])
def test_an_archive_of_any_kind_is_told_by_what_is_in_it(
    place: Place, tmp_path: Path, ending: str
) -> None:
    packer = PACKERS.get(ending.removeprefix(".tar"), PACKERS[""])
    path = tmp_path / f"ut1-2026-08-17{ending}"
    path.write_bytes(zipped(FILES) if ending == ".zip" else packer(tarred(FILES)))
    report = import_lists(path, place.folders.lists_dir)
    assert (report.name, report.format) == ("ut1", Format.SQUIDGUARD)
    assert report.counts.keys() == {"games", "news"}


@pytest.mark.parametrize("ending", PACKERS)
def test_one_packed_file_is_a_list(place: Place, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"ads-2026-08-17.txt{ending}"
    path.write_bytes(PACKERS[ending](LINES))
    report = import_lists(path, place.folders.lists_dir)
    assert (report.name, report.format) == ("ads", Format.DOMAINS)
    assert {name: sum(kinds.values()) for name, kinds in report.counts.items()} == {"ads": 2000}


def test_an_xz_file_of_several_streams(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "ads.txt.xz"
    path.write_bytes(lzma.compress(b"a.test\n") + bytes(8) + lzma.compress(LINES))
    assert sum(import_lists(path, place.folders.lists_dir).counts["ads"].values()) == 2001


def test_links_in_a_zip_are_aliases(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "list.zip"
    path.write_bytes(zipped(FILES))
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo("bl/play")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "games")
    assert import_lists(path, place.folders.lists_dir).aliases == {"play": "games"}


# A few hundred octets a megabyte, over and over.
BOMB = 5 * gzip.compress(b"a.test\n" * (1 << 17), 9)

HOSTILE: dict[str, tuple[str, bytes, str]] = {
    "packed twice": ("l.txt.gz", gzip.compress(gzip.compress(LINES)), "packed twice"),
    "an archive packed twice": (
        "l.tar.gz",
        gzip.compress(gzip.compress(tarred(FILES))),
        "not a whole archive",
    ),
    "a bomb": ("l.txt.gz", BOMB, "more than 200 times its size"),
    "a bomb in an archive": (
        "l.tar.xz",
        lzma.compress(tarred({"games/domains": bytes(8 << 20)})),
        "more than 200 times its size",
    ),
    "a bomb in a zip": (
        "l.zip",
        zipped({"games/domains": bytes(8 << 20)}),
        "more than 200 times its size",
    ),
    "a zip that leaves its folder": ("l.zip", zipped({"../x/domains": b"a"}), "leaves the folder"),
    "an absolute path": ("l.zip", zipped({"/x/domains": b"a"}), "absolute path"),
    "a link out of a zip": (
        "l.zip",
        zipped({"x/domains": b"../../../etc/passwd"}, stat.S_IFLNK | 0o777),
        "link that leaves the folder",
    ),
    "a link with a NUL": (
        "l.zip",
        zipped({"x/domains": b"a\0b"}, stat.S_IFLNK | 0o777),
        "no sensible link",
    ),
    "a device in a zip": ("l.zip", zipped({"x/domains": b""}, stat.S_IFCHR), "a device"),
    "an empty zip": ("l.zip", zipped({}), "an empty archive"),
    "no zip": ("l.zip", b"PK\x03\x04 or so", "not a whole archive"),
    "an xz file that is none": ("l.tar.xz", b"\xfd7zXZ\0 or so" * 9, "not a whole archive"),
    "a bzip2 file that is none": ("l.tar.bz2", b"BZh9 or so" * 9, "not a whole archive"),
    "a text that is called an archive": ("l.tar", LINES, "not a whole archive"),
    "NULs": ("l.txt", b"x" + bytes(2000), "nothing in it tells the format"),
}


@pytest.mark.parametrize(("name", "content", "why"), HOSTILE.values(), ids=HOSTILE)
def test_what_is_hostile_changes_nothing(
    place: Place,
    tmp_path: Path,
    name: str,
    content: bytes,
    why: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounded, "FREE", 1 << 20)
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CategoryImportError, match=why):
        import_lists(path, place.folders.lists_dir)
    assert not (place.folders.lists_dir / "l").exists()
    assert list((place.folders.lists_dir / ".store").iterdir()) == []


def test_an_xz_file_may_not_ask_for_gigabytes(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "l.tar.xz"
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 1, "dict_size": 256 << 20}]
    path.write_bytes(lzma.compress(tarred(FILES), filters=filters))
    with pytest.raises(CategoryImportError, match="Memory usage limit"):
        import_lists(path, place.folders.lists_dir)


def test_a_zip_that_is_encrypted(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "l.zip"
    content = bytearray(zipped(FILES))
    entry = content.index(b"PK\x01\x02")
    content[entry + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(CategoryImportError, match="encrypted"):
        import_lists(path, place.folders.lists_dir)


def test_a_zip_with_too_many_entries(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpackzip, "MAX_ENTRIES", 10)
    path = tmp_path / "l.zip"
    path.write_bytes(zipped({f"c{number}/domains": b"a.test\n" for number in range(11)}))
    with pytest.raises(CategoryImportError, match="more than 10 entries"):
        import_lists(path, place.folders.lists_dir)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice_in_a_zip(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "l.zip"
    path.write_bytes(zipped(FILES))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("bl/games/domains", "other.test\n")
    with pytest.raises(CategoryImportError, match="is there twice"):
        import_lists(path, place.folders.lists_dir)


@pytest.mark.parametrize("name", ["l", "l.tar", "l.txt.gz"])
def test_a_pipe_is_not_waited_for(place: Place, tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(CategoryImportError, match="not a regular file"):
        import_lists(tmp_path / name, place.folders.lists_dir)


def test_one_file_too_large(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "MAX_FILE", 1000)
    (tmp_path / "l.txt.gz").write_bytes(gzip.compress(LINES))
    with pytest.raises(CategoryImportError, match="too large"):
        import_lists(tmp_path / "l.txt.gz", place.folders.lists_dir)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.sampled_from([".tar.bz2", ".tar.xz", ".zip", ".txt.xz", ".txt.bz2"]), st.floats(0, 0.99))
def test_what_is_cut_short_is_refused(
    place: Place, tmp_path: Path, ending: str, share: float
) -> None:
    packer = PACKERS["." + ending.rpartition(".")[2]] if ending != ".zip" else bytes
    content = LINES if ".txt" in ending else tarred({"a/domains": LINES})
    whole = zipped({"a/domains": LINES}) if ending == ".zip" else packer(content)
    path = tmp_path / f"l{ending}"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(CategoryImportError):
        import_lists(path, place.folders.lists_dir)
    assert not (place.folders.lists_dir / "l").exists()


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(1, 5000), st.integers(1, 3))
def test_xz_is_read_as_pythons_own_reader_does(block: int, streams: int) -> None:
    packed = b"".join(lzma.compress(LINES[: 3000 * each]) for each in range(1, streams + 1))
    ours = io.BufferedReader(bounded.XzReader(io.BytesIO(packed)))
    found = b""
    while part := ours.read(block):
        found += part
    assert found == lzma.decompress(packed)
