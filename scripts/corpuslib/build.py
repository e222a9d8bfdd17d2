"""Puts the whole corpus together: shapes of software, and what is no software.

In: a folder of what was fetched. Out: shapes (tests/content/corpus.py).
Must never: take what a file is from the code that is measured.
"""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

from content import corpus
from content.corpus import Sample, Shape
from support import packing

from proxy_addons.content.declared import named

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_EACH = 12
"""Files of an ending that are taken as they are."""
_ORDINARY = 60
_WIXL = """<?xml version='1.0'?><Wix xmlns='http://schemas.microsoft.com/wix/2006/wi'>
<Product Id='*' Name='X' Language='1033' Version='1.0.0' Manufacturer='X'
 UpgradeCode='12345678-1234-1234-1234-111111111111'>
<Package InstallerVersion='200' Compressed='yes' /><Media Id='1' Cabinet='x.cab' EmbedCab='yes' />
<Directory Id='TARGETDIR' Name='SourceDir'><Directory Id='ProgramFilesFolder'>
<Component Id='C' Guid='12345678-1234-1234-1234-222222222222'>
<File Id='F' Name='x.exe' Source='PROGRAM' KeyPath='yes'/></Component></Directory></Directory>
<Feature Id='A' Level='1'><ComponentRef Id='C' /></Feature></Product></Wix>"""
_SPEC = """Name: x
Version: 1
Release: 1
Summary: x
License: MIT
BuildArch: noarch
%description
x
%install
mkdir -p %{buildroot}/opt && echo x > %{buildroot}/opt/x
%files
/opt/x
"""
_FORMATS = {
    "writer": ("doc", "docx", "odt", "rtf", "pdf", "html", "epub", "fodt"),
    "calc": ("xls", "xlsx", "ods", "pdf", "csv"),
}


