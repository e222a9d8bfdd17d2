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
