"""An import is whole or is not; what is hostile is refused as a whole."""

from __future__ import annotations

import gzip
import io
import os
import re
import tarfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from proxy_addons.categorisation import (
    CategoryImportError,
    CategoryIndex,
    bounded,
    ensure_index,
    import_lists,
    imports,
    staging,
)
from proxy_addons.urlkey import url_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from conftest import Place

    type Member = tuple[tarfile.TarInfo, bytes]


def file(name: str, content: str = "a.test\n") -> Member:
    info = tarfile.TarInfo(name)
    info.size = len(content.encode())
    return info, content.encode()


def special(name: str, kind: bytes, target: str = "") -> Member:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    return info, b""


def link(name: str, target: str) -> Member:
    return special(name, tarfile.SYMTYPE, target)


GOOD = [
    special("bl", tarfile.DIRTYPE),
    file("bl/games/domains", "a.test\nb.test\n*.c.test\n"),
    file("bl/games/urls", "a.test/x\n"),
    file("bl/games/usage", "black\n"),
    file("bl/forums/domains", "f.test\n"),
    link("bl/mail", "forums"),
    file("bl/LICENSE.pdf", "CC BY-SA"),
    file("bl/games/domains.diff", "+x.test\n"),
    file("bl/games/other", "+x\n"),
]


@pytest.fixture
def archive(tmp_path: Path) -> Callable[..., Path]:
    def write(members: Iterable[Member], name: str = "list.tar.gz") -> Path:
        path = tmp_path / name
        with tarfile.open(path, "w:gz" if name.endswith("gz") else "w") as tar:
            for info, content in members:
                tar.addfile(info, io.BytesIO(content))
        return path

    return write


def everything_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")} - {".lock", ".store"}


@pytest.mark.parametrize("name", ["ut1-2026-08-17.tar.gz", "ut1.tgz", "UT1_20260817.tar"])
def test_an_archive_becomes_a_list(place: Place, archive: Callable[..., Path], name: str) -> None:
    lists = place.folders.lists_dir
    report = import_lists(archive(GOOD, name), lists)
    assert report.name == "ut1"
    assert not report.replaced
    assert {category: dict(kinds) for category, kinds in report.counts.items()} == {
        "games": {"domains": 3, "urls": 1},
        "forums": {"domains": 1},
        "mail": {"domains": 1},
    }
    assert report.aliases == {"mail": "forums"}
    assert [str(problem) for problem in report.problems.shown] == [
        "ut1/games/domains:3: a name covers its subdomains: leave out the *"
    ]
    assert report.ignored == ("bl/games/other",)
    assert (lists / "ut1" / "games" / "domains").read_text().startswith("a.test")
    assert (lists / "ut1" / "mail").is_symlink()
    assert (lists / "ut1" / "LICENSE.pdf").exists()
    index = ensure_index(place.folders, place.index_file).index
    assert index.lookup(url_key("http://x.f.test/")) == {"forums", "mail"}


def test_a_folder_becomes_a_list(place: Place, tmp_path: Path) -> None:
    source = tmp_path / "My Lists"
    (source / "games").mkdir(parents=True)
    (source / "games" / "domains").write_text("a.test\n")
    (source / "play").symlink_to("games")
    (source / "spiel").symlink_to(source.resolve() / "games")
    (source / ".git").mkdir()
    (source / ".git" / "domains").write_text("hidden.test\n")
    report = import_lists(source, place.folders.lists_dir)
    assert report.name == "my-lists"
    assert report.counts.keys() == {"games", "play", "spiel"}
    (source / "games" / "domains").write_text("later.test\n")
    index = ensure_index(place.folders, place.index_file).index
    assert index.lookup(url_key("http://a.test/")) == {"games", "play", "spiel"}


