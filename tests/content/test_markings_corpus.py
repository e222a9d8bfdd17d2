"""What of the corpus of markings (scripts/markings) needs no LibreOffice."""

from __future__ import annotations

import importlib
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from proxy_addons.content.declared import named
from proxy_addons.content.documents import findings_of
from proxy_addons.content.markings import Part, markings_in
from proxy_addons.content.types import types_of_file

if TYPE_CHECKING:
    from collections.abc import Iterator

TOP = Path(__file__).resolve().parents[2]
PROSE = yaml.safe_load((TOP / "tests/cases/ordinary_prose.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def corpus() -> Iterator[Any]:
    sys.path.insert(0, str(TOP / "scripts"))
    yield importlib.import_module("markingslib.marked")
    sys.path.remove(str(TOP / "scripts"))


def test_every_way_is_found_at_every_place_of_a_mail(corpus: Any, tmp_path: Path) -> None:
    missed = []
    shapes = list(corpus.mails(tmp_path))
    for _, shape, words in shapes:
        with shape.path.open("rb") as file:
            found = findings_of(file, types_of_file(file, named("x.eml")))
        if found != {f"marking={shape.marking}"}:
            missed.append((words, shape.place, sorted(found)))
    assert [each for each in missed if not corpus.by_design(*each[:2])] == []
    assert len(shapes) == len(corpus.WAYS) * len(corpus.MAIL_PLACES)


@pytest.mark.parametrize("case", PROSE, ids=lambda case: case["text"].split("\n")[0])
def test_ordinary_prose_is_not_marked(case: dict[str, str]) -> None:
    parts = [Part("header", case["header"]), Part("body", case["text"])]
    assert markings_in(parts) == frozenset()
    text = f"{case['header']}\n{case['text']}".encode()
    assert findings_of(io.BytesIO(text), frozenset({"text"})) == frozenset()
    page = "".join(f"<p>{line}</p>" for line in case["text"].split("\n")).encode()
    assert findings_of(io.BytesIO(page), frozenset({"web-page"})) == frozenset()
