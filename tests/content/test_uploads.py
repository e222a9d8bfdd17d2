"""Bodies of requests as they pass: fields, files, and what cannot be read."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.content.fields import findings_of_field
from proxy_addons.content.sent import FIELD
from proxy_addons.content.uploads import END, Event, Field, File, Piece, Unread, Upload

if TYPE_CHECKING:
    from collections.abc import Iterable

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


def events(
    body: bytes, content_type: str = "", step: int = 1 << 16, path: str = "/", **headers: str
) -> list[Event]:
    """What a body has in it, when it comes in pieces of some length."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    upload = Upload({"content-type": content_type, **named}, path, everything=True)
    found: list[Event] = []
    for place in range(0, len(body), step):
        found += upload.feed(body[place : place + step])
    return [*found, *upload.end()]


def fields(found: Iterable[Event]) -> list[tuple[str, str]]:
    return [(event.name, event.text) for event in found if isinstance(event, Field)]


def files(found: Iterable[Event]) -> list[tuple[File, bytes]]:
    """Files with their bytes; fails where events are not in order."""
    whole: list[tuple[File, bytes]] = []
    opened: tuple[File, list[bytes]] | None = None
    for event in found:
        if isinstance(event, File):
            assert opened is None
            opened = (event, [])
        elif isinstance(event, Piece):
            assert opened is not None
            opened[1].append(event.octets)
        elif event is END:
            assert opened is not None
            whole.append((opened[0], b"".join(opened[1])))
            opened = None
    assert opened is None
    return whole


def unread(found: Iterable[Event]) -> list[str]:
    return [event.why for event in found if isinstance(event, Unread)]


def multipart(*parts: tuple[str, bytes], boundary: str = "xYz") -> bytes:
    """Parts: their headers, and their bytes."""
    out = b""
    for headers, content in parts:
        out += f"--{boundary}\r\n{headers}\r\n\r\n".encode() + content + b"\r\n"
    return out + f"--{boundary}--\r\n".encode()


NAMED = 'Content-Disposition: form-data; name="f"; filename="Op RESTRICTED.docx"'
MULTIPART = 'multipart/form-data; boundary="xYz"'
STEPS = st.integers(min_value=1, max_value=40)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


# --- forms ------------------------------------------------------------------------------------


@given(st.lists(st.tuples(TEXT, TEXT), max_size=8), STEPS)
def test_a_urlencoded_form_is_read_however_it_is_cut(
    values: list[tuple[str, str]], step: int
) -> None:
    found = fields(events(urlencode(values).encode(), FORM, step))
    inner = [pair for pair in found if pair in values]
    assert inner == values


def test_a_long_field_is_a_file_of_text() -> None:
    text = ("word " * 20_000) + "END"
    found = events(urlencode({"a": "1", "message": text, "b": "2"}).encode(), FORM, 1000)
    assert fields(found) == [("a", "1"), ("b", "2")]
    assert [content for _, content in files(found)] == [text.encode()]


def test_an_endless_name_is_a_value() -> None:
    found = events(b"x" * 10_000, FORM, 7)
    assert fields(found) == [("", "x" * 10_000)]


@given(TEXT, st.binary(max_size=200), STEPS)
def test_a_multipart_form_is_read_however_it_is_cut(text: str, content: bytes, step: int) -> None:
    body = multipart(
        ('Content-Disposition: form-data; name="note"', text.encode()),
        (
            f"{NAMED}\r\nContent-Type: application/octet-stream",
            content,
        ),
    )
    found = events(body, MULTIPART, step)
    assert fields(found)[:1] == [("note", text)] or text.isspace() or "\r" in text
    assert unread(found) == []
    if content:
        ((file, octets),) = files(found)
        assert octets == content
        assert file.name == "Op RESTRICTED.docx"
        assert file.declared.names[-1:] == ("op restricted.docx",)


def test_a_boundary_within_a_file_does_not_end_it() -> None:
    content = b"a\r\n--xY\r\n--xYzz no\n--xYz\r\n" * 3
    body = multipart(('Content-Disposition: form-data; name="f"; filename="a"', b"a" + content))
    # "\r\n--xYzz" begins as a boundary does and goes on otherwise: nobody knows what servers do.
    assert unread(events(body, MULTIPART, 5)) != []


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"--a\r\n\r\n\r\n--a--\r\n"),
        (MULTIPART, b"--xYz\nContent-Disposition: form-data; name=a\n\nx\n--xYz--\n"),
        (MULTIPART, b"--xYz\r\nContent-Disposition: form-data; name=a\r\n\r\nSECRET"),
        (MULTIPART, b"--xYz\r\nno header\r\n\r\nx\r\n--xYz--\r\n"),
        (MULTIPART, b"nothing of the kind"),
        (MULTIPART, b"a preamble\r\n" + multipart((NAMED, b"x"))),
        (MULTIPART, multipart((f"{NAMED}\nContent-Type: text/plain", b"x"))),
        (MULTIPART, b"--xYz\r\n" + b"A: " + b"x" * 100_000),
    ],
)
def test_a_form_that_breaks_the_rules_is_unread(content_type: str, body: bytes) -> None:
    found = events(body, content_type, 11)
    assert len(unread(found)) == 1
    files(found)


