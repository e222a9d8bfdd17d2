"""The starter lists: their form, their size, and that no two of them pull a site both ways.

In: `categories/starter/`. Out: passes, or names file and line.
"""

from __future__ import annotations

import re
from collections import defaultdict
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from proxy_addons.categorisation.entries import domain_entry, reversed_name, url_entry

if TYPE_CHECKING:
    from collections.abc import Iterator

STARTER = Path(__file__).parents[1] / "categories" / "starter"
CATEGORIES = sorted(folder.name for folder in STARTER.iterdir() if folder.is_dir())
LISTS = sorted(STARTER.glob("*/domains")) + sorted(STARTER.glob("*/urls"))

CASES = yaml.safe_load(
    (Path(__file__).parent / "cases" / "starter_lists.yaml").read_text(encoding="utf-8")
)
NEVER = set(CASES["never_for_anyone_at_work"].split())
NEEDED = set(CASES["needed_for_work"].split())

LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)\Z")
# `co.uk` in a list would refuse a country; `gov.uk` is meant.
REGISTRY_SUFFIX = re.compile(r"(co|com|edu|ltd|me|ne|net|nom|or|org|plc)\.[a-z]{2}\Z")


def entries(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line number (from 1) and text of each line that is not a comment."""
    for number, line in enumerate(path.read_text(encoding="ascii").splitlines(), start=1):
        if not line.startswith("#"):
            yield number, line


def names(category: str) -> list[str]:
    return [line for _, line in entries(STARTER / category / "domains")]


def is_address(name: str) -> bool:
    try:
        return str(IPv4Address(name)) == name
    except AddressValueError:  # a host name then, and judged as one
        return False


def host_fault(host: str) -> str | None:
    """Say what is wrong with a listed host, or None."""
    if is_address(host):
        return None
    labels = host.split(".")
    if len(labels) < 2:
        return "a single label covers a whole top-level domain"
    if len(host) > 253 or not all(LABEL.match(label) for label in labels):
        return "not a lower-case host name without scheme, port or trailing dot"
    if labels[-1].isdigit():
        return "ends in a number and is no IPv4 address"
    if REGISTRY_SUFFIX.match(host):
        return "covers everything registered under a suffix"
    return None


def above(name: str) -> Iterator[str]:
    """Yield the name and each name above it: a.b.c, b.c, c."""
    labels = name.split(".")
    return (".".join(labels[start:]) for start in range(len(labels)))


def test_every_category_asked_for_is_there() -> None:
    assert set(CATEGORIES) >= set(CASES["asked_for"].split()) | NEVER | NEEDED


def test_at_least_25_categories_have_at_least_10_names() -> None:
    full = [category for category in CATEGORIES if len(names(category)) >= 10]
    assert len(full) >= 25
    assert set(CATEGORIES) - set(full) <= set(CASES["test_names_only"].split())


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_category_has_a_plain_id_and_one_line_that_describes_it(category: str) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", category)
    assert {file.name for file in (STARTER / category).iterdir()} <= {
        "domains",
        "urls",
        "description",
    }
    description = (STARTER / category / "description").read_text(encoding="utf-8")
    assert re.fullmatch(r"[A-Z][^\n]{10,100}[^\n.]\n", description)


@pytest.mark.parametrize("path", LISTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_list_is_sorted_has_no_duplicates_and_ends_its_last_line(path: Path) -> None:
    lines = [line for _, line in entries(path)]
    assert lines == sorted(set(lines))
    assert lines
    assert path.read_bytes().endswith(b"\n")
    assert b"\r" not in path.read_bytes()


@pytest.mark.parametrize("category", CATEGORIES)
def test_names_are_canonical(category: str) -> None:
    path = STARTER / category / "domains"
    faults = [
        f"{path}:{number}: {name!r}: {fault}"
        for number, name in entries(path)
        if (fault := host_fault(name))
    ]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("category", CATEGORIES)
def test_no_name_stands_below_another_of_its_own_list(category: str) -> None:
    listed = set(names(category))
    assert not [name for name in listed if listed & set(list(above(name))[1:])]


@pytest.mark.parametrize("path", sorted(STARTER.glob("*/urls")), ids=lambda path: path.parent.name)
def test_urls_are_a_host_without_www_and_a_path(path: Path) -> None:
    for number, line in entries(path):
        host, slash, rest = line.partition("/")
        where = f"{path}:{number}: {line!r}"
        assert host_fault(host) is None, where
        assert slash, where
        assert re.fullmatch(r"[a-z0-9._-]+(/[a-z0-9._-]+)*", rest), where
        # the format drops a leading www, web or ftp with digits: written here it would never match
        assert not re.match(r"(www|web|ftp)\d*\.", host), where


@pytest.mark.parametrize("path", LISTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_compiler_takes_every_line_as_it_is_meant(path: Path) -> None:
    for number, line in entries(path):
        where = f"{path}:{number}: {line!r}"
        if path.name == "urls":
            host, _, rest = line.partition("/")
            assert url_entry(line) == f"{reversed_name(host)}/{rest}", where
        else:
            taken = f"[{line}]." if is_address(line) else reversed_name(line)
            assert domain_entry(line) == taken, where


def test_no_site_is_both_never_wanted_at_work_and_needed_for_it() -> None:
    listed: dict[str, set[str]] = defaultdict(set)
    for category in CATEGORIES:
        for name in names(category):
            listed[name].add(category)
    clashes = {}
    for name in listed:
        categories = set[str]().union(*(listed.get(upper, set()) for upper in above(name)))
        if categories & NEVER and categories & NEEDED:
            clashes[name] = categories
    assert clashes.keys() == CASES["explained"].keys(), clashes


@pytest.mark.parametrize(("name", "category"), CASES["must_hold"].items())
def test_names_that_the_policy_and_its_tests_count_on(name: str, category: str) -> None:
    assert name in names(category)


@pytest.mark.parametrize("name", CASES["must_be_in_no_list"])
def test_names_that_would_sweep_in_what_they_should_not_are_in_no_list(name: str) -> None:
    assert not [category for category in CATEGORIES if name in names(category)]


@pytest.mark.parametrize(("host", "fault"), CASES["faulty_hosts"].items())
def test_the_check_itself_finds_faults(host: str, fault: str) -> None:
    assert fault in (host_fault(host) or "")
