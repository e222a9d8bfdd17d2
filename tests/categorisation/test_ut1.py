"""The real UT1 list: counts against the archive's own lines, and names looked up."""

from __future__ import annotations

import re
import tarfile
from typing import TYPE_CHECKING

import pytest

from proxy_addons.categorisation import (
    CategoryIndex,
    ImportReport,
    SourceFolders,
    ensure_index,
    import_lists,
)
from proxy_addons.urlkey import url_key

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def ut1(
    ut1_archive: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[ImportReport, CategoryIndex]:
    folder = tmp_path_factory.mktemp("ut1")
    report = import_lists(ut1_archive, folder / "lists")
    folders = SourceFolders(folder / "categories", folder / "lists")
    return report, ensure_index(folders, folder / "categories.index").index


@pytest.fixture(scope="session")
def names(ut1_archive: Path) -> dict[str, set[str]]:
    """The names of each category, read without any of our code."""
    found = {}
    with tarfile.open(ut1_archive) as archive:
        for member in archive:
            parts = member.name.split("/")
            content = archive.extractfile(member) if parts[-1] == "domains" else None
            if content is not None:
                lines = content.read().decode().lower().split("\n")
                found[parts[-2]] = {line.strip(". ") for line in lines if line.strip()}
    return found


def test_counts(ut1: tuple[ImportReport, CategoryIndex], names: dict[str, set[str]]) -> None:
    report, index = ut1
    assert report.name == "ut1"
    assert len(names) > 50
    assert {category: index.counts_by_kind[category].get("domains", 0) for category in names} == {
        category: len(listed) for category, listed in names.items()
    }
    assert not any(place.endswith("/domains") for place in report.problems.counts)


def test_aliases(ut1: tuple[ImportReport, CategoryIndex]) -> None:
    report, index = ut1
    assert report.aliases.items() >= {
        ("ads", "publicite"),
        ("porn", "adult"),
        ("proxy", "redirector"),
        ("drugs", "drogue"),
        ("violence", "agressif"),
        ("mail", "forums"),
    }
    for alias, target in report.aliases.items():
        assert index.counts_by_kind[alias] == index.counts_by_kind[target]
        assert index.descriptions[alias] == f"the same entries as {target}"


def test_every_hundredth_name_is_found_and_its_look_alike_is_not(
    ut1: tuple[ImportReport, CategoryIndex], names: dict[str, set[str]]
) -> None:
    _, index = ut1
    checked = 0
    for category, listed in names.items():
        for name in sorted(listed)[::100]:
            assert category in index.lookup(url_key(f"https://{name}/")), name
            if not re.fullmatch(r"[0-9.]+", name):
                assert category in index.lookup(url_key(f"https://sub.{name}/x?y")), name
                alike = {match.entry for match in index.explain(url_key(f"https://zq{name}/"))}
                assert name not in alike
            checked += 1
    assert checked > 1000


@pytest.mark.parametrize(
    ("url", "category"),
    [
        ("https://www.hotmail.com/", "webmail"),
        ("https://www.ladbrokes.com/", "gambling"),
        ("http://192.0.2.1/search?q=5", "malware"),  # by expression
        ("https://unlisted.example/banner/x.gif", "publicite"),  # by expression
        ("https://www.guyism.com/section/celebs/x", "celebrity"),  # by URL
    ],
)
def test_known_addresses(ut1: tuple[ImportReport, CategoryIndex], url: str, category: str) -> None:
    assert category in ut1[1].lookup(url_key(url))


@pytest.mark.parametrize("url", ["https://www.merseyside.police.uk/", "https://unlisted.example/"])
def test_addresses_that_are_in_no_list(ut1: tuple[ImportReport, CategoryIndex], url: str) -> None:
    assert ut1[1].lookup(url_key(url)) == frozenset()


def test_what_is_not_used_is_little_and_said(ut1: tuple[ImportReport, CategoryIndex]) -> None:
    report, index = ut1
    assert len(report.problems) < index.entries / 100
    assert any("very_restrictive_expression" in line for line in report.ignored)
