"""A glance says yes only to what a watch would let through without having found anything."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.packing import PROGRAM, zip_of

from proxy_addons.content.types import HEAD
from proxy_addons.gate import glance
from proxy_addons.gate.answerhead import answer_head_of
from proxy_addons.gate.glance import is_ordinary
from proxy_addons.gate.watching import DONE, REFUSED, Watch

if TYPE_CHECKING:
    from proxy_addons.gate.refusal import Answer

PAGE = b"<!doctype html><title>News</title><p>" + b"Some words of a page. " * 400
CSS = b"body { color: #123456 }\n" * 300
ROWS = b'{"rows": [' + b'{"a": 1},' * 500 + b"{}]}"
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0\0\0\1\0\x08\2\0\0\0" + bytes(range(256)) * 30
ARCHIVE = zip_of({"setup.exe": PROGRAM})
DISK = PNG + b"koly\0\0\0\4" + bytes(504)

HTML = (b"Content-Type", b"text/html; charset=utf-8")
GZIP = (b"Content-Encoding", b"gzip")
SAVED = (b"Content-Disposition", b'attachment; filename="a.txt"')


def typed(kind: str) -> tuple[bytes, bytes]:
    return b"Content-Type", kind.encode()


ORDINARY = {
    "a page": ("/", (HTML,), PAGE),
    "a page of another path": ("/a/b.html?x=1/setup.exe", (HTML,), PAGE),
    "a style": ("/site.css", (typed("text/css"),), CSS),
    "data": ("/rows", (typed("application/json"),), ROWS),
    "data of an own type": ("/rows", (typed("application/hal+json"),), ROWS),
    "a picture": ("/a.png", (typed("image/png"),), PNG),
    "a picture of no type": ("/a.png", (), PNG),
    "a page, packed": ("/", (HTML, GZIP), gzip.compress(PAGE)),
    "a picture, packed": ("/a.png", (typed("image/png"), GZIP), gzip.compress(PNG)),
}


@pytest.mark.parametrize("shape", ORDINARY)
def test_what_pages_are_made_of_is_ordinary(shape: str) -> None:
    path, fields, content = ORDINARY[shape]
    assert is_ordinary(path, 200, (*fields, (b"Server", b"x")), content)


CLOSER = {
    "another status": ("/", 404, (HTML,), PAGE),
    "a part": ("/", 206, (HTML, (b"Content-Range", b"bytes 0-9/10")), PAGE),
    "a range that nobody can have asked for": ("/", 200, ((b"content-range", b"x"),), PAGE),
    "something to be saved": ("/", 200, (HTML, SAVED), PAGE),
    "two types": ("/", 200, (HTML, typed("application/hta")), PAGE),
    "two codings": ("/", 200, (HTML, GZIP, GZIP), gzip.compress(PAGE)),
    "a coding on another": ("/", 200, ((b"Content-Encoding", b"gzip, gzip"),), PAGE),
    "a coding that is none": ("/", 200, (HTML, GZIP), PAGE),
    "half of it": ("/", 200, (HTML, GZIP), gzip.compress(PAGE)[:-20]),
    "more behind it": ("/", 200, (HTML, GZIP), gzip.compress(PAGE) + ARCHIVE),
    "a second member": ("/", 200, (HTML, GZIP), gzip.compress(PAGE) + gzip.compress(ARCHIVE)),
    "a bomb": ("/", 200, (HTML, GZIP), gzip.compress(PAGE + bytes(1 << 24))),
    "no gzip": ("/", 200, (HTML, GZIP), zlib.compress(PAGE)),
    "nothing": ("/", 200, (HTML,), b""),
    "an archive in a text": ("/", 200, (HTML,), PAGE + ARCHIVE + PAGE),
    "an archive in a packed text": ("/", 200, (HTML, GZIP), gzip.compress(PAGE + ARCHIVE)),
    "an archive behind a picture": ("/a.png", 200, (typed("image/png"),), PNG + ARCHIVE),
    "a disk behind a picture": ("/a.png", 200, (typed("image/png"),), DISK),
    "a name of software": ("/setup.exe", 200, (HTML,), PAGE),
    "a name of software, escaped": ("/setup%2eexe", 200, (HTML,), PAGE),
    "a name of software before a fragment": ("/setup.hta#/a.html", 200, (HTML,), PAGE),
    "a name of software in a type": ("/", 200, (typed("text/html; name=a.hta"),), PAGE),
    "a type of software": ("/", 200, (typed("application/hta"),), PAGE),
    "a long name": ("/" + "a" * 200, 200, (HTML,), PAGE),
    "a long type": ("/", 200, (typed("text/html;" + "a" * 200),), PAGE),
    "a program": ("/", 200, (HTML,), PROGRAM),
    "an archive": ("/", 200, (HTML,), ARCHIVE),
    "an application of pages": ("/", 200, (HTML,), b"<html><hta:application>" + PAGE),
}


@pytest.mark.parametrize("shape", CLOSER)
def test_all_else_is_watched(shape: str) -> None:
    path, status, fields, content = CLOSER[shape]
    assert not is_ordinary(path, status, fields, content)


def _watched(
    path: str, status: int, fields: list[tuple[bytes, bytes]], content: bytes
) -> tuple[int, list[frozenset[str]]]:
    """What a watch says of the same answer, and what it has found."""
    found: list[frozenset[str]] = []

    def judge(findings: frozenset[str]) -> Answer | None:
        found.append(findings)
        return None

    def fail(problem: str) -> Answer:
        raise AssertionError(problem)

    watch = Watch(path, judge, fail)
    said = watch.begin(answer_head_of(status, fields, len(content)))
    if said not in {DONE, REFUSED}:
        said = watch.feed(content, last=True)
    return said, found


PIECES = st.sampled_from([
    *(PAGE, CSS, ROWS, PNG, ARCHIVE, DISK, PROGRAM, PROGRAM[:64], b"PK\3\4", b"<hta:x>", b"koly"),
    *(b"MZ", b"#!/bin/sh\n", b"\xef\xbb\xbf", b" \n", b"\0", b"<svg ", b"{", b"Rar!\x1a\7\0"),
])  # fmt: skip
BODIES = st.lists(PIECES | st.binary(max_size=40), max_size=4).map(b"".join)
PATHS = st.lists(
    st.sampled_from([
        *("/", "a", ".png", ".html", ".hta", ".ps1", ".exe", ".js", "%2e", "%2F", "?", "#", "\\"),
        *(" ", ".", "x.cmd", ";", "é"),
    ]),
    max_size=5,
).map(lambda parts: "/" + "".join(parts))  # fmt: skip
FIELDS = st.lists(
    st.sampled_from([
        HTML, GZIP, SAVED, typed("text/css"), typed("application/json"), typed("image/png"),
        typed("application/octet-stream"), typed("text/plain"), typed("application/hta"),
        typed("image/svg+xml; name=a.exe"), typed(""), (b"content-encoding", b"identity"),
        (b"Content-Range", b"bytes 0-9/99"), (b"ETag", b'"x"'),
    ]),
    max_size=3,
)  # fmt: skip


@given(PATHS, st.sampled_from([200, 200, 200, 206, 404]), FIELDS, BODIES, st.booleans())
@example("/a.png", 200, [typed("image/png"), GZIP], PNG, True)  # noqa: FBT003 - hypothesis's way
@example("/", 200, [HTML], PAGE * 8, False)  # noqa: FBT003 - longer than a head
def test_a_watch_would_have_found_nothing(
    path: str, status: int, fields: list[tuple[bytes, bytes]], body: bytes, packed: bool
) -> None:
    content = gzip.compress(body, mtime=0) if packed else body
    if is_ordinary(path, status, fields, content):
        assert _watched(path, status, fields, content) == (DONE, [])


def test_a_long_page_is_ordinary_too() -> None:
    """Beyond what is looked at of a head."""
    assert len(PAGE) * 8 > HEAD
    assert is_ordinary("/", 200, [HTML], PAGE * 8)
    assert not is_ordinary("/", 200, [HTML], PAGE * 8 + ARCHIVE)


def test_what_is_remembered_is_bounded() -> None:
    limits = glance._unsuspicious.cache_parameters()
    assert limits["maxsize"] == 4096
    before = glance._unsuspicious.cache_info().currsize
    assert not is_ordinary("/" + "b" * 500, 200, [HTML], PAGE)
    assert glance._unsuspicious.cache_info().currsize == before
