"""Target: bodies of requests, read for fields and files as they pass.

However a body is cut into pieces, the same is found in it; every file that begins ends; and no more
than a bounded piece is held.

In: a body, the form that it claims, and how it is cut. Out: nothing, or a finding.
Must never: depend on where a network cuts.
"""

from __future__ import annotations

import base64
import gzip
import json
from typing import Final

from proxy_addons.content.fields import AddressWatch, findings_of_field
from proxy_addons.content.uploads import END, Event, Field, File, Piece, Unread, Upload

_FORMS: Final = (
    ("application/json", ""),
    ("application/x-www-form-urlencoded", ""),
    ("multipart/form-data; boundary=xYz", ""),
    ("multipart/related; boundary=xYz", ""),
    ("text/plain", ""),
    ("application/json", "gzip"),
    ("", ""),
)
_DOMAINS: Final = ("wmp.police.uk",)


def seeds() -> list[bytes]:
    """Bodies of each form; the first byte tells which, the second how it is cut."""
    packed = base64.b64encode(b"%PDF-1.7\nRESTRICTED\n" * 6)
    text = json.dumps({
        "fileName": "Op RESTRICTED.pdf",
        "content": packed.decode(),
        "body": '\u00e9\U0001f600 \\ "SECRET"\n',
        "inner": json.dumps(["a@wmp.police.uk", {"b": "OFFICIAL-SENSITIVE"}]),
    }).encode()  # fmt: skip
    form = b"a=1&b=OFFICIAL-SENSITIVE%0A%0AHello&c=a%40wmp.police.uk&d=" + packed + b"&e&=f"
    parts = (
        b'--xYz\r\nContent-Disposition: form-data; name="a"\r\n\r\nSECRET x\r\n'
        b'--xYz\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n'
        b"Content-Type: text/plain\r\n\r\n\r\n--xY\r\n--\r\n"
        b"--xYz\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\niVBO\r\n"
        b"--xYz--\r\n"
    )
    bodies = (text, form, parts, parts, b"RESTRICTED\nx\n", gzip.compress(text), text)
    return [bytes((form, step)) + body for form, body in enumerate(bodies) for step in (0, 7)]


def words() -> list[bytes]:
    """What bodies are made of."""
    return [
        *(b'"', b"\\", b'\\"', b"\\\\", b"\\u00", b"\\ud83d", b"\\ude00", b"\\u", b":", b",", b"{"),
        *(b"&", b"=", b"%", b"%4", b"%40", b"+", b"@wmp.police.uk", b"SECRET", b"RESTRICTED\n"),
        *(
            b"\r\n",
            b"--xYz",
            b"\r\n--xYz\r\n",
            b"--xYz--",
            b"\r",
            b"filename=",
            b"; name=",
            b"\r\n\r\n",
        ),
        *(b"data:;base64,", b"QUJD" * 20, b"==", b"Content-Length: 3\r\n", b"\0", b"\x1f\x8b"),
    ]


def _events(body: bytes, form: int, step: int) -> list[Event]:
    content_type, encoding = _FORMS[form]
    upload = Upload({"content-type": content_type, "content-encoding": encoding}, "/a.txt")
    watch = AddressWatch(_DOMAINS)
    events: list[Event] = []
    for place in range(0, len(body), step):
        piece = body[place : place + step]
        watch.feed(piece)
        events += upload.feed(piece)
    return [*events, *upload.end()]


def _told(events: list[Event]) -> list[object]:
    """What was found, a file's bytes together."""
    told: list[object] = []
    opened: list[bytes] | None = None
    for event in events:
        if isinstance(event, File):
            assert opened is None, "a file within a file"
            opened = []
            told.append(event)
        elif isinstance(event, Piece):
            assert opened is not None, "bytes of no file"
            opened.append(event.octets)
        elif event is END:
            assert opened is not None, "the end of no file"
            told.append(b"".join(opened))
            opened = None
        elif isinstance(event, Unread):
            told.append("unread")
        else:
            assert isinstance(event, Field)
            told.append((event.text, sorted(findings_of_field(event, _DOMAINS))))
    assert opened is None, "a file without an end"
    # What is said of nothing may be left out in one way of cutting and not in another.
    return [each for each in told if not isinstance(each, tuple) or each[1]]


def check(data: bytes) -> None:
    """The same whatever the cuts, in order."""
    if len(data) < 2:
        return
    form, step, body = data[0] % len(_FORMS), 1 + data[1] % 64, data[2:]
    cut, whole = _told(_events(body, form, step)), _told(_events(body, form, 1 << 16))
    if "unread" in whole:
        # How far one gets into what is broken may depend on the cuts; that it is broken may not.
        assert "unread" in cut
    else:
        assert cut == whole
