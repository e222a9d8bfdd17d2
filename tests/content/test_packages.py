"""What an archive is by its members: packages, Office files with macros, passwords."""

from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING

import pytest
from support.office import converted
from support.packing import PROGRAM, TEXT, encrypted_zip, tar_of, zip_of

from proxy_addons.content.archives import Members, examine_archive
from proxy_addons.content.declared import named
from proxy_addons.content.packages import Tells
from proxy_addons.policy.findings import FILE_TYPES
from proxy_addons.settings.content import Archives

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILL = {f"fill/{number}.txt": TEXT for number in range(30)}


def looked(archive: bytes, name: str = "") -> Members:
    return examine_archive(io.BytesIO(archive), Archives(), named(name))


def content_types(*kinds: str) -> bytes:
    parts = "".join(f'<Override PartName="/x" ContentType="{kind}"/>' for kind in kinds)
    return f"<?xml version='1.0'?><Types>{parts}</Types>".encode()


WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
VBA = "application/vnd.ms-office.vbaProject"
ADD_IN = "application/vnd.ms-excel.addin.macroEnabled.main+xml"
ODT = b"application/vnd.oasis.opendocument.text"
MANIFEST = b"<manifest:manifest><manifest:file-entry manifest:media-type='%s'/></manifest:manifest>"

ZIPS: dict[str, tuple[dict[str, bytes], set[str]]] = {
    "a jar": (
        {"META-INF/MANIFEST.MF": b"Manifest-Version: 1.0\n", "a/B.class": b"x"},
        {"java-program"},
    ),
    "an app of Android": (
        {"META-INF/MANIFEST.MF": b"x", "AndroidManifest.xml": b"x"},
        {"android-package"},
    ),
    "a bundle of Android": ({"base/manifest/AndroidManifest.xml": b"x"}, {"android-package"}),
    "code of Android": ({"classes2.dex": b"x"}, {"android-package"}),
    "an app of iOS": ({"Payload/A.app/Info.plist": b"x"}, {"ios-package"}),
    "an app of Windows": ({"AppxManifest.xml": b"x"}, {"windows-installer"}),
    "a bundle of Windows": ({"AppxMetadata/AppxBundleManifest.xml": b"x"}, {"windows-installer"}),
    "a wheel": ({"a-1.0.dist-info/WHEEL": b"x", "a/__init__.py": b""}, {"python-package"}),
    "an egg": ({"EGG-INFO/PKG-INFO": b"x"}, {"python-package"}),
    "an extension": ({"manifest.json": b'{"manifest_version": 3}'}, {"browser-extension"}),
    "an extension with a comment": (
        {"manifest.json": b'// x\n{"manifest_version": 3}'},
        {"browser-extension"},
    ),
    "an older extension": (
        {"install.rdf": b"x", "META-INF/manifest.mf": b"x"},
        {"browser-extension"},
    ),
    "a package of conda": ({"info/index.json": b"{}", "info/files": b"x"}, {"software-package"}),
    "a newer package of conda": (
        {"metadata.json": b"{}", "pkg-a-1.tar.zst": b"x"},
        {"software-package"},
    ),
    "data of some kind": (
        {"metadata.gz": b"x", "info/index.json": b"{}", "metadata.json": b"{}"},
        set(),
    ),
    "a manifest of something else": ({"manifest.json": b'{"name": "x"}'}, set()),
    "a package of .NET": ({"a.nuspec": b"x"}, {"software-package"}),
    "an extension of an editor": ({"extension.vsixmanifest": b"x"}, {"software-package"}),
    "a package under other slashes": ({".\\META-INF\\manifest.mf": b"x"}, {"java-program"}),
    "a letter": (
        {"[Content_Types].xml": content_types(WORD), "word/document.xml": b"x"},
        {"document"},
    ),
    "a letter with macros": (
        {"[Content_Types].xml": content_types(WORD, VBA), "word/vbaProject.bin": b"x"},
        {"document", "office-macros"},
    ),
    "macros by another name": (
        {"[Content_Types].xml": content_types(WORD, VBA), "word/x.bin": b"x"},
        {"document", "office-macros"},
    ),
    "macros in UTF-16": (
        {"[Content_Types].xml": content_types(VBA).decode().encode("utf-16")},
        {"document", "office-macros"},
    ),
    "macros without a list": ({"xl/vbaProject.bin": b"x"}, {"office-macros"}),
    "a sheet of macros": (
        {"[Content_Types].xml": content_types(), "xl/macrosheets/sheet1.xml": b"x"},
        {"document", "office-macros"},
    ),
    "an add-in": (
        {"[Content_Types].xml": content_types(ADD_IN)},
        {"document", "office-macros", "office-add-in"},
    ),
    "an OpenDocument": (
        {
            "mimetype": ODT,
            "META-INF/manifest.xml": MANIFEST % ODT,
            "Basic/script-lc.xml": b"x",
            "Basic/Standard/script-lb.xml": b"x",
        },
        {"document"},
    ),
    "an OpenDocument with Basic": (
        {"mimetype": ODT, "Basic/Standard/Module1.xml": b"x"},
        {"document", "office-macros"},
    ),
    "an OpenDocument with Python": (
        {"META-INF/manifest.xml": MANIFEST % ODT, "Scripts/python/x.py": b"x"},
        {"document", "office-macros"},
    ),
    "an OpenDocument with a password": (
        {"mimetype": ODT, "META-INF/manifest.xml": MANIFEST % b"x'><manifest:encryption-data a='"},
        {"document", "encrypted-document"},
    ),
    "an extension of LibreOffice": (
        {"META-INF/manifest.xml": MANIFEST % b"application/vnd.sun.star.uno-component;type=Python"},
        {"office-add-in"},
    ),
    "a book": ({"mimetype": b"application/epub+zip", "META-INF/container.xml": b"x"}, {"document"}),
    "a signed container": ({"mimetype": b"application/vnd.etsi.asic-e+zip"}, {"document"}),
    "pictures and scripts": (
        {"scripts/a.txt": b"x", "Basic/x/y.xml": b"x", "a.png": b"\x89PNG\r\n\x1a\n"},
        set(),
    ),
}

