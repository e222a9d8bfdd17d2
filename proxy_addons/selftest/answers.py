"""What the origin of a row answers, where the row is about what comes back.

In: the key `answer` of a row (tests/cases/evasions.yaml). Out: bytes, as they go over
the wire.
Must never: be anything that runs: each program here is a head without a body of code.

Bodies are made step by step: what there is, then what it is packed or hidden in.
"""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from typing import TYPE_CHECKING, Final

from proxy_addons.selftest.observed import ORIGIN_FIELD

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_CHUNK: Final = 997
_FRAMINGS: Final = ("length", "chunked", "bytewise", "extended", "close", "short")
_KEYS: Final = {"status", "version", "fields", "body", "framing", "trailers"}


class AnswerError(ValueError):
    """The key cannot be read; the text says why."""


def answer_of(raw: object) -> bytes:
    """An answer as it goes over the wire; after it the origin closes the connection.

    Args:
        raw: `body`, a list of the steps below; and if need be `status` (200 OK), `version`
            (HTTP/1.1), `fields`, `framing` (length, chunked, bytewise: chunks of one byte,
            extended: chunks with extensions, close: by the end of the connection, short: a length
            that is too small), `trailers`.

    Raises:
        AnswerError: it is otherwise.
    """
    if not isinstance(raw, dict) or raw.keys() - _KEYS or "body" not in raw:
        raise AnswerError(f"wanted body, and some of {', '.join(sorted(_KEYS))}")
    body = body_of(raw["body"])
    framing = str(raw.get("framing", "length"))
    if framing not in _FRAMINGS:
        raise AnswerError(f"framing: wanted one of {', '.join(_FRAMINGS)}")
    lines = [f"{raw.get('version', 'HTTP/1.1')} {raw.get('status', '200 OK')}"]
    lines += [f"{ORIGIN_FIELD}: 1", "Connection: close", *map(str, raw.get("fields", ()))]
    if framing in {"length", "short"}:
        lines.append(f"Content-Length: {len(body) - (1000 if framing == 'short' else 0)}")
    elif framing != "close":
        lines.append("Transfer-Encoding: chunked")
        body = _chunks(body, framing, [str(each) for each in raw.get("trailers", ())])
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def _chunks(body: bytes, framing: str, trailers: list[str]) -> bytes:
    size = 1 if framing == "bytewise" else _CHUNK
    extension = b";name=value" if framing == "extended" else b""
    made = b"".join(
        b"%x%b\r\n%b\r\n" % (len(piece), extension, piece)
        for piece in (body[at : at + size] for at in range(0, len(body), size))
    )
    return made + b"0\r\n" + "".join(f"{each}\r\n" for each in trailers).encode() + b"\r\n"


# --- bodies ---------------------------------------------------------------------------------------


def body_of(steps: object) -> bytes:
    """A body, step by step.

    Raises:
        AnswerError: a step is not known.
    """
    if not isinstance(steps, list) or not steps or not all(isinstance(s, str) for s in steps):
        raise AnswerError("body: wanted a list of steps")
    first, *more = steps
    if first not in _FIRST:
        raise AnswerError(f"body: {first!r} is not one of {', '.join(_FIRST)}")
    body = _FIRST[first]
    for step in more:
        if step not in _THEN:
            raise AnswerError(f"body: {step!r} is not one of {', '.join(_THEN)}")
        body = _THEN[step](body)
    return body


def _program() -> bytes:
    """What Windows takes for a program by its two heads (PE format); there is no code in it."""
    head = b"MZ".ljust(60, b"\0") + struct.pack("<I", 64)
    return head + b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 240, 0x22) + bytes(4000)


