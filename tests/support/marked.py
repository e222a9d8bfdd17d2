"""Documents with a protective marking, as small as a reader of them takes.

In: the marking. Out: bytes. Must never: be taken for what Word writes; tests/content/
test_libreoffice.py has documents that a program has made.
"""

from __future__ import annotations

import io
import zipfile

WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
TEXT = b"Op Falcon\nBriefing\n\nThe suspect was seen at 0915.\n"


def letter(marking: str = "") -> bytes:
    """A docx with these words in the head of its pages."""
    parts = {
        "[Content_Types].xml": "<Types/>",
        "word/document.xml": _part("document", "Seen at 0915."),
        "word/header1.xml": _part("hdr", marking),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in parts.items():
            # The same bytes whenever it is made.
            member = zipfile.ZipInfo(name, (2026, 11, 22, 12, 0, 0))
            archive.writestr(member, text, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _part(name: str, text: str) -> str:
    return f"<w:{name} {WORD}><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:{name}>"


def note(marking: str = "") -> bytes:
    """A text with these words above and below."""
    line = marking.encode()
    return line + b"\n\n" + TEXT + b"\n" + line + b"\n"


def form(content: bytes, name: str = "note.docx", boundary: str = "xYz") -> bytes:
    """A form with one file, as a browser sends it (RFC 7578)."""
    head = (
        f"--{boundary}\r\n"
        f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
