"""PDF files: a password, and what is attached."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pypdfium2
import pytest
from support.office import converted
from support.packing import ARCHIVES, PROGRAM, TEXT, tar_of, zip_of

from proxy_addons.content.archives import Members, examine_archive
from proxy_addons.settings.content import Archives

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("office")


def pdf(**attached: bytes) -> bytes:
    document = pypdfium2.PdfDocument.new()
    document.new_page(100, 100).close()
    for name, content in attached.items():
        document.new_attachment(name).set_data(content)
    written = io.BytesIO()
    document.save(written)
    document.close()
    return written.getvalue()


def by_office(folder: Path, **options: str | bool) -> bytes:
    """A PDF as LibreOffice writes it, with options of its filter."""
    typed = {
        name: {"type": "string", "value": value}
        if isinstance(value, str)
        else {"type": "boolean", "value": str(value).lower()}
        for name, value in options.items()
    }
    return converted(folder, f"pdf:writer_pdf_Export:{json.dumps(typed)}")


def looked(content: bytes) -> Members:
    return examine_archive(io.BytesIO(content), Archives())


def test_a_plain_one_has_no_findings() -> None:
    assert looked(pdf()) == Members()
    assert looked(zip_of({"a.pdf": pdf()})) == Members(frozenset({"pdf"}))


def test_what_is_attached_is_seen() -> None:
    found = looked(pdf(readme=TEXT, setup=zip_of({"a.txt": PROGRAM})))
    assert found.types == {"text", "archive", "windows-program"}
    assert found.first == ("setup/a.txt",)
    assert looked(zip_of({"x.pdf": pdf(b=PROGRAM)})).first == ("x.pdf/b",)


@pytest.mark.parametrize("content", [b"%PDF-1.7 and no more", pdf()[:200]])
def test_a_damaged_one_has_nothing_in_it(content: bytes) -> None:
    assert looked(content) == Members()


def test_a_password_is_a_finding(office: Path) -> None:
    locked = by_office(office, EncryptFile=True, DocumentOpenPassword="secret")
    assert b"/Encrypt" in locked
    assert looked(locked).itself == {"encrypted-document"}
    assert looked(zip_of({"a.pdf": locked})).types == {"pdf", "encrypted-document"}


def test_a_password_for_changing_it_is_none(office: Path) -> None:
    restricted = by_office(
        office, RestrictPermissions=True, PermissionPassword="secret", Printing="0"
    )
    assert b"/Encrypt" in restricted
    assert looked(restricted) == Members()


@pytest.mark.parametrize("pack", [tar_of, ARCHIVES["zip-stored"]])
def test_a_pdf_at_the_start_of_an_archive_hides_nothing(
    pack: Callable[[dict[str, bytes]], bytes],
) -> None:
    assert "windows-program" in looked(pack({"a.pdf": pdf(), "b": PROGRAM})).types


def test_an_archive_behind_a_pdf_is_looked_into() -> None:
    assert looked(pdf() + zip_of({"b": PROGRAM})).types == {"windows-program"}