def samples(folder: Path) -> list[Sample]:
    """Real software: of this machine and of the registries."""
    found = list(corpus.programs_of_this_machine(25))
    found += corpus.windows_programs_of_this_machine()
    found += corpus.scripts_of_this_machine()
    unpacked = folder / "unpacked"
    found += corpus.real_files([unpacked], corpus.SOFTWARE_ENDINGS, _EACH)
    found += corpus.real_files([folder / "pypi"], {".whl": "python-package"}, _EACH)
    found += corpus.real_files([folder / "npm"], {".tgz": "npm-package"}, _EACH)
    found += corpus.real_files([folder / "deb"], {".deb": "linux-package"}, _EACH)
    for path in sorted(unpacked.rglob("*")):
        if path.is_file() and path.suffix in {"", ".so", ".dylib"} and path.stat().st_size > 4096:
            with path.open("rb") as file:
                start = file.read(4)
            if start in {b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe"}:
                found.append(Sample(f"{path.parent.name}/{path.name}", path, "macos-program"))
    found += _made(folder)
    return found


def _made(folder: Path) -> Iterator[Sample]:
    """An installer and an rpm package, which programs of this machine make."""
    made = folder / "made"
    made.mkdir(exist_ok=True)
    program = next(iter(corpus.windows_programs_of_this_machine())).path
    msi = made / "x.msi"
    if not msi.exists() and shutil.which("wixl"):
        shutil.copyfile(program, made / "x.exe")  # wixl takes it from its own folder only
        (made / "x.wxs").write_text(_WIXL.replace("PROGRAM", "x.exe"))
        subprocess.run(["wixl", "-o", msi, "x.wxs"], check=True, capture_output=True, cwd=made)
    if msi.exists():
        yield Sample("x.msi", msi, "windows-installer")
    if shutil.which("rpmbuild"):
        (made / "x.spec").write_text(_SPEC)
        command = ["rpmbuild", "-bb", "--define", f"_topdir {made}/rpm", str(made / "x.spec")]
        if not list(made.rglob("*.rpm")):
            subprocess.run(command, check=False, capture_output=True)
    for path in made.rglob("*.rpm"):
        yield Sample(path.name, path, "linux-package")
    binary = next(folder.glob("unpacked/*/*/vbaProject.bin"), None)
    binary = binary or next(folder.rglob("vbaProject.bin"), None)
    if binary is not None:
        book = made / "macros.xlsm"
        types = b'<Types><Override ContentType="application/vnd.ms-office.vbaProject"/></Types>'
        with zipfile.ZipFile(book, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("[Content_Types].xml", types)
            archive.writestr("xl/workbook.xml", b"<workbook/>")
            archive.writestr("xl/vbaProject.bin", binary.read_bytes())
        yield Sample("macros.xlsm", book, "office-macros")


def _in_rar(sample: Sample) -> Iterator[Shape]:
    """In RAR archives, which nothing free makes: written as the formats have it."""
    for pack in (packing.rar4, packing.rar5):
        body = pack({sample.path.name: sample.path.read_bytes()})
        name = f"x.{pack.__name__}"
        yield Shape(
            f"{sample.name} in {name}", body, named("x.rar"), frozenset({sample.kind}), packed=True
        )


def software(folder: Path) -> Iterator[Shape]:
    """Every shape of software."""
    work = folder / "shapes"
    work.mkdir(exist_ok=True)
    found = samples(folder)
    for sample in found:
        yield corpus.plainly(sample)
    for sample in corpus.real_files([folder / "pypi"], {".gz": "python-package"}, _EACH):
        yield replace(corpus.plainly(sample), packed=True)  # only the name of a later member tells
    # Under other names: what a name makes a script of is left out, for then it is none.
    firsts: dict[str, list[Sample]] = {}
    for sample in found:
        firsts.setdefault(sample.kind, []).append(sample)
    for kind, several in firsts.items():
        if kind not in {"windows-script", "windows-settings"}:
            for sample in several[:3]:
                yield from corpus.disguised(sample, corpus.DISGUISES)
    for kind in ("windows-program", "linux-program", "macos-program"):
        for sample in firsts.get(kind, [])[:3]:
            yield from corpus.cut_short(sample)
    covers = [
        next(iter(corpus.real_files([folder / "unpacked"], {ending: kind}, 1)), None)
        for ending, kind in (
            (".png", "image"),
            (".jpg", "image"),
            (".pdf", "pdf"),
            (".mp3", "audio"),
        )
    ]
    chosen = [
        next((each for each in firsts.get(kind, []) if each.path.stat().st_size < 2 << 20), None)
        for kind in ("windows-program", "linux-program", "macos-program", "windows-script",
                     "shell-script", "java-program", "python-package", "windows-installer")
    ]  # fmt: skip
    for sample in filter(None, chosen):
        yield from corpus.packed_here(sample)
        yield from corpus.packed_by_tools(sample, work)
        yield from _in_rar(sample)
        yield from corpus.behind_others(sample, list(filter(None, covers)))
    yield from corpus.machine_images(work)
    yield from corpus.made_by_format(work)


def ordinary(folder: Path) -> Iterator[Shape]:
    """Every shape of what is no software."""
    roots = [
        folder / "unpacked",
        _converted(folder),
        *(corpus.Path(each) for each in ("/usr/share/doc", "/usr/share/icons", "/usr/share/fonts",
                                         "/usr/lib/libreoffice/share", "/usr/share/sounds")),
    ]  # fmt: skip
    found = [
        sample
        for sample in corpus.real_files(
            [root for root in roots if root.exists()], corpus.ORDINARY_ENDINGS, _ORDINARY, 8 << 20
        )
        if not _is_software_by_content(sample)
    ]
    for sample in found:
        yield corpus.ordinarily(sample)
        download = corpus.downloaded(sample)
        if download is not None:
            yield download


def _is_software_by_content(sample: Sample) -> bool:
    """Test files that are something else than they are called: with macros."""
    parts = sample.path.as_posix().lower()
    return "macro" in parts or "vba" in parts


def _converted(folder: Path) -> Path:
    """Documents as LibreOffice writes them."""
    into = folder / "office"
    if into.exists() or not shutil.which("soffice"):
        return into
    into.mkdir()
    texts = [*folder.glob("unpacked/python_docx*/**/*.docx")][:4] + [
        *folder.glob("unpacked/odfpy*/**/*.odt")
    ][:3]
    tables = [*folder.glob("unpacked/openpyxl*/**/*.xlsx")][:4] + [
        *folder.glob("unpacked/odfpy*/**/*.ods")
    ][:2]
    slides = [*folder.glob("unpacked/python_pptx*/**/*.pptx")][:4]
    for sources, formats in (
        (texts, ("doc", "docx", "odt", "rtf", "pdf", "epub")),
        (tables, ("xls", "xlsx", "ods", "pdf")),
        (slides, ("ppt", "odp", "pdf", "pptx")),
    ):
        for form in formats if sources else ():
            out = into / f"{form}-{len(list(into.iterdir()))}"
            command = ["soffice", f"-env:UserInstallation=file://{folder}/profile", "--headless"]
            command += ["--convert-to", form, "--outdir", str(out), *map(str, sources)]
            subprocess.run(command, check=False, capture_output=True, timeout=300)
    return into
