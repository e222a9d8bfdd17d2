"""Documents that LibreOffice makes: their markings are found wherever they stand.

These are a few; all forms, places and ways to write a marking are in scripts/markings.
"""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING

import pytest
from support.documents import KINDS, PLACES, PROSE, Shape, Text, convert, marked, program

from proxy_addons.content.documents import findings_of

if TYPE_CHECKING:
    from pathlib import Path

# One call of LibreOffice takes a second and a half, for one document or for eight.
FORMS = {
    "writer": {"docx": "document", "pdf": "pdf"},
    "calc": {"xlsx": "document"},
    "impress": {"pptx": "document"},
}
WORDS = (
    ("OFFICIAL-SENSITIVE", "official-sensitive"),
    ("RESTRICTED", "restricted"),
    ("SECRET \u2013 UK EYES ONLY", "secret"),
    ("OFFICIAL \u2013 SENSITIVE [PERSONAL]", "official-sensitive"),
    ("CONFIDENTIAL", "confidential"),
)
ORDINARY = (
    ("not-marked", Text(header="NOT PROTECTIVELY MARKED", footer="Page 1 of 3")),
    ("official", Text(header="OFFICIAL", lines=(*PROSE, "SECRET", *PROSE))),
    ("letter", Text(lines=("PRIVATE AND CONFIDENTIAL", "Dear Mr Smith,", *PROSE))),
    ("santa", Text(header="SECRET SANTA", properties=(("title", "Secret Santa"),))),
)

pytestmark = pytest.mark.skipif(program() is None, reason="LibreOffice is not here")


def shapes(kind: str, folder: Path) -> list[Shape]:
    """Marked documents, and ordinary ones, of one of LibreOffice's programs."""
    write, suffix = KINDS[kind]
    sources = []
    wanted = {}
    for place, (words, marking) in zip(PLACES, cycle(WORDS), strict=False):
        source = folder / f"{place}{suffix}"
        source.write_text(write(marked(words, place)), encoding="utf-8")
        sources.append(source)
        wanted[place] = marking
    for name, text in ORDINARY:
        source = folder / f"{name}{suffix}"
        source.write_text(write(text), encoding="utf-8")
        sources.append(source)
        wanted[name] = ""
    return [
        Shape(path, file_type, wanted[path.stem], path.stem)
        for form, file_type in FORMS[kind].items()
        for path in convert(sources, form, folder / form)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_markings_are_found_and_prose_is_none(kind: str, tmp_path: Path) -> None:
    wrong = []
    for shape in shapes(kind, tmp_path):
        with shape.path.open("rb") as file:
            found = findings_of(file, frozenset({shape.file_type}))
        wanted = {f"marking={shape.marking}"} if shape.marking else set()
        if shape.place == "custom" and shape.file_type == "pdf":
            wanted = set()  # LibreOffice writes no properties with names of one's own there
        if found != wanted:
            wrong.append((shape.path.name, sorted(found), wanted))
    assert wrong == []
