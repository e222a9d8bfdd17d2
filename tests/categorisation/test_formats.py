"""Every format: what its lines come to is what a request is asked by; the rest is counted."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from proxy_addons.categorisation import (
    CategoryImportError,
    Format,
    ImportReport,
    ensure_index,
    expressions,
    import_lists,
    imports,
)
from proxy_addons.cli import categories as cli
from proxy_addons.urlkey import url_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Place

CASES = Path(__file__).parents[1] / "cases" / "list_formats"


def cases() -> Iterator[Any]:
    for path in sorted(CASES.glob("*.yaml")):
        for case in yaml.safe_load(path.read_text(encoding="utf-8")):
            yield pytest.param(case, id=f"{path.stem}: {case['case']}")


def imported(place: Place, root: Path, case: dict[str, Any]) -> ImportReport:
    source = root / "list"
    for name, content in case["files"].items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # A character above ASCII and below 256 stands for an octet that is no UTF-8.
        octets = content.encode("latin-1" if re.search("[\xfe\xff]", content) else "utf-8")
        path.write_bytes(octets)
    return import_lists(
        source,
        place.folders.lists_dir,
        format=Format(case.get("format", "auto")),
        category=case.get("category"),
        very_restrictive=case.get("very_restrictive", False),
    )


@pytest.mark.parametrize("case", list(cases()))
def test_a_list_is_read_as_it_is_meant(
    place: Place, tmp_path: Path, case: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    if "refused" in case:
        if "memory" in case:
            monkeypatch.setattr(expressions, "_MEMORY", case["memory"])
        with pytest.raises(CategoryImportError, match=case["refused"]) as caught:
            imported(place, tmp_path, case)
        assert str(caught.value).replace("\n", "").isprintable()
        assert not (place.folders.lists_dir / "list").exists()
        assert list((place.folders.lists_dir / ".store").iterdir()) == []
        return
    report = imported(place, tmp_path, case)
    index = ensure_index(place.folders, place.index_file).index
    counts = {
        name: {str(kind): count for kind, count in kinds.items() if count}
        for name, kinds in report.counts.items()
    }
    assert counts == case.get("counts", counts)
    assert dict(report.exceptions) == case.get("exceptions", dict(report.exceptions))
    assert report.format == case.get("read_as", report.format)
    assert dict(report.problems.reasons) == case.get("not_used", dict(report.problems.reasons))
    assert list(report.ignored) == case.get("ignored", list(report.ignored))
    assert set(case.get("shown", ())) <= set(report.problems.lines())
    for category, hosts in case.get("is", {}).items():
        for host in hosts:
            assert category in index.lookup(url_key(f"https://{host}")), host
            assert any(
                match.counts and not match.excepts and match.category == category
                for match in index.explain(url_key(f"https://{host}"))
            ), host
    for category, hosts in case.get("is_not", {}).items():
        for host in hosts:
            assert category not in index.lookup(url_key(f"https://{host}")), host
            assert not any(
                match.counts and not match.excepts and match.category == category
                for match in index.explain(url_key(f"https://{host}"))
            ), host


def test_the_command_line_names_every_format() -> None:
    assert tuple(Format) == cli._FORMATS


LONG = 10_000_000
# One line each. What looks harmless to a parser that goes back and forth takes it for ever.
HOSTILE = {
    "letters": b"a" * LONG,
    "dots": b"." * LONG,
    "quotation marks": b'"' * LONG,
    "parentheses": b"(" * LONG,
    "digits": b"x.test " + b"1" * 60_000 + b"x",
    "spaces in a directive": b"#listcategory:" + b" " * 60_000 + b'"x',
    "marks of cosmetic rules": b"#" + b"$%" * 30_000,
    "escapes": b'"' + b"\\" * 60_001,
    "labels": b"a." * 30_000 + b"test",
    "modifiers": b"||a.test^$" + b"x," * 30_000,
    "an expression": b"(" * 2000 + b"a" + b")*" * 2000,
    "repetitions": b"((a{100}){100}){100}",
    "wildcards": b"*." * 30_000 + b"test CNAME .",
    "NULs": b"\0" * LONG,
}


@pytest.mark.parametrize("written", [each for each in Format if each is not Format.AUTO])
@pytest.mark.parametrize("line", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_line_is_counted_and_the_next_one_read(
    place: Place, tmp_path: Path, written: Format, line: bytes
) -> None:
    good = {
        Format.HOSTS: b"0.0.0.0 good.test",
        Format.ADBLOCK: b"||good.test^",
        Format.RPZ: b"good.test CNAME .",
    }.get(written, b"good.test")
    names = {
        Format.SQUIDGUARD: ("games/domains", "games/expressions"),
        Format.E2GUARDIAN: ("bannedsitelist", "bannedregexpurllist"),
    }.get(written, ("games.txt",))
    for name in names:
        path = tmp_path / "list" / name
        path.parent.mkdir(exist_ok=True, parents=True)
        # In a zone a parenthesis that is left open takes the lines after it along.
        path.write_bytes(good + b"\n" + line + b"\n")
    report = import_lists(
        tmp_path / "list",
        place.folders.lists_dir,
        format=written,
        category=None if written is Format.SQUIDGUARD else "games",
    )
    assert report.counts["games"]
    assert all(len(said) < 500 for said in report.problems.lines())
    written_out = (place.folders.lists_dir / "list").rglob("*")
    if written is not Format.SQUIDGUARD:
        assert sum(path.stat().st_size for path in written_out if path.is_file()) < 100_000


def test_origins_that_grow_are_refused(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "bad.zone"
    path.write_text("$ORIGIN test.\n" + "$ORIGIN a\n" * 2000 + "$ORIGIN test.\ngood CNAME .\n")
    report = import_lists(path, place.folders.lists_dir)
    (reason,) = report.problems.reasons
    assert reason.startswith("with its origin a name longer")


def test_too_many_expressions(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "_MOST_EXPRESSIONS", 3)
    (tmp_path / "list" / "games").mkdir(parents=True)
    (tmp_path / "list" / "games" / "expressions").write_text("a\nb\nc\nd\n")
    with pytest.raises(CategoryImportError, match="more than 3 expressions"):
        import_lists(tmp_path / "list", place.folders.lists_dir)
