"""Registries of packages: a package each, and what clients ask for before they fetch it.

In: a folder. Out: files of a web server, by their paths, with their Content-Type.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

Files = dict[str, tuple[bytes, str]]
_BYTES = "application/octet-stream"


def digest(data: bytes) -> str:
    """SHA-256."""
    return hashlib.sha256(data).hexdigest()


def for_pip(folder: Path) -> Files:
    """An index of Python packages at `/simple`, with `demo` (PEP 503)."""
    file = folder / "demo-1.0-py3-none-any.whl"
    info = "demo-1.0.dist-info"
    members = {
        "demo.py": "WORDS = 1\n" * 500,
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    page = f'<!doctype html><a href="/{file.name}">demo</a>'
    return {
        f"/{file.name}": (file.read_bytes(), _BYTES),
        "/simple/demo/": (page.encode(), "text/html"),
    }


def for_apt(folder: Path) -> Files:
    """An archive of Debian packages at `/apt`, unsigned, with `demo`."""
    control = folder / "deb/DEBIAN/control"
    control.parent.mkdir(parents=True)
    control.write_text(
        "Package: demo\nVersion: 1.0\nArchitecture: all\nMaintainer: T <t@force.example>\n"
        "Description: a test\n"
    )
    file = folder / "demo_1.0_all.deb"
    subprocess.run(
        ["dpkg-deb", "--build", "--root-owner-group", str(folder / "deb"), str(file)],
        check=True,
        capture_output=True,
    )
    package = file.read_bytes()
    found = f"Filename: {file.name}\nSize: {len(package)}\nSHA256: {digest(package)}\n"
    entry = (control.read_text() + found).encode()
    release = f"Codename: apt\nSHA256:\n {digest(entry)} {len(entry)} Packages\n"
    return {
        f"/{file.name}": (package, "application/vnd.debian.binary-package"),
        "/apt/Packages": (entry, "text/plain"),
        "/apt/Release": (release.encode(), "text/plain"),
    }


def for_npm(folder: Path, site: str) -> Files:
    """A registry of npm at `/npm`, with `demo`.

    Args:
        folder: of its own.
        site: where it is served: it says so itself.
    """
    source = folder / "npm"
    source.mkdir()
    package = {"name": "demo", "version": "1.0.0", "main": "index.js"}
    (source / "package.json").write_text(json.dumps(package))
    (source / "index.js").write_text("module.exports = 1;\n" * 200)
    subprocess.run(
        ["npm", "pack", "--silent", "--offline"], cwd=source, check=True, capture_output=True,
        env=os.environ | {"npm_config_cache": str(folder / "npm-cache")},
    )  # fmt: skip
    packed = (source / "demo-1.0.0.tgz").read_bytes()
    sha = base64.b64encode(hashlib.sha512(packed).digest()).decode()
    dist = {"tarball": f"{site}/demo-1.0.0.tgz", "integrity": f"sha512-{sha}"}
    said = {
        "name": "demo",
        "versions": {"1.0.0": package | {"dist": dist}},
        "dist-tags": {"latest": "1.0.0"},
    }
    return {
        "/demo-1.0.0.tgz": (packed, _BYTES),
        "/npm/demo": (json.dumps(said).encode(), "application/json"),
    }
