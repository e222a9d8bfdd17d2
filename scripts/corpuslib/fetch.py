"""Fetches packages from the registries, and unpacks those that hold files of other kinds.

In: a folder. Out: files in it. Must never: install or run what it fetches.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_WHEELS = ("orjson", "psutil", "cffi", "ruff")
_PLATFORMS = (
    *("win_amd64", "win32", "win_arm64"),
    *("macosx_11_0_arm64", "macosx_10_15_universal2", "macosx_10_12_x86_64"),
    *("musllinux_1_2_x86_64", "manylinux_2_17_aarch64"),
)
_ANY_WHEELS = ("requests", "idna", "attrs", "packaging", "six")
# With their test files: documents, sounds, pictures, messages, fonts.
_SOURCES = (
    *("requests", "idna", "attrs", "six", "mutagen", "odfpy", "python-pptx", "openpyxl"),
    *("XlsxWriter", "python-docx", "pdfminer.six", "extract-msg", "fonttools"),
)
_NPM = (
    *("left-pad", "express@4", "lodash", "bootstrap", "regedit", "node-notifier"),
    *("@esbuild/win32-x64", "@esbuild/win32-ia32", "@esbuild/darwin-arm64", "@esbuild/darwin-x64"),
    *("io.appium.settings", "appium-uiautomator2-server"),
)
_DEBS = ("hello", "sl", "tree", "bc", "ant", "libcommons-lang3-java")
_LARGEST = 40 << 20


def fetch(folder: Path) -> Iterator[str]:
    """Fetch what is not there yet; says after each package what it was."""
    pypi, npm, debs = (folder / name for name in ("pypi", "npm", "deb"))
    for each in (pypi, npm, debs):
        each.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(pypi)]
    wheel = [*pip, "--only-binary=:all:", "--python-version=3.12"]
    for package in _WHEELS:
        for platform in _PLATFORMS:
            command = [*wheel, f"--platform={platform}", package]
            yield _once(folder, f"{package} for {platform}", command)
    yield _once(folder, "pywin32", [*wheel, "--platform=win_amd64", "pywin32"])
    for package in _ANY_WHEELS:
        yield _once(folder, f"{package}, wheel", [*pip, "--only-binary=:all:", package])
    for package in _SOURCES:  # pip builds a source package's metadata, in an environment of its own
        yield _once(folder, f"{package}, source", [*pip, "--no-binary=:all:", package])
    for package in _NPM:
        yield _once(folder, package, ["npm", "pack", "-s", package], npm)
    for package in _DEBS:
        yield _once(folder, package, ["apt-get", "download", "-q", package], debs)


def _once(folder: Path, what: str, command: Sequence[str], where: Path | None = None) -> str:
    """Run it unless it was done before: what cannot be had is left out, and said."""
    mark = folder / "done" / what.replace("/", "_")
    if mark.exists():
        return what
    mark.parent.mkdir(exist_ok=True)
    if shutil.which(command[0]) is None:
        return f"{what}: no {command[0]} here"
    done = subprocess.run(command, cwd=where, capture_output=True, timeout=300, check=False)
    if done.returncode:
        return f"{what}: not to be had"
    mark.touch()
    return what


def unpack(folder: Path) -> Path:
    """Unpack wheels, source packages, npm packages and debs, each into a folder of its own."""
    target = folder / "unpacked"
    for archive in sorted((*folder.glob("pypi/*"), *folder.glob("npm/*"), *folder.glob("deb/*"))):
        into = target / archive.name
        if into.exists():
            continue
        into.mkdir(parents=True)
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as opened:
                for name in opened.namelist():
                    if not name.endswith("/") and opened.getinfo(name).file_size <= _LARGEST:
                        _write(into, name, opened.read(name))
        elif archive.suffix in {".gz", ".tgz"}:
            with tarfile.open(archive) as opened_tar:
                for member in opened_tar:
                    reader = opened_tar.extractfile(member) if member.isreg() else None
                    if reader is not None and member.size <= _LARGEST:
                        _write(into, member.name, reader.read())
        elif archive.suffix == ".deb":
            subprocess.run(["dpkg-deb", "-x", str(archive), str(into)], check=False)
    return target


def _write(into: Path, name: str, content: bytes) -> None:
    parts = [part for part in PurePosixPath(name).parts if part not in {"/", "..", "."}]
    path = into.joinpath(*parts)
    if parts and not path.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
