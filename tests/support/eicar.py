"""The EICAR test file, which every scanner takes for a virus and which does nothing.

In: nothing. Out: its 68 bytes, and shapes in which it travels.
Must never: stand in this file in one piece: scanners would take the file itself for it.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

from proxy_addons.content.icap import eicar

EICAR = eicar()


def zipped(data: bytes = EICAR, name: str = "eicar.com") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return made.getvalue()


def tarred(data: bytes = EICAR, how: str = "w") -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=how) as archive:  # type: ignore[call-overload]
        entry = tarfile.TarInfo("some/where/eicar.com")
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    return bytes(made.getvalue())


SHAPES = {
    "plain": EICAR,
    "gzip": gzip.compress(EICAR),
    "bzip2": bz2.compress(EICAR),
    "xz": lzma.compress(EICAR),
    "zip": zipped(),
    "tar": tarred(),
    "tar.gz": tarred(how="w:gz"),
    "tar.xz": tarred(how="w:xz"),
    "zip in tar in zip": zipped(tarred(zipped())),
    "zip in gzip": gzip.compress(zipped()),
    "behind 300 kB of other files": zipped(tarred(bytes(300_000)) + tarred()),
}
"""Shapes that need no program to be made."""
