"""A corpus of real files: software in every shape it is fetched in, and what is no software.

Built from what is on this machine (system programs, Python's own files) and, for the whole of it,
from packages of the registries, LibreOffice and archivers (`scripts/corpus`). What a file is comes
from where it is from, never from the code under test.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import shutil
import struct
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from proxy_addons.content.declared import NOTHING, Declared, declared_of, named

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True)
class Shape:
    """One body as it may come.

    Attributes:
        name: what it is, and how it comes.
        body: the bytes, or a file of them.
        declared: what is said of it.
        expected: ids of which at least one has to be found; empty for what is no software.
        packed: whether it is inside an archive: then only a look at the members shows it.
    """

    name: str
    body: bytes | Path
    declared: Declared
    expected: frozenset[str]
    packed: bool = False

    def bytes(self) -> bytes:
        """The whole body."""
        return self.body if isinstance(self.body, bytes) else self.body.read_bytes()


@dataclass(frozen=True)
class Sample:
    """A real file, and what it is."""

    name: str
    path: Path
    kind: str


SOFTWARE_ENDINGS = {
    ".exe": "windows-program", ".dll": "windows-program", ".pyd": "windows-program",
    ".msi": "windows-installer", ".ps1": "windows-script", ".psm1": "windows-script",
    ".bat": "windows-script", ".cmd": "windows-script", ".vbs": "windows-script",
    ".wsf": "windows-script", ".hta": "windows-script", ".reg": "windows-settings",
    ".jar": "java-program", ".class": "java-program", ".whl": "python-package",
    ".pyc": "python-package", ".apk": "android-package", ".deb": "linux-package",
    ".rpm": "linux-package", ".chm": "windows-help", ".xlsm": "office-macros",
    ".sh": "shell-script", ".lnk": "windows-shortcut",
}  # fmt: skip
"""What software is called: real files are sorted by it."""

ORDINARY_ENDINGS = {
    ".png": "image", ".jpg": "image", ".jpeg": "image", ".gif": "image", ".svg": "image",
    ".webp": "image", ".bmp": "image", ".ico": "image", ".tif": "image", ".tiff": "image",
    ".ttf": "font", ".otf": "font", ".woff": "font", ".woff2": "font",
    ".mp3": "audio", ".ogg": "audio", ".flac": "audio", ".wav": "audio", ".m4a": "audio",
    ".aiff": "audio", ".mid": "audio", ".opus": "audio", ".wma": "audio", ".ape": "audio",
    ".mp4": "video", ".webm": "video", ".avi": "video", ".mkv": "video", ".ogv": "video",
    ".pdf": "pdf", ".doc": "document", ".docx": "document", ".xls": "document", ".xlsx": "document",
    ".ppt": "document", ".pptx": "document", ".odt": "document", ".ods": "document",
    ".odp": "document", ".rtf": "document", ".epub": "document", ".eml": "e-mail", ".msg": "e-mail",
    ".html": "web-page", ".htm": "web-page", ".xhtml": "web-page", ".css": "style-sheet",
    ".js": "web-script", ".mjs": "web-script", ".json": "data", ".xml": "data", ".csv": "data",
    ".map": "data", ".yaml": "data", ".txt": "text", ".md": "text", ".rst": "text", ".log": "text",
}  # fmt: skip
"""What ordinary files are called."""

MEDIA_TYPES = {
    "image": "image/png", "font": "font/woff2", "audio": "audio/mpeg", "video": "video/mp4",
    "pdf": "application/pdf", "document": "application/msword", "e-mail": "message/rfc822",
    "web-page": "text/html", "style-sheet": "text/css", "web-script": "text/javascript",
    "data": "application/json", "text": "text/plain",
}  # fmt: skip

DISGUISES: tuple[tuple[str, Declared], ...] = (
    ("as a picture", declared_of("/pictures/holiday.png", "image/png", "inline")),
    ("as a page", declared_of("/minutes.html", "text/html; charset=utf-8", "")),
    ("as a style sheet", declared_of("/site.css", "text/css", "")),
    ("as text", declared_of("/readme.txt", "text/plain", "")),
    ("as a document", declared_of("/get", "application/pdf", 'attachment; filename="report.pdf"')),
    ("without a name or type", NOTHING),
)
"""What a server may say of any body."""


# --- samples --------------------------------------------------------------------------------


def real_files(
    roots: Sequence[Path], endings: dict[str, str], most: int, largest: int = 30 << 20
) -> Iterator[Sample]:
    """Files below folders that are called so, at most so many of an ending, no two alike."""
    count: dict[str, int] = {}
    seen = set()
    for root in roots:
        for path in sorted(root.rglob("*")):
            kind = endings.get(path.suffix.lower())
            if kind is None or count.get(path.suffix.lower(), 0) >= most or path.is_symlink():
                continue
            if not path.is_file() or not 16 <= path.stat().st_size <= largest:
                continue
            body = path.read_bytes()
            if body.startswith(b"#!") and kind != "shell-script":
                continue  # a program, whatever it is called
            digest = hashlib.sha256(body).digest()
            if digest in seen:
                continue
            seen.add(digest)
            count[path.suffix.lower()] = count.get(path.suffix.lower(), 0) + 1
            yield Sample(f"{path.parent.name}/{path.name}", path, kind)


def programs_of_this_machine(most: int) -> Iterator[Sample]:
    """ELF programs and libraries, scripts with `#!`, and Python's compiled modules."""
    count = {"linux-program": 0, "shell-script": 0, "python-package": 0}
    folders = [Path("/usr/bin"), Path("/usr/sbin"), *Path("/usr/lib").glob("*-linux-gnu")]
    for path in (path for folder in folders for path in sorted(folder.glob("*"))):
        if path.is_symlink() or not path.is_file() or path.stat().st_size > 8 << 20:
            continue
        with path.open("rb") as file:
            start = file.read(4)
        kind = {b"\x7fEL": "linux-program", b"#!/": "shell-script"}.get(start[:3])
        if kind is not None and count[kind] < most:
            count[kind] += 1
            yield Sample(f"{path.parent.name}/{path.name}", path, kind)
    compiled = Path(sysconfig.get_path("stdlib"), "__pycache__").glob("*.pyc")
    for path in sorted(compiled)[: most // 2]:
        yield Sample(path.name, path, "python-package")


def windows_programs_of_this_machine() -> Iterator[Sample]:
    """The launchers that pip carries: for three processors, with and without a window."""
    vendored = Path(sysconfig.get_path("purelib"), "pip", "_vendor", "distlib")
    bundled = Path(sys.base_prefix, "lib").glob("python3*/site-packages/pip/_vendor/distlib/*.exe")
    for path in sorted({path.name: path for path in (*bundled, *vendored.glob("*.exe"))}.values()):
        yield Sample(path.name, path, "windows-program")


def scripts_of_this_machine() -> Iterator[Sample]:
    """Scripts for Windows that Python carries."""
    endings = {each: SOFTWARE_ENDINGS[each] for each in (".ps1", ".bat", ".vbs")}
    roots = [Path(sysconfig.get_path("stdlib"), name) for name in ("venv", "idlelib", "ctypes")]
    yield from real_files(roots, endings, 5)


# --- shapes of software ---------------------------------------------------------------------


def plainly(sample: Sample) -> Shape:
    """Under its own name, as a download."""
    return Shape(
        sample.name,
        sample.path,
        declared_of(
            f"/download/{sample.path.name}",
            "application/octet-stream",
            f'attachment; filename="{sample.path.name}"',
        ),
        frozenset({sample.kind}),
    )


def disguised(sample: Sample, disguises: Sequence[tuple[str, Declared]]) -> Iterator[Shape]:
    """Under names and types of something else."""
    for how, declared in disguises:
        yield Shape(f"{sample.name}, {how}", sample.path, declared, frozenset({sample.kind}))


def cut_short(sample: Sample) -> Iterator[Shape]:
    """Of which only the start came: a range, a transfer that broke."""
    body = sample.path.read_bytes()
    for length in (128, 1000, 4096, 50_000):
        if length < len(body):
            name = f"{sample.name}, its first {length} bytes"
            yield Shape(name, body[:length], NOTHING, frozenset({sample.kind}))


def behind_others(sample: Sample, covers: Sequence[Sample]) -> Iterator[Shape]:
    """Packed, behind a picture or a document that can be opened."""
    for cover in covers:
        packed = zipped([sample.path.name], sample.path.read_bytes())
        yield Shape(
            f"{sample.name} in a zip behind {cover.name}",
            cover.path.read_bytes() + packed,
            declared_of(f"/{cover.path.name}", MEDIA_TYPES[cover.kind], "inline"),
            frozenset({sample.kind, "archive"}),
            packed=True,
        )


def zipped(names: Sequence[str], body: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive of one body under several names."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name in names:
            archive.writestr(name, body)
    return made.getvalue()


def tarred(name: str, body: bytes, mode: str) -> bytes:
    """A tar archive, packed or not."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode) as archive:  # type: ignore[call-overload]
        member = tarfile.TarInfo(name)
        member.size = len(body)
        archive.addfile(member, io.BytesIO(body))
    return made.getvalue()


def packed_here(sample: Sample) -> Iterator[Shape]:
    """In the archives that Python makes, and in each other."""
    body, name = sample.path.read_bytes(), sample.path.name
    made = {
        f"{name}.zip": zipped([f"setup/{name}"], body),
        "stored.zip": zipped([name], body, zipfile.ZIP_STORED),
        "other-name.zip": zipped(["picture.png"], body),
        "bzip2.zip": zipped([name], body, zipfile.ZIP_BZIP2),
        "lzma.zip": zipped([name], body, zipfile.ZIP_LZMA),
        f"{name}.gz": gzip.compress(body),
        f"{name}.tar": tarred(name, body, "w"),
        f"{name}.tgz": tarred(name, body, "w:gz"),
        f"{name}.tbz": tarred(name, body, "w:bz2"),
        f"{name}.txz": tarred(name, body, "w:xz"),
    }
    made["nested.zip"] = zipped(["inner.tar.gz"], made[f"{name}.tgz"])
    made["nested-twice.zip"] = zipped(["inner.zip"], made["nested.zip"])
    for archive, content in made.items():
        yield Shape(
            f"{sample.name} in {archive}",
            content,
            named(archive),
            frozenset({sample.kind}),
            packed=True,
        )


def packed_by_tools(sample: Sample, folder: Path) -> Iterator[Shape]:
    """In the archives and images that other programs make, as far as they are installed."""
    name = sample.path.name
    recipes: tuple[tuple[str, list[str]], ...] = (
        ("x.7z", ["7z", "a", "-y", "OUT", "IN"]),
        ("store.7z", ["7z", "a", "-y", "-mx0", "OUT", "IN"]),
        ("locked.7z", ["7z", "a", "-y", "-psecret", "-mhe=on", "OUT", "IN"]),
        ("locked.zip", ["7z", "a", "-y", "-tzip", "-psecret", "OUT", "IN"]),
        ("x.wim", ["7z", "a", "-y", "-twim", "OUT", "IN"]),
        ("x.cab", ["gcab", "-c", "-z", "OUT", "IN"]),
        ("x.iso", ["xorriso", "-as", "mkisofs", "-quiet", "-o", "OUT", "IN"]),
        ("udf.iso", ["genisoimage", "-quiet", "-udf", "-o", "OUT", "IN"]),
        ("x.xar", ["bsdtar", "--format", "xar", "-cf", "OUT", "IN"]),
        ("x.cpio", ["bsdtar", "--format", "newc", "-cf", "OUT", "IN"]),
        ("x.a", ["bsdtar", "--format", "gnutar", "-cf", "OUT", "IN"]),
        ("x.tar.zst", ["bsdtar", "--zstd", "-cf", "OUT", "IN"]),
        ("x.tar.lz4", ["bsdtar", "--lz4", "-cf", "OUT", "IN"]),
        ("x.snap", ["mksquashfs", "IN", "OUT", "-quiet", "-no-progress", "-noappend"]),
        (f"{name}.zst", ["zstd", "-q", "-f", "IN", "-o", "OUT"]),
        (f"{name}.lz4", ["lz4", "-q", "-f", "IN", "OUT"]),
    )
    locked = frozenset({"encrypted-archive", "unreadable-archive"})
    for out, command in recipes:
        if shutil.which(command[0]) is None:
            continue
        made = folder / f"{hashlib.sha256(sample.name.encode()).hexdigest()[:8]}-{out}"
        if not made.exists():
            filled = [
                {"OUT": str(made), "IN": str(sample.path)}.get(each, each) for each in command
            ]
            done = subprocess.run(filled, capture_output=True, check=False)
            if done.returncode or not made.exists():
                continue
        kinds = {sample.kind} | (locked if out.startswith("locked") else set())
        image = out.endswith((".iso", ".wim", ".snap", ".xar"))
        own = {".iso": "disk-image", ".wim": "disk-image", ".snap": "linux-package"}
        kinds |= {own.get(made.suffix, "macos-package")} if image else set()
        yield Shape(f"{sample.name} in {out}", made, named(out), frozenset(kinds), packed=not image)


def machine_images(folder: Path) -> Iterator[Shape]:
    """Disks of virtual machines, as qemu-img makes them."""
    if shutil.which("qemu-img") is None:
        return
    raw = folder / "disk.raw"
    if not raw.exists():
        raw.write_bytes(_partitioned())
    yield Shape("a raw disk", raw, named("disk.img"), frozenset({"disk-image"}))
    yield Shape("a raw disk without a name", raw, NOTHING, frozenset({"disk-image"}))
    for form, ending in (
        ("vmdk", "vmdk"), ("vpc", "vhd"), ("vhdx", "vhdx"), ("qcow2", "qcow2"), ("vdi", "vdi"),
        ("qed", "qed"), ("parallels", "hdd"),
    ):  # fmt: skip
        made = folder / f"disk.{ending}"
        if not made.exists():
            command = ["qemu-img", "convert", "-O", form, str(raw), str(made)]
            if subprocess.run(command, capture_output=True, check=False).returncode:
                continue
        for how, declared in (("", named(made.name)), (" as a picture", DISGUISES[0][1])):
            yield Shape(f"a {form} disk{how}", made, declared, frozenset({"disk-image"}))
    fixed = raw.read_bytes() + b"conectix" + bytes(504)
    yield Shape("a fixed vhd", fixed, NOTHING, frozenset({"disk-image"}))


def _partitioned() -> bytes:
    sector = bytearray(512)
    sector[446:462] = struct.pack("<B3sB3sII", 0x80, b"\1\1\0", 7, b"\xfe\xff\xff", 2048, 2048)
    sector[510:512] = b"\x55\xaa"
    return bytes(sector) + bytes(4 << 20)


def made_by_format(folder: Path) -> Iterator[Shape]:
    """What no package here carries, written as its format has it."""
    shortcut = b"L\0\0\0\1\x14\2\0\0\0\0\0\xc0\0\0\0\0\0\0F\x93\0\x20\0".ljust(76, b"\0")
    shortcut += "C:\\Windows\\System32\\calc.exe".encode("utf-16-le") + bytes(8)
    announce = b"8:announce35:udp://tracker.example.com:1337/announc"
    info = b"4:infod6:lengthi9e4:name3:iso12:piece lengthi16384e6:pieces20:" + bytes(
        range(128, 148)
    )
    koly = b"koly\0\0\0\4\0\0\2\0" + bytes(500)
    image = gzip.compress(bytes(100_000))[10:] + b"<plist>blkx</plist>" + koly
    program = (
        (folder / "any.macho").read_bytes()
        if (folder / "any.macho").exists()
        else b"\xcf\xfa\xed\xfe" + bytes(99)
    )
    extension = zipped(["manifest.json"], b'{"manifest_version": 3, "name": "x", "version": "1"}')
    registry = "Windows Registry Editor Version 5.00\r\n\r\n[HKEY_CURRENT_USER\\Software\\X]\r\n"
    application = b"<html><head><HTA:APPLICATION ID='x'><script>x()</script></head></html>"
    # A program with a mark of its own, and a file system behind it.
    image_of_program = bytearray(Path("/bin/true").read_bytes())
    image_of_program[8:11] = b"AI\2"
    contents = zlib.compress(b"<?xml version='1.0'?><xar><toc/></xar>")
    installer = struct.pack(">4sHHQQI", b"xar!", 28, 1, len(contents), 38, 0) + contents
    made: tuple[tuple[str, bytes, str], ...] = (
        ("a.AppImage", bytes(image_of_program) + b"hsqs" + bytes(4096), "linux-program"),
        ("a.pkg", installer, "macos-package"),
        ("a.lnk", shortcut, "windows-shortcut"),
        ("a.torrent", b"d" + announce + info + b"ee", "torrent"),
        ("no-announce.torrent", b"d" + info + b"ee", "torrent"),
        ("a.dmg", image, "macos-disk-image"),
        ("encrypted.dmg", b"encrcdsa\0\0\0\2" + bytes(4096), "macos-disk-image"),
        ("a.ipa", zipped(["Payload/X.app/X", "Payload/X.app/Info.plist"], program), "ios-package"),
        ("a.crx", b"Cr24\3\0\0\0\0\0\0\0" + extension, "browser-extension"),
        ("a.xpi", extension, "browser-extension"),
        ("a.msix", zipped(["AppxManifest.xml", "AppxBlockMap.xml"], b"<x/>"), "windows-installer"),
        ("a.nupkg", zipped(["_rels/.rels", "x.nuspec"], b"<x/>"), "software-package"),
        ("a.egg", zipped(["EGG-INFO/PKG-INFO", "x.py"], b"x"), "python-package"),
        ("a.pyz", b"#!/usr/bin/env python3\n" + zipped(["__main__.py"], b"x"), "python-package"),
        ("a.aab", zipped(["base/manifest/AndroidManifest.xml"], b"x"), "android-package"),
        ("a.war", zipped(["WEB-INF/web.xml"], b"<x/>"), "java-program"),
        ("a.reg", registry.encode("utf-16"), "windows-settings"),
        ("old.reg", b"REGEDIT4\r\n\r\n[HKEY_CURRENT_USER\\X]\r\n", "windows-settings"),
        ("a.hta", application, "windows-script"),
        ("a.wsf", b"<job><script language='VBScript'>x</script></job>", "windows-script"),
        ("a.sct", b"<?XML version='1.0'?><scriptlet><registration/></scriptlet>", "windows-script"),
        ("a.jse", b"#@~^DgAAAA==\\ko$K6,ErJ==^#~@\r\n", "windows-script"),
        ("a.url", b"[InternetShortcut]\r\nURL=file://server/x.exe\r\n", "windows-shortcut"),
        ("a.jnlp", b"<?xml version='1.0'?>\n<jnlp spec='1.0+'/>", "java-program"),
        ("a.flatpakref", b"[Flatpak Ref]\nName=org.example.X\n", "linux-package"),
    )
    for name, body, kind in made:
        expected = frozenset({kind})
        yield Shape(name, body, named(name), expected)
        yield Shape(f"{name} without a name", body, NOTHING, expected)
        for how, declared in DISGUISES[:2]:
            if kind == "windows-script" and how == "as a page":
                continue  # an HTA is told apart by its element only; see a.hta without a name
            yield Shape(f"{name} {how}", body, declared, expected)
    script = b"calc.exe\r\n"
    for ending in (
        "ps1",
        "bat",
        "cmd",
        "vbs",
        "vbe",
        "js",
        "jse",
        "wsf",
        "hta",
        "sh",
        "reg",
        "url",
    ):
        for how, declared in (
            ("in its path", declared_of(f"/x.{ending}", "text/plain", "attachment")),
            ("in a header", declared_of("/x", "image/png", f"attachment; filename=x.{ending}")),
            ("coded", declared_of("/x", "text/html", f"attachment; filename*=utf-8''x%2E{ending}")),
            ("with a dot behind", declared_of("/x", "", f'attachment; filename="x.{ending}. "')),
            (
                "behind another",
                declared_of("/x.txt", "text/plain", f"attachment; filename=x.txt.{ending}"),
            ),
        ):
            kinds = frozenset(
                {"windows-script", "shell-script", "windows-settings", "windows-shortcut"}
            )
            yield Shape(f"a .{ending} {how}", script, declared, kinds)


# --- what is no software --------------------------------------------------------------------


def ordinarily(sample: Sample) -> Shape:
    """As a server gives it."""
    shown = "inline" if sample.kind in {"image", "web-page", "text"} else ""
    declared = declared_of(f"/files/{sample.path.name}", MEDIA_TYPES[sample.kind], shown)
    return Shape(f"{sample.name}", sample.path, declared, frozenset())


def downloaded(sample: Sample) -> Shape | None:
    """As a server gives it to be saved; scripts of pages are none then."""
    if sample.kind == "web-script":
        return None
    disposition = f'attachment; filename="{sample.path.name}"'
    declared = declared_of("/get", "application/octet-stream", disposition)
    return Shape(f"{sample.name}, as a download", sample.path, declared, frozenset())


# --- the small corpus, of this machine alone ------------------------------------------------


def software_here() -> Iterator[Shape]:
    """Some shapes of software, of files that are on any machine with this suite."""
    samples = [
        *programs_of_this_machine(6),
        *windows_programs_of_this_machine(),
        *scripts_of_this_machine(),
    ]
    for sample in samples:
        yield plainly(sample)
    by_size = sorted(samples, key=lambda sample: -sample.path.stat().st_size)
    smallest = {sample.kind: sample for sample in by_size}
    for kind, sample in smallest.items():
        if kind != "windows-script":  # a script under another name is no script
            yield from disguised(sample, DISGUISES)
        if kind in {"windows-program", "linux-program"}:
            yield from cut_short(sample)
            yield from packed_here(sample)


def ordinary_here(most: int) -> Iterator[Shape]:
    """Ordinary files that are on any machine with this suite."""
    roots = [Path(sysconfig.get_path("purelib")), Path("/usr/share/doc"), Path("/usr/share/fonts")]
    for sample in real_files(roots, ORDINARY_ENDINGS, most, largest=1 << 20):
        yield ordinarily(sample)
        download = downloaded(sample)
        if download is not None:
            yield download