def test_what_a_broken_form_had_until_then_is_told() -> None:
    body = multipart(("Content-Disposition: form-data; name=a", b"SECRET x"))[:-6] + b"??"
    assert fields(events(body, MULTIPART)) == [("a", "SECRET x\r\n--x??")]


def test_a_cloud_store_sends_what_it_is_and_the_file() -> None:
    body = multipart(
        ("Content-Type: application/json; charset=UTF-8", b'{"fileName": "Falcon.pdf"}'),
        ("Content-Type: application/pdf", b"%PDF-1.4"),
        ("Content-Type: image/png\r\nContent-Transfer-Encoding: base64", b"iVBORw0K\r\nGgo="),
    )
    found = events(body, 'multipart/related; boundary="xYz"', 9)
    assert ("fileName", "Falcon.pdf") in fields(found)
    assert [content for _, content in files(found)] == [b"%PDF-1.4", b"\x89PNG\r\n\x1a\n"]


# --- JSON -------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def strings(value: Any, key: str = "") -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [each for inner in value for each in strings(inner, key)]
    if isinstance(value, dict):
        return [each for inner in value.values() for each in strings(inner)]
    return []


@given(VALUES, STEPS, st.booleans())
def test_the_strings_of_json_are_found_however_it_is_cut(
    value: Any, step: int, ascii_only: bool
) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    found = [text for _, text in fields(events(body, JSON, step))]
    for text in strings(value):
        assert text in found


SAYING = st.sampled_from(
    [
        "OFFICIAL-SENSITIVE",
        "a@wmp.police.uk",
        "a%40wmp.police.uk",
        "SECRET - Falcon",
        "plain",
        "fileName",
    ]
)


@given(
    st.recursive(
        SAYING | TEXT,
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(SAYING | TEXT, inner, max_size=4)
        ),
        max_leaves=12,
    ),
    STEPS,
)
def test_what_is_left_out_says_nothing(value: Any, step: int) -> None:
    body = json.dumps(value).encode()
    upload = Upload({"content-type": JSON})
    some: list[Event] = []
    for place in range(0, len(body), step):
        some += upload.feed(body[place : place + step])
    some += upload.end()
    assert files(some) == files(events(body, JSON, step))
    found = [
        {
            finding
            for event in each
            if isinstance(event, Field)
            for finding in findings_of_field(event, ("wmp.police.uk",))
        }
        for each in (some, events(body, JSON, step))
    ]
    assert found[0] == found[1]


def test_a_string_has_its_key_and_json_in_a_string_is_read() -> None:
    inner = json.dumps({"body": 'He said "SECRET"\nand left'})
    body = json.dumps({"to": "a@b", "data": [inner], "n": {"m": "x"}}).encode()
    found = fields(events(body, JSON, 3))
    assert ("to", "a@b") in found
    assert ("body", 'He said "SECRET"\nand left') in found
    assert ("m", "x") in found


