"""What a list of a format says of a name, against its rules read out one by one."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy_addons.categorisation import (
    CategoryImportError,
    Format,
    SourceFolders,
    ensure_index,
    import_lists,
)
from proxy_addons.urlkey import url_key

if TYPE_CHECKING:
    from collections.abc import Iterable

LABELS = st.sampled_from(["a", "b", "www", "c"])
NAMES = st.lists(LABELS, min_size=1, max_size=3).map(lambda labels: ".".join([*labels, "test"]))
ASKED = [
    *("a.test", "www.a.test", "b.a.test", "www.b.a.test", "b.test", "c.b.a.test", "a.a.a.test"),
    *("www.test", "www.www.a.test", "c.www.b.test", "www2.a.test", "ba.test", "c.test"),
]


def listed(files: dict[str, str], written: Format) -> set[str]:
    """Those of the names asked that the list has."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "list").mkdir()
        for name, content in files.items():
            (place / "list" / name).write_text(content)
        try:
            import_lists(place / "list", place / "lists", format=written, category="ads")
        except CategoryImportError as error:
            if "no usable entry" not in str(error):
                raise
            return set()
        folders = SourceFolders(place / "none", place / "lists")
        index = ensure_index(folders, place / "index").index
        return {name for name in ASKED if "ads" in index.lookup(url_key(f"https://{name}/"))}


def below(name: str, entry: str) -> bool:
    return name == entry or name.endswith(f".{entry}")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), NAMES), min_size=1, max_size=8))
def test_adblock(rules: list[tuple[bool, bool, str]]) -> None:
    text = "".join(
        f"{'@@' * excepts}||{name}^{'$important' * strong}\n" for excepts, strong, name in rules
    )

    def strongest(name: str) -> bool:
        rungs = [2 * strong + excepts for excepts, strong, entry in rules if below(name, entry)]
        return max(rungs, default=1) % 2 == 0

    assert listed({"list.txt": text}, Format.ADBLOCK) == set(filter(strongest, ASKED))


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.tuples(st.booleans(), NAMES), st.booleans(), min_size=1, max_size=8))
def test_rpz(triggers: dict[tuple[bool, str], bool]) -> None:
    text = "$TTL 60\n" + "".join(
        f"{'*.' * wild}{name} CNAME {'.' if refused else 'rpz-passthru.'}\n"
        for (wild, name), refused in triggers.items()
    )

    def refused(name: str) -> bool:
        if (False, name) in triggers:
            return triggers[False, name]
        while name := name.partition(".")[2]:
            if (True, name) in triggers:
                return triggers[True, name]
        return False

    assert listed({"list.zone": text}, Format.RPZ) == set(filter(refused, ASKED))


SITES = st.lists(NAMES, max_size=3)


@settings(max_examples=40, deadline=None)
@given(SITES, SITES, SITES, SITES, SITES)
def test_e2guardian(
    banned: list[str], exceptions: list[str], grey: list[str], local: list[str], own: list[str]
) -> None:
    def any_of(name: str, entries: Iterable[str]) -> bool:
        return any(below(name, entry) for entry in entries)

    def refused(name: str) -> bool:
        if any_of(name, own) or any_of(name, local):
            return not any_of(name, own)
        return any_of(name, banned) and not any_of(name, [*exceptions, *grey])

    files = {
        "bannedsitelist": banned,
        "exceptionsitelist": exceptions,
        "greysitelist": grey,
        "localbannedsitelist": local,
        "localexceptionsitelist": own,
    }
    texts = {name: "".join(f"{site}\n" for site in sites) for name, sites in files.items()}
    assert listed(texts, Format.E2GUARDIAN) == set(filter(refused, ASKED))


@settings(max_examples=40, deadline=None)
@given(SITES, SITES)
def test_hosts_and_domains(hosts: list[str], names: list[str]) -> None:
    text = "".join(f"0.0.0.0 {name}\n" for name in hosts)
    assert listed({"list.txt": text}, Format.HOSTS) == set(ASKED) & set(hosts)
    text = "".join(f"{name}\n" for name in names)
    expected = {name for name in ASKED if any(below(name, entry) for entry in names)}
    assert listed({"list.txt": text}, Format.DOMAINS) == expected