TARS: dict[str, tuple[dict[str, bytes], set[str]]] = {
    "of npm": ({"package/package.json": b"{}"}, {"npm-package"}),
    "of npm, with another folder": ({"node/package.json": b"{}"}, {"npm-package"}),
    "of sources of Python": ({"a-1.0/PKG-INFO": b"x"}, {"python-package"}),
    "of Arch": ({".PKGINFO": b"x", ".MTREE": b"x"}, {"linux-package"}),
    "of Ruby": ({"metadata.gz": b"x", "data.tar.gz": b"x"}, {"software-package"}),
    "of Rust": ({"a-1.0/Cargo.toml.orig": b"x"}, {"software-package"}),
    "a machine": ({"a.ovf": b"x", "a.vmdk": b"KDMV"}, {"disk-image"}),
    "of texts": ({"a/package.txt": b"x", "a/b/PKG-INFO": b"x"}, set()),
}


def test_every_kind_exists() -> None:
    assert {kind for _, kinds in (*ZIPS.values(), *TARS.values()) for kind in kinds} <= set(
        FILE_TYPES
    )


@pytest.mark.parametrize("kind", ZIPS)
def test_a_zip_is_told_by_its_members_wherever_they_are(kind: str) -> None:
    files, expected = ZIPS[kind]
    for order in (files, files | FILL, FILL | files, dict(reversed((FILL | files).items()))):
        assert looked(zip_of(order)).itself == expected
    inner = looked(zip_of({"x": zip_of(FILL | files)}))
    assert inner.types >= expected
    assert not inner.itself


@pytest.mark.parametrize("kind", TARS)
def test_a_tar_is_told_by_its_members(kind: str) -> None:
    files, expected = TARS[kind]
    assert looked(gzip.compress(tar_of(FILL | files))).itself >= expected
    if not expected:
        assert not looked(tar_of(files)).itself


def test_names_tell_of_an_encrypted_archive_too() -> None:
    files = {"META-INF/MANIFEST.MF": b"x", "a.class": b"x"}
    assert looked(encrypted_zip(files)).itself == {"encrypted-archive", "java-program"}


@pytest.mark.parametrize("name", ["", "x.docx", "X.EPUB"])
def test_scripts_of_a_document_are_not_run_by_opening_it(name: str) -> None:
    book = zip_of({"mimetype": b"application/epub+zip", "a.js": b"var a = 1;\n" * 30})
    assert looked(book, name).types == {"text", "web-script"}


@pytest.mark.parametrize("name", ["x.zip", "x.docx.zip", "x.7z"])
def test_what_is_called_an_archive_is_no_document(name: str) -> None:
    book = zip_of({"mimetype": b"application/epub+zip", "a.js": b"var a = 1;\n" * 30})
    assert "windows-script" in looked(book, name).types


def test_scripts_in_an_archive_are() -> None:
    found = looked(zip_of({"invoice.js": b"var a = 1;\n" * 30}))
    assert found.types == {"windows-script"}
    assert found.first == ("invoice.js",)


def test_deep_json_does_no_harm() -> None:
    tells = Tells(tar=False)
    tells.see("manifest.json", b"[" * 200_000)
    assert not tells.kinds()


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("office")


@pytest.mark.parametrize("kind", ["odt", "docx", "doc"])
def test_documents_of_an_office_have_no_findings(office: Path, kind: str) -> None:
    document = converted(office, kind)
    found = looked(document, f"a.{kind}")
    assert not found.findings
    assert not found.first
    assert found.itself <= {"document"}
    inner = looked(zip_of({f"a.{kind}": document}), "b.zip")
    assert not inner.first


def members_of(files: Mapping[str, bytes]) -> Members:
    return looked(zip_of(files))


def test_a_program_in_a_document_is_seen() -> None:
    letter = {"[Content_Types].xml": content_types(WORD), "word/embeddings/x.bin": PROGRAM}
    assert members_of(letter).first == ("word/embeddings/x.bin",)
