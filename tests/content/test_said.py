"""What the examiner's processes read of files that are sent, with nothing but what they have."""

from __future__ import annotations

import io
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest
from content.test_documents import PDF, WORD, message, office

from proxy_addons.content.declared import named
from proxy_addons.content.examiner import Examiner
from proxy_addons.settings.content import Archives

if TYPE_CHECKING:
    from pathlib import Path

DOCX = office(word__header1=f"<w:hdr {WORD}><w:p><w:r><w:t>SECRET</w:t></w:r></w:p></w:hdr>")
RTF = rb"{\rtf1{\header TOP SECRET\par}Parade.\par}"


def mail() -> bytes:
    made = message(Subject="Minutes")
    made.add_attachment(DOCX, "application", "octet-stream", filename="falcon.docx")
    return made.as_bytes()


def packed(name: str, content: bytes) -> bytes:
    """A file in a zip archive in a tar archive."""
    inner, outer = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr(name, content)
    with tarfile.open(fileobj=outer, mode="w:gz") as archive:
        member = tarfile.TarInfo("inner.zip")
        member.size = len(inner.getvalue())
        archive.addfile(member, io.BytesIO(inner.getvalue()))
    return outer.getvalue()


@pytest.mark.parametrize("in_archive", [False, True])
async def test_what_is_sent_is_read(tmp_path: Path, in_archive: bool) -> None:
    files = {
        "a.docx": (DOCX, {"secret"}),
        "a.pdf": (PDF, {"restricted", "secret"}),
        "a.rtf": (RTF, {"top-secret"}),
        "a.eml": (mail(), {"secret"}),
        "a.txt": (b"OFFICIAL-SENSITIVE\nParade at six.\nBoots.\n", {"official-sensitive"}),
        "b.txt": (b"The area is restricted.\n", set()),
    }
    found = {}
    async with Examiner(Archives(processes=1), tmp_path) as examiner:
        for name, (content, _) in files.items():
            path = tmp_path / name
            path.write_bytes(packed(name, content) if in_archive else content)
            declared = named("a.tar.gz" if in_archive else name)
            found[name] = (await examiner.examine(path, declared, sent=True)).said
    wanted = {name: {f"marking={each}" for each in marks} for name, (_, marks) in files.items()}
    assert found == wanted
