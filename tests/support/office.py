"""Documents as LibreOffice writes them.

In: a folder, which keeps its profile: the first document takes the longest. Out: bytes.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def converted(folder: Path, kind: str, text: str = "Minutes of the meeting.") -> bytes:
    """A text as a document.

    Args:
        folder: for LibreOffice alone.
        kind: as `soffice --convert-to` takes it: `docx`, `pdf:writer_pdf_Export:{...}`.
        text: what it says.
    """
    source = folder / "a.txt"
    source.write_text(text)
    profile = f"-env:UserInstallation=file://{folder}/profile"
    subprocess.run(
        ["soffice", profile, "--headless", "--convert-to", kind, "--outdir", folder, source],
        check=True,
        capture_output=True,
    )
    return (folder / f"a.{kind.partition(':')[0]}").read_bytes()
