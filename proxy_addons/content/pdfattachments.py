"""Looks into PDF files: whether a password is needed, which files they carry.

In: a file. Out: ids of what it is, and its attachments.
Must never: be used in the gateway's own process; run what a PDF says is to be run.

PDFium reads it, which Chromium shows PDFs with. A PDF that only says what may be done with it
(printing, copying) is encrypted too (ISO 32000-2, 7.6), with a password that everybody has, the
empty one: that is no finding.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING, Any, BinaryIO, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC: Final = b"%PDF-"
_WITHIN: Final = 1024  # bytes: readers look so far for it
_ATTACHMENTS: Final = 1000
_LARGEST: Final = 256 << 20  # bytes of an attachment
_NEEDS_PASSWORD: Final = 4  # FPDF_ERR_PASSWORD
_NEEDS_MORE: Final = 5  # FPDF_ERR_SECURITY: a way of encrypting that it does not know


@cache
def missing() -> str:
    """Why no PDF can be read on this machine; "" when they can."""
    try:
        importlib.import_module("pypdfium2")
    except (ImportError, OSError) as error:
        return f"pypdfium2 cannot be used ({error}): install the package pypdfium2"
    return ""


def is_pdf(head: bytes) -> bool:
    """Whether readers take a file with these first bytes for a PDF."""
    return MAGIC in head[: _WITHIN + len(MAGIC)]


class Pdf:
    """A PDF file. One that cannot be read has nothing in it.

    Args:
        file: it; stays open.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._document: Any = None
        self._locked = False
        if missing():  # then nobody knows what is in it
            self._locked = True
            return
        pdfium = importlib.import_module("pypdfium2")
        file.seek(0)
        try:
            self._document = pdfium.PdfDocument(file)
        except pdfium.PdfiumError as error:  # damaged: no program shows anything of it
            self._locked = getattr(error, "err_code", 0) in {_NEEDS_PASSWORD, _NEEDS_MORE}

    def kinds(self) -> set[str]:
        """Ids of what it is, beside being a PDF."""
        return {"encrypted-document"} if self._locked else set()

    def carried(self) -> Iterator[tuple[str, bytes]]:
        """Files that are attached to it: names and bytes.

        Raises:
            ValueError: one cannot be read, or there are too many.
        """
        if self._document is None:
            return
        count = self._document.count_attachments()
        if count > _ATTACHMENTS:
            raise ValueError("too many attachments")
        for number in range(count):
            attachment = self._document.get_attachment(number)
            try:
                content = bytes(attachment.get_data())
            except Exception as error:
                # PDFium's errors, of an attachment that is named and not there.
                raise ValueError(str(error)) from error
            if len(content) > _LARGEST:
                raise ValueError("too large an attachment")
            yield attachment.get_name(), content

    def close(self) -> None:
        """Frees it."""
        if self._document is not None:
            self._document.close()