def _picture() -> bytes:
    made = b"\x89PNG\r\n\x1a\n"
    rows = b"".join(
        bytes([0, *((at * 7 + line) & 255 for at in range(300))]) for line in range(100)
    )
    for kind, data in (
        (b"IHDR", struct.pack(">IIBBBBB", 100, 100, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ):
        made += struct.pack(">I", len(data)) + kind + data
        made += struct.pack(">I", zlib.crc32(kind + data))
    return made


_PAGE: Final = b"<!doctype html><title>A page</title><p>" + b"All in order. " * 300
_TEXT: Final = b"Minutes of the meeting.\r\n" + b"All were agreed on it. " * 300
_SHELL: Final = "param([string]$Name)\r\n$x = New-Object Net.WebClient\r\nWrite-Host $x.Site\r\n"
_FIRST: Final[Mapping[str, bytes]] = {
    "program": _program(),
    "elf": b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HHI", 2, 62, 1) + bytes(4000),
    "powershell": _SHELL.encode() * 20,
    "batch": b"@echo off\r\nsetlocal\r\nset X=1\r\ngoto end\r\n:end\r\n" * 20,
    "hta": b"<html><head><hta:application id=a></head><script>x()</script></html>" + b" " * 500,
    "page": _PAGE,
    "picture": _picture(),
    "text": _TEXT,
}


def _in_zip(name: str) -> Callable[[bytes], bytes]:
    def made(body: bytes) -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("readme.txt", "words " * 50)
            archive.writestr(name, body)
        return file.getvalue()

    return made


def _in_tar(body: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo("a.dat")
        member.size = len(body)
        archive.addfile(member, io.BytesIO(body))
    return file.getvalue()


def _locked(body: bytes) -> bytes:
    """A zip archive whose members say that they have a password (APPNOTE 4.4.4)."""
    made = bytearray(_in_zip("a.dat")(body))
    for mark, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = made.find(mark)
        while at >= 0:
            made[at + place] |= 1
            at = made.find(mark, at + 1)
    return bytes(made)


def _parts(body: bytes) -> bytes:
    """Two ranges in one answer (RFC 9110 14.6)."""
    half = len(body) // 2
    made = b""
    for first, piece in ((0, body[:half]), (half, body[half:])):
        last = first + len(piece) - 1
        made += b"--x\r\nContent-Type: image/png\r\nContent-Range: bytes %d-%d/%d\r\n\r\n%b\r\n" % (
            first,
            last,
            len(body),
            piece,
        )
    return made + b"--x--\r\n"


def _smuggled(body: bytes) -> bytes:
    """A page whose script makes a file: what it makes is in no answer."""
    data = base64.b64encode(body)
    return (
        b"<!doctype html><title>A page</title><script>\nvar d = atob('" + data + b"');\n"
        b"var a = document.createElement('a'); a.download = 'a.exe';\n"
        b"a.href = URL.createObjectURL(new Blob([d])); a.click();\n</script>"
    )


def _websocket(body: bytes) -> bytes:
    """A frame of a server with these bytes (RFC 6455 5.2)."""
    return b"\x82\x7e" + struct.pack(">H", len(body)) + body


_THEN: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "in zip": _in_zip("a.dat"),
    "in zip as setup.bat": _in_zip("setup.bat"),
    "in tar": _in_tar,
    "in a locked zip": _locked,
    "cut short": lambda body: body[: len(body) * 2 // 3],
    "gzip": lambda body: gzip.compress(body, mtime=0),
    "gzip behind an empty one": lambda body: (
        gzip.compress(b"", mtime=0) + gzip.compress(body, mtime=0)
    ),
    "deflate": zlib.compress,
    "raw deflate": lambda body: zlib.compress(body)[2:-4],
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "behind a picture": lambda body: _picture() + body,
    "behind a page": lambda body: _PAGE + body,
    "behind 100 kB of text": lambda body: _TEXT * 15 + body,
    "behind PDF": lambda body: b"%PDF-1.7\n" + b"% words\n" * 100 + body,
    "behind a gif": lambda body: b"GIF89a\1\0\1\0\0\0\0;" + body,
    "with BOM": lambda body: b"\xef\xbb\xbf" + body,
    "UTF-16": lambda body: body.decode("latin-1").encode("utf-16"),
    "UTF-16 without BOM": lambda body: body.decode("latin-1").encode("utf-16-le"),
    "in parts": _parts,
    "from its second byte": lambda body: body[1:],
    "in a page's script": _smuggled,
    "in an SVG's script": lambda body: (
        b'<svg xmlns="http://www.w3.org/2000/svg">'
        + _smuggled(body).partition(b"</title>")[2]
        + b"</svg>"
    ),
    "in a WebSocket": _websocket,
}