def test_a_later_import_replaces_the_one_before(place: Place, archive: Callable[..., Path]) -> None:
    lists = place.folders.lists_dir
    import_lists(archive(GOOD, "ut1-2026-07-01.tar"), lists)
    report = import_lists(archive([file("news/domains")], "ut1-2026-08-01.tar"), lists)
    assert report.replaced
    assert {path.name for path in (lists / "ut1").iterdir()} == {"news"}
    assert len(list((lists / ".store").iterdir())) == 1


def test_lists_of_other_names_stay(place: Place, archive: Callable[..., Path]) -> None:
    lists = place.folders.lists_dir
    import_lists(archive(GOOD), lists, name="one")
    import_lists(archive(GOOD), lists, name="two")
    assert {path.name for path in lists.iterdir()} == {"one", "two", ".lock", ".store"}
    assert ensure_index(place.folders, place.index_file).index.sources["games"] == ["one", "two"]


HOSTILE: dict[str, tuple[list[Member], str]] = {
    "absolute path": ([file("/etc/games/domains")], "an absolute path"),
    "parent folder": ([file("../games/domains")], r"leaves the folder \(\.\.\)"),
    "parent folder inside": ([file("bl/../../games/domains")], r"leaves the folder \(\.\.\)"),
    "link to absolute path": ([link("games", "/etc")], "a link to an absolute path"),
    "link out": ([link("bl/games", "../../etc")], "a link that leaves the folder"),
    "link far out": ([link("games", "a/../../..")], "a link that leaves the folder"),
    "write through a link": (
        [link("games", "news"), file("games/domains"), file("news/domains")],
        "written through a link",
    ),
    "write through a link, link last": (
        [file("games/domains"), file("news/domains"), link("games", "news")],
        "written through a link",
    ),
    "the same name twice": ([file("games/domains"), file("games/domains")], "is there twice"),
    "link in place of a file": (
        [file("games/domains"), link("games/domains", "../x")],
        "is there twice",
    ),
    "hard link out": (
        [special("games/domains", tarfile.LNKTYPE, "../../etc/passwd")],
        "leaves the folder",
    ),
    "hard link to what is not there": (
        [special("games/domains", tarfile.LNKTYPE, "etc/passwd")],
        "not there",
    ),
    "character device": ([special("games/domains", tarfile.CHRTYPE)], "a device"),
    "block device": ([special("x", tarfile.BLKTYPE)], "a device"),
    "pipe": ([special("games/domains", tarfile.FIFOTYPE)], "a device"),
    "sparse file": ([special("games/domains", tarfile.GNUTYPE_SPARSE)], "special file"),
    "deep": ([file("a/" * 12 + "domains")], "folders deep"),
    "control characters": ([file("games\n/domains")], "not a sensible file name"),
    "escape sequence": ([file("\x1b[2Jgames/domains")], "not a sensible file name"),
    "backslash": ([file("games\\domains")], "not a sensible file name"),
    "long name": ([file("g" * 600 + "/domains")], "not a sensible file name"),
    "no list in it": ([file("README")], "nothing in it tells the format"),
    "no usable entry": ([file("games/domains", "*\n# x\n")], "(?s)no usable entry.*domains:1"),
    "one category": ([file("domains")], "give the folder above"),
    "nothing": ([], "empty archive"),
}