@pytest.mark.parametrize("size", [300, 3 * FIELD])
@pytest.mark.parametrize("url", ["", "data:application/pdf;base64,"])
@pytest.mark.parametrize("step", [1000, 1 << 20])
def test_a_file_in_base64_within_json_is_a_file(size: int, url: str, step: int) -> None:
    content = b"%PDF-1.7\n" + bytes(range(256)) * (size // 256)
    value = url + base64.b64encode(content).decode()
    body = json.dumps({"fileName": "Falcon.pdf", "content": value, "last": "x"}).encode()
    found = events(body, JSON, step)
    ((file, octets),) = files(found)
    assert octets == content
    assert file.name == "Falcon.pdf"
    assert ("last", "x") in fields(found)


def test_keys_and_hashes_are_no_files() -> None:
    token = base64.b64encode(bytes(range(90, 190))).decode()
    found = events(json.dumps({"token": token, "id": "0123456789abcdef" * 8}).encode(), JSON)
    assert files(found) == []
    assert fields(found)[0] == ("token", token)


def test_a_long_string_with_escapes_is_a_text() -> None:
    text = 'line "one"\n\u00e9\U0001f600\\ ' * 10_000
    for step in (999, 65536):
        ((_, octets),) = files(events(json.dumps({"a": text}).encode(), JSON, step))
        assert octets.decode() == text


def test_a_string_without_end_is_told() -> None:
    assert fields(events(b'{"a": "OFFICIAL-SENSITIVE', JSON)) == [("a", "OFFICIAL-SENSITIVE")]


@given(st.binary(max_size=300), STEPS, st.sampled_from([JSON, FORM, MULTIPART, "", "text/plain"]))
def test_any_body_is_read_in_order_and_alike_however_it_is_cut(
    body: bytes, step: int, content_type: str
) -> None:
    whole = events(body, content_type)
    cut = events(body, content_type, step)
    assert files(cut) == files(whole)
    assert fields(cut) == fields(whole)
    assert bool(unread(cut)) == bool(unread(whole))


# --- a body that is a file --------------------------------------------------------------------


def test_a_body_is_a_file_by_the_name_in_its_path() -> None:
    found = events(b"%PDF-1.7" * 100, "application/pdf", 64, path="/a/Op%20RESTRICTED.pdf?x=1")
    ((file, octets),) = files(found)
    assert octets == b"%PDF-1.7" * 100
    assert file.name.splitlines()[0] == "Op RESTRICTED.pdf"
    assert file.declared.content_type == "application/pdf"
    assert file.whole


@pytest.mark.parametrize(
    ("headers", "whole"),
    [
        ({}, True),
        ({"content_range": "bytes 0-9/10"}, True),
        ({"content_range": "bytes 0-9/20"}, False),
        ({"content_range": "bytes 0-9/*"}, False),
        ({"content_range": "nonsense"}, False),
        ({"upload_offset": "0"}, True),
        ({"upload_offset": "5"}, False),
    ],
)
def test_a_part_of_a_file_says_so(headers: dict[str, str], whole: bool) -> None:
    ((file, _),) = files(events(b"0123456789", "application/octet-stream", **headers))
    assert file.whole is whole


@pytest.mark.parametrize("content_type", ["", "text/plain", FORM, "application/octet-stream"])
def test_json_under_another_type_is_json(content_type: str) -> None:
    body = json.dumps({"a": "x=y&z", "b": "OFFICIAL-SENSITIVE"}).encode()
    for step in (1, 7, 1000):
        found = fields(events(body, content_type, step))
        assert found == [("a", "x=y&z"), ("b", "OFFICIAL-SENSITIVE")]


def test_json_without_a_type_is_json_and_text_in_brackets_is_text() -> None:
    assert fields(events(b'{"a":"b"}', "text/plain", 2)) == [("a", "b")]
    ((_, octets),) = files(events(b"[OFFICIAL-SENSITIVE]\nHello", "text/plain", 2))
    assert octets == b"[OFFICIAL-SENSITIVE]\nHello"


def test_no_body_has_nothing_in_it() -> None:
    assert events(b"") == []
    assert events(b"", FORM) == []


# --- compressed -------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 1000])
def test_a_compressed_body_is_unpacked(step: int) -> None:
    body = json.dumps({"a": "SECRET x"}).encode()
    for packed, encoding in ((gzip.compress(body), "gzip"), (zlib.compress(body), "deflate")):
        found = events(packed, JSON, step, content_encoding=encoding)
        assert fields(found) == [("a", "SECRET x")]
        assert unread(found) == []


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"anything", "br"),
        (b"not gzip", "gzip"),
        (gzip.compress(b"x" * 1000)[:-9], "gzip"),
        (gzip.compress(b"{}") + b"more", "gzip"),
        (gzip.compress(b"\0" * (40 << 20)), "gzip"),
    ],
    ids=["unknown", "none", "cut off", "more behind it", "little that stands for much"],
)
def test_what_cannot_be_unpacked_is_unread(body: bytes, encoding: str) -> None:
    found = events(body, "application/pdf", content_encoding=encoding)
    assert len(unread(found)) == 1
    files(found)


# --- memory -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "start"),
    [
        (FORM, b"a="),
        (FORM, b""),
        (JSON, b'{"a": "'),
        (JSON, b"[1, 2, "),
        (MULTIPART, b'--xYz\r\nContent-Disposition: form-data; name="a"\r\n\r\n'),
        ("application/pdf", b""),
    ],
)
@pytest.mark.parametrize("filling", [b"x", b"%", b"\\", b"\r\n-", b"{", b'"a'])
def test_no_body_is_held(content_type: str, start: bytes, filling: bytes) -> None:
    upload = Upload({"content-type": content_type})
    list(upload.feed(start))
    piece = filling * (65_536 // len(filling))
    for _ in range(6):
        list(upload.feed(piece))
    # What is not handed over is dropped, or kept up to a bound that a body does not move.
    assert _kept(upload) < 4 * FIELD


def _kept(thing: object, seen: set[int] | None = None) -> int:
    """Bytes that an object of ours holds, with all that it refers to."""
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return 0
    seen.add(id(thing))
    if isinstance(thing, bytes | bytearray | str):
        return len(thing)
    if isinstance(thing, list | tuple):
        return sum(_kept(each, seen) for each in thing)
    held = getattr(thing, "__dict__", None) or {}
    return sum(_kept(each, seen) for each in held.values())
