"""Which files make up a list, and what of it is not used."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from proxy_addons.categorisation import CategorySourceError
from proxy_addons.categorisation.tree import list_root, read_tree

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, *files: str, content: str = "example.com\n") -> Path:
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(content)
    return folder


def test_files_and_categories(tmp_path: Path) -> None:
    tree = read_tree("ut1", write(tmp_path, "games/domains", "games/urls", "news/expressions"))
    assert [(file.place, str(file.kind), file.categories) for file in tree.files] == [
        ("ut1/games/domains", "domains", ("games",)),
        ("ut1/games/urls", "urls", ("games",)),
        ("ut1/news/expressions", "expressions", ("news",)),
    ]
    assert tree.categories == {"games", "news"}
    assert tree.problems == tree.ignored == ()


def test_an_alias_is_a_further_category_of_the_same_files(tmp_path: Path) -> None:
    write(tmp_path, "forums/domains")
    (tmp_path / "mail").symlink_to("forums")
    (tmp_path / "a").symlink_to("mail")
    tree = read_tree("ut1", tmp_path)
    assert [(file.place, file.categories) for file in tree.files] == [
        ("ut1/forums/domains", ("a", "forums", "mail"))
    ]
    assert tree.aliases == {"mail": "forums", "a": "forums"}
    assert tree.descriptions["mail"] == "the same entries as forums"


def test_a_file_may_be_an_alias_too(tmp_path: Path) -> None:
    write(tmp_path, "forums/domains", "mail/urls")
    (tmp_path / "mail" / "domains").symlink_to("../forums/domains")
    tree = read_tree("ut1", tmp_path)
    assert [(file.place, file.categories) for file in tree.files] == [
        ("ut1/forums/domains", ("forums", "mail")),
        ("ut1/mail/urls", ("mail",)),
    ]


def test_links_that_leave_the_list_or_lead_nowhere_are_not_followed(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside", "secret/domains")
    inside = write(tmp_path / "list", "games/urls")
    (inside / "up").symlink_to("../outside/secret")
    (inside / "absolute").symlink_to(outside / "secret")
    (inside / "games" / "domains").symlink_to("../../outside/secret/domains")
    (inside / "nowhere").symlink_to("missing")
    (inside / "loop").symlink_to("loop")
    tree = read_tree("ut1", inside)
    assert [file.place for file in tree.files] == ["ut1/games/urls"]
    assert {problem.place: problem.message.split(":")[0] for problem in tree.problems} == {
        "ut1/up": "a link that leaves the list",
        "ut1/absolute": "a link that leaves the list",
        "ut1/games/domains": "a link that leaves the list",
        "ut1/nowhere": "a link that leads nowhere",
        "ut1/loop": "a link that leads nowhere",
    }


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    write(tmp_path, "games/urls")
    os.mkfifo(tmp_path / "games" / "domains")
    tree = read_tree("ut1", tmp_path)
    assert [file.place for file in tree.files] == ["ut1/games/urls"]
    assert [str(problem) for problem in tree.problems] == [
        "ut1/games/domains: not a regular file: replace it"
    ]


def test_what_is_not_used_is_said(tmp_path: Path) -> None:
    write(tmp_path, "adult/domains", "adult/very_restrictive_expression", "adult/domains.diff")
    tree = read_tree("ut1", tmp_path)
    assert [item.place for item in tree.ignored] == [
        "ut1/adult/domains.diff",
        "ut1/adult/very_restrictive_expression",
    ]
    assert len(tree.files) == 1


def test_usage_is_a_description_and_never_policy(tmp_path: Path) -> None:
    write(tmp_path, "games/domains", "update/domains", "news/domains", "chat/domains")
    (tmp_path / "games" / "usage").write_text("black\ngames\nplay\n")
    (tmp_path / "update" / "usage").write_text("white\nblack\n")
    (tmp_path / "news" / "description").write_text("# no\nNews and\x1b[31m weather\nmore\n")
    (tmp_path / "global_usage").write_text(
        "# x\nNAME: chat\nDEFAULT_TYPE: black\nDESC FR: Parler\nDESC EN: Talking\n"
        "NAME: games\nDESC EN:\n"
    )
    tree = read_tree("ut1", tmp_path)
    assert tree.descriptions == {
        "games": "games, play",
        "news": "News and[31m weather",
        "chat": "Talking",
    }


@pytest.mark.parametrize(
    ("folder", "category"),
    [("Games", "games"), ("hobby/cooking", "hobby-cooking"), ("a_b-9", "a_b-9")],
)
def test_names_of_categories(tmp_path: Path, folder: str, category: str) -> None:
    assert read_tree("bl", write(tmp_path, f"{folder}/domains")).categories == {category}


@pytest.mark.parametrize("folder", ["spiel & spaß", "-x", "a" * 65, "_x", "uncategorised"])
def test_folders_that_cannot_name_a_category(tmp_path: Path, folder: str) -> None:
    tree = read_tree("bl", write(tmp_path, f"{folder}/domains"))
    assert tree.categories == frozenset()
    assert len(tree.problems) == 1


def test_only_local_overrides_may_say_uncategorised(tmp_path: Path) -> None:
    write(tmp_path, "uncategorised/domains")
    assert read_tree("local", tmp_path).categories == {"uncategorised"}
    assert read_tree("starter", tmp_path).categories == frozenset()


def test_hidden_folders_are_passed_over(tmp_path: Path) -> None:
    assert read_tree("ut1", write(tmp_path, ".git/domains", "games/domains")).categories == {
        "games"
    }


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CategorySourceError, match="missing"):
        read_tree("ut1", tmp_path / "missing")


def test_the_folder_of_categories_is_found_in_an_archives_wrapping(tmp_path: Path) -> None:
    assert list_root(write(tmp_path / "a", "blacklists/games/domains")) == tmp_path / "a/blacklists"
    assert list_root(write(tmp_path / "b", "games/domains")) == tmp_path / "b"
    assert list_root(write(tmp_path / "c", "games/domains", "news/urls")) == tmp_path / "c"
    with pytest.raises(CategorySourceError, match="give the folder above it"):
        list_root(tmp_path / "c" / "games")