@pytest.mark.parametrize(("members", "why"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_archive_changes_nothing(
    place: Place,
    tmp_path: Path,
    archive: Callable[..., Path],
    members: list[Member],
    why: str,
) -> None:
    lists = place.folders.lists_dir
    import_lists(archive([file("games/domains", "good.test\n")], "list.tar"), lists)
    bad = archive(members)
    before = everything_in(tmp_path)
    with pytest.raises(CategoryImportError, match=why) as caught:
        import_lists(bad, lists)
    assert re.fullmatch(r"[ -~\n…]*", str(caught.value)), "safe to show"
    assert everything_in(tmp_path) == before
    assert (lists / "list" / "games" / "domains").read_text() == "good.test\n"
    assert len(list((lists / ".store").iterdir())) == 1


def test_a_hard_link_inside_is_a_file(place: Place, archive: Callable[..., Path]) -> None:
    members = [file("a/domains"), special("b/domains", tarfile.LNKTYPE, "a/domains")]
    assert import_lists(archive(members), place.folders.lists_dir).counts.keys() == {"a", "b"}


def test_links_to_links_and_to_nothing(place: Place, archive: Callable[..., Path]) -> None:
    members = [
        link("c", "b"),
        link("b", "a"),
        file("a/domains"),
        link("x", "missing"),
        link("y", "y"),
    ]
    report = import_lists(archive(members), place.folders.lists_dir)
    assert report.counts.keys() == {"a", "b", "c"}
    assert set(report.ignored) == {f"{n} (a link to what is not kept)" for n in "xy"}


def test_too_many_entries(
    place: Place, archive: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "MAX_ENTRIES", 50)
    members = [special(f"d{number}", tarfile.DIRTYPE) for number in range(60)]
    with pytest.raises(CategoryImportError, match="more than 50 entries"):
        import_lists(archive(members), place.folders.lists_dir)


def test_a_file_too_large(
    place: Place, archive: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "MAX_FILE", 100)
    with pytest.raises(CategoryImportError, match="too large"):
        import_lists(archive([file("a/domains", "x" * 200)]), place.folders.lists_dir)


def test_an_archive_that_unpacks_to_too_much(
    place: Place, archive: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "MAX_TOTAL", 1 << 20)
    members = [file("a/other", "x" * 500_000) for _ in range(5)]
    with pytest.raises(CategoryImportError, match="unpacks to more"):
        import_lists(archive(members), place.folders.lists_dir)


def test_a_header_of_gigabytes_is_not_read(place: Place, tmp_path: Path) -> None:
    name = tarfile.TarInfo("././@LongLink")
    name.type = tarfile.GNUTYPE_LONGNAME
    name.size = 3 << 30
    path = tmp_path / "bomb.tar.gz"
    with gzip.open(path, "wb") as out:
        out.write(name.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20))
    with pytest.raises(CategoryImportError, match="header larger"):
        import_lists(path, place.folders.lists_dir)


MANY = [
    file(f"c{number}/domains", "".join(f"n{number}-{n}.test\n" for n in range(300)))
    for number in range(6)
]


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.floats(0, 1, exclude_max=True), st.sampled_from(["list.tar", "list.tar.gz"]))
@example(0.5, "list.tar")
def test_an_archive_cut_short_anywhere_is_refused(
    place: Place, archive: Callable[..., Path], share: float, name: str
) -> None:
    path = archive(MANY, name)
    content = path.read_bytes()
    # What follows the end mark of a tar archive is padding, without which it is still whole.
    end = len(content) if name.endswith("gz") else len(content.rstrip(b"\0"))
    path.write_bytes(content[: int(end * share)])
    with pytest.raises(CategoryImportError, match=r"not a whole|cut short|empty|there"):
        import_lists(path, place.folders.lists_dir)
    assert not (place.folders.lists_dir / "list").exists()


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_a_packed_archive_with_any_octet_changed_is_refused(
    place: Place, archive: Callable[..., Path], share: float, change: int
) -> None:
    path = archive(MANY)
    content = bytearray(path.read_bytes())
    # gzip's header holds a time and a file name, which nothing checks.
    header = content.index(b"list.tar\0") + 9
    content[header + int((len(content) - header) * share)] ^= change
    path.write_bytes(content)
    with pytest.raises(CategoryImportError):
        import_lists(path, place.folders.lists_dir)
    assert not (place.folders.lists_dir / "list").exists()


