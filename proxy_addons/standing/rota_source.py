"""The text of a file of duty times, a piece at a time, with the hash of its bytes.

In: a path. Out: pieces of text, and at the end SHA-256.
Must never: hold the whole file, unless it is a single line; read one in an encoding that was
guessed: a name would become another one.
"""

from __future__ import annotations

import codecs
import hashlib
import os
from typing import TYPE_CHECKING, Final

from proxy_addons.standing.rota_problems import file_error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from proxy_addons.standing.rota_entries import Progress

FILE_AT_MOST: Final = 512 * 1024 * 1024  # bytes
PIECE: Final = 1 << 18  # bytes
_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Source:
    """One file, read once from its beginning to its end."""

    def __init__(self, path: Path, progress: Progress | None = None) -> None:
        """Name the file.

        Args:
            path: the file: UTF-8, or UTF-16 with a byte order mark (Excel's "Unicode text").
            progress: told how many bytes were read.
        """
        self._path = path
        self._progress = progress
        self._hash = hashlib.sha256()
        self._read = 0
        self._row = 1  # the line of the file in which the next piece begins

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes that were read, in hex: at the end, of the file."""
        return self._hash.hexdigest()

    def pieces(self) -> Iterator[str]:
        """The text, in pieces of whole lines; the last one perhaps without the end of its line.

        Raises:
            RotaFileError: the file cannot be read, is too large, or is no text.
        """
        held: list[str] = []
        for text in self._texts():
            end = text.rfind("\n") + 1
            if not end:
                held.append(text)
                continue
            yield "".join((*held, text[:end]))
            held = [text[end:]] if end < len(text) else []
        if held:
            yield "".join(held)

    def _texts(self) -> Iterator[str]:
        decoder: codecs.IncrementalDecoder | None = None
        encoding = ""
        for data in self._bytes():
            if decoder is None:
                encoding = "utf-16" if data.startswith(_MARKS) else "utf-8-sig"
                decoder = codecs.getincrementaldecoder(encoding)()
            try:
                text = decoder.decode(data, final=not data)
            except UnicodeDecodeError as problem:
                # Nothing is imported: a name would become another one.
                row = self._row + problem.object.count(b"\n", 0, problem.start)
                what = f"a character is not {encoding.upper().removesuffix('-SIG')}"
                fix = 'save the file as "CSV UTF-8"'
                raise file_error(self._path.name, what, fix, row) from problem
            if (place := text.find("\0")) >= 0:
                what, fix = "there is a NUL character", "this is no text; export it anew"
                row = self._row + text.count("\n", 0, place)
                raise file_error(self._path.name, what, fix, row)
            self._row += text.count("\n")
            if text:
                yield text

    def _bytes(self) -> Iterator[bytes]:
        """The file's bytes; at the end an empty piece."""
        try:
            with self._path.open("rb", buffering=0) as file:
                total = os.fstat(file.fileno()).st_size
                while True:
                    data = file.read(PIECE)
                    self._hash.update(data)
                    self._read += len(data)
                    if self._read > FILE_AT_MOST:
                        what = f"the file is larger than {FILE_AT_MOST // 1024**2} MiB"
                        raise file_error(self._path.name, what, "export fewer days at a time")
                    if self._progress is not None:
                        # One that grows meanwhile is read on.
                        self._progress("reading", self._read, max(total, self._read))
                    yield data
                    if not data:
                        return
        except OSError as problem:
            # Nothing is imported.
            why = problem.strerror or str(problem)
            raise file_error(str(self._path), f"cannot be read ({why})", "name a file") from problem