def test_a_damaged_header_is_not_taken_for_the_end(
    place: Place, archive: Callable[..., Path]
) -> None:
    path = archive(MANY, "list.tar")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"c4/domains", b"c4/dOmains"))
    with pytest.raises(CategoryImportError, match="end mark is missing"):
        import_lists(path, place.folders.lists_dir)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04zip", b"\x1f\x8bnot gzip", b"x" * 5000])
def test_what_is_no_archive(place: Place, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "list.tar"
    path.write_bytes(content)
    with pytest.raises(CategoryImportError, match="archive"):
        import_lists(path, place.folders.lists_dir)


def test_what_is_not_there(place: Place, tmp_path: Path) -> None:
    with pytest.raises(CategoryImportError, match="there is no such file"):
        import_lists(tmp_path / "missing.tar", place.folders.lists_dir)


def test_a_pipe_in_a_folder_is_refused_and_does_not_wait(place: Place, tmp_path: Path) -> None:
    (tmp_path / "l" / "games").mkdir(parents=True)
    os.mkfifo(tmp_path / "l" / "games" / "domains")
    with pytest.raises(CategoryImportError, match="not a regular file"):
        import_lists(tmp_path / "l", place.folders.lists_dir)


def test_a_link_out_of_a_folder_is_refused(place: Place, tmp_path: Path) -> None:
    (tmp_path / "l" / "games").mkdir(parents=True)
    (tmp_path / "l" / "games" / "domains").symlink_to("/etc/hostname")
    with pytest.raises(CategoryImportError, match="absolute path"):
        import_lists(tmp_path / "l", place.folders.lists_dir)


@pytest.mark.parametrize("name", ["local", "starter", "", "..", "a/b", ".store", "Ä", "a" * 65])
def test_names_that_a_list_cannot_have(
    place: Place, archive: Callable[..., Path], name: str
) -> None:
    with pytest.raises(CategoryImportError, match="--name"):
        import_lists(archive(GOOD), place.folders.lists_dir, name=name)


def test_a_folder_of_that_name_is_not_overwritten(
    place: Place, archive: Callable[..., Path]
) -> None:
    place.write({"list": {"games/domains": "mine.test\n"}})
    with pytest.raises(CategoryImportError, match="move it elsewhere"):
        import_lists(archive(GOOD), place.folders.lists_dir)
    assert (place.folders.lists_dir / "list/games/domains").read_text() == "mine.test\n"


def test_an_import_stopped_at_any_step_leaves_the_list_before(
    place: Place, archive: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    lists = place.folders.lists_dir
    import_lists(archive([file("games/domains", "good.test\n")]), lists)

    def stop(*_args: object, **_more: object) -> None:
        raise KeyboardInterrupt

    for module, name in ((imports, "unpack"), (imports, "read_tree"), (imports, "sync_folder")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, stop)
            with pytest.raises(KeyboardInterrupt):
                import_lists(archive(GOOD), lists)
        assert (lists / "list" / "games" / "domains").read_text() == "good.test\n"
    import_lists(archive(GOOD), lists)
    assert len(list((lists / ".store").iterdir())) == 1


def test_a_killed_import_is_cleared_away_by_the_next(
    place: Place, archive: Callable[..., Path]
) -> None:
    lists = place.folders.lists_dir
    half = lists / ".store" / "list.abcd"
    half.mkdir(parents=True)
    (half / "domains").write_text("half\n")
    (lists / ".store" / ".list.efgh.link").symlink_to("nowhere")
    import_lists(archive(GOOD), lists)
    assert len(list((lists / ".store").iterdir())) == 1


def test_a_replaced_list_is_noticed(place: Place, archive: Callable[..., Path]) -> None:
    lists = place.folders.lists_dir
    import_lists(archive(GOOD), lists)
    before = ensure_index(place.folders, place.index_file).index
    import_lists(archive([file("news/domains", "n.test\n")]), lists)
    assert ensure_index(place.folders, place.index_file).index.categories == {"news"}
    assert before.replaced()
    assert CategoryIndex.open(place.index_file).categories == {"news"}
