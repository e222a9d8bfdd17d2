"""A watch: what of an answer may go on, and when; what never does."""

from __future__ import annotations

import gzip
import io
import logging
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.content.types import HEAD, TAIL
from proxy_addons.engine.kept import Kept
from proxy_addons.gate import watching as module
from proxy_addons.gate.answerhead import AnswerHead
from proxy_addons.gate.refusal import Answer
from proxy_addons.gate.watching import ALL, DONE, FLOW, REFUSED, Watch
from proxy_addons.policy.findings import GROUPS, parted

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = b"<!doctype html><title>News</title><p>" + b"Some words of a page. " * 4000
PROGRAM = Path("/bin/true").read_bytes()
PICTURE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0\0\0\1\0\x08\2\0\0\0" + bytes(range(256)) * 800
NO = Answer(403, (), b"no")
FAILED = Answer(403, (), b"undecided")


def jar() -> bytes:
    """A Java program."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("META-INF/MANIFEST.MF", "Main-Class: A\n")
        archive.writestr("A.class", b"\xca\xfe\xba\xbe\0\0\0\x41" + bytes(3000))
    return file.getvalue()


JAR = jar()


def judged(findings: frozenset[str]) -> Answer | None:
    """A policy against software and what cannot be read."""
    types = {parted(each)[1] for each in findings}
    return NO if types & (GROUPS["software"] | GROUPS["unseen"]) else None


def watch(path: str = "/x", judge: Callable[[frozenset[str]], Answer | None] = judged) -> Watch:
    return Watch(path, judge, lambda _problem: FAILED)


def passed(body: bytes, cuts: list[int], head: AnswerHead, path: str = "/x") -> tuple[bytes, bool]:
    """What goes out of a body that comes in pieces, and whether it was refused."""
    seen, kept, out = watch(path), Kept(), b""
    keep = seen.begin(head)
    if keep == REFUSED:
        return b"", True
    places = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    pieces = [body[a:b] for a, b in pairwise(places)]
    for number, piece in enumerate(pieces):
        if keep != DONE:
            kept.put(piece, len(piece))
            keep = seen.feed(piece, last=number == len(pieces) - 1)
            if keep == REFUSED:
                assert seen.refusal is NO
                return out, True
            out += kept.let_go(keep)
        else:
            out += piece
    assert keep == DONE
    return out, False


CUTS = st.lists(st.integers(0, 200_000), max_size=8)
CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gzip": gzip.compress,
    "br": lambda body: brotli.compress(body, quality=3),
}


@pytest.mark.parametrize("coding", CODINGS)
@given(
    st.sampled_from([PAGE, PICTURE, b"", b"{}", b"a", b"name,age\n" * 9000, bytes(60_000)]),
    st.sampled_from(["text/html", "application/octet-stream", "", "image/png"]),
    st.booleans(),
    CUTS,
)
def test_what_is_ordinary_comes_through_as_it_was(
    coding: str, body: bytes, kind: str, known: bool, cuts: list[int]
) -> None:
    encoded = CODINGS[coding](body)
    head = AnswerHead(200, kind, coding, length=len(encoded) if known else None)
    assert passed(encoded, cuts, head) == (encoded, False)


@pytest.mark.parametrize("coding", CODINGS)
@given(
    st.sampled_from([PROGRAM, JAR]),
    st.sampled_from(["text/html", "text/plain", "application/json", "image/png", ""]),
    st.sampled_from(["/logo.png", "/", "/setup.exe", "/a.txt"]),
    st.booleans(),
    CUTS,
)
def test_software_never_comes_through(
    coding: str, body: bytes, kind: str, path: str, known: bool, cuts: list[int]
) -> None:
    encoded = CODINGS[coding](body)
    head = AnswerHead(200, kind, coding, length=len(encoded) if known else None)
    out, refused = passed(encoded, cuts, head, path)
    assert refused
    if kind in {"image/png", ""}:
        assert not out
    # What is said to be text may begin to pass, until there is enough of it to look at.
    assert len(out) <= max(16, len(encoded) // 2)


@given(
    st.sampled_from([PAGE, PICTURE, PAGE[:50], PICTURE + bytes(300_000), b"words " * 30_000]),
    st.sampled_from(["text/html", "text/plain", "image/png", ""]),
    st.booleans(),
    CUTS,
)
def test_a_program_behind_something_else_never_comes_through(
    before: bytes, kind: str, known: bool, cuts: list[int]
) -> None:
    body = before + JAR
    out, refused = passed(body, cuts, AnswerHead(200, kind, length=len(body) if known else None))
    assert refused
    assert len(out) <= len(before) + 4, "nothing of it that a reader of archives could use"


@given(
    st.sampled_from([PAGE, PICTURE, PICTURE[:500], PICTURE + bytes(300_000)]),
    st.sampled_from(["text/html", "image/png", ""]),
    st.booleans(),
    CUTS,
)
def test_an_archive_behind_something_else_never_comes_through(
    before: bytes, kind: str, known: bool, cuts: list[int]
) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data", PROGRAM)  # nobody looks into it there
    body = before + file.getvalue()
    out, refused = passed(body, cuts, AnswerHead(200, kind, length=len(body) if known else None))
    assert refused
    assert len(out) <= len(before) + 4


@pytest.mark.parametrize(
    ("head", "begins"),
    [
        (AnswerHead(204), DONE),
        (AnswerHead(304, "text/html"), DONE),
        (AnswerHead(200, length=0), DONE),
        (AnswerHead(200), ALL),
        (AnswerHead(404, "text/html", length=5), ALL),
        (AnswerHead(206, content_range="bytes 0-99/200"), ALL),
        # It was not asked for, and shows no beginning.
        (AnswerHead(206, content_range="bytes 1-99/200"), REFUSED),
        (AnswerHead(206, content_range="bytes 01-99/200"), REFUSED),
        (AnswerHead(206, content_range="bytes */200"), REFUSED),
        (AnswerHead(206, "multipart/byteranges; boundary=x"), REFUSED),
        (AnswerHead(200, coding="dcb"), REFUSED),
    ],
)
def test_what_heads_say(head: AnswerHead, begins: int) -> None:
    assert watch().begin(head) == begins


def test_a_coding_that_is_none_is_refused() -> None:
    seen = watch()
    assert seen.begin(AnswerHead(200, "text/html", "gzip")) == ALL
    assert seen.feed(b"no gzip at all, but a page <p>", last=False) == REFUSED


@pytest.mark.parametrize(
    "kind",
    ["text/event-stream", "application/json", "text/html; charset=utf-8", "text/plain",
     "multipart/x-mixed-replace;boundary=x", "application/grpc-web+proto"],
)  # fmt: skip
def test_what_comes_slowly_is_not_held_up(kind: str) -> None:
    seen = watch()
    assert seen.begin(AnswerHead(200, kind)) == ALL
    for piece in (b"d", b"ata", b": 1\n\n", b"data: 2\n\n" * 5, b"data: 3\n\n" * 9000):
        assert seen.feed(piece, last=False) in {FLOW, DONE}


def test_of_what_is_known_to_be_long_only_the_end_is_kept_back() -> None:
    seen = watch()
    size = 40 * len(PICTURE)
    seen.begin(AnswerHead(200, "image/png", length=size))
    keeps = [seen.feed(PICTURE, last=number == 39) for number in range(40)]
    assert len(PICTURE) > TAIL
    assert keeps == [*[FLOW] * 39, DONE]


@pytest.mark.parametrize("size", [1000, 65_536, TAIL - 1, TAIL, TAIL + 1, 200_000])
def test_what_stands_behind_a_long_one_is_seen_however_it_is_cut(size: int) -> None:
    body = PICTURE * 5 + JAR
    seen = watch()
    keep, out = seen.begin(AnswerHead(200, "image/png", length=len(body))), 0
    for at in range(0, len(body), size):
        piece = body[at : at + size]
        keep = seen.feed(piece, last=at + size >= len(body))
        if keep == FLOW:
            out = at + len(piece)
    assert keep == REFUSED
    assert len(body) - TAIL - size <= out <= len(body) - TAIL


def test_what_ends_long_before_its_length_is_refused() -> None:
    seen = watch()
    seen.begin(AnswerHead(200, "image/png", length=10 * len(PICTURE)))
    assert seen.feed(PICTURE, last=False) == FLOW
    assert seen.feed(b"", last=True) == REFUSED
    assert seen.refusal is FAILED


def test_the_end_is_kept_back_where_it_may_be_near() -> None:
    seen = watch()
    seen.begin(AnswerHead(200, "image/png", length=len(PICTURE) + 100))
    assert seen.feed(PICTURE, last=False) == TAIL - 100
    seen = watch()
    seen.begin(AnswerHead(200, "image/png"))
    assert seen.feed(PICTURE, last=False) == TAIL


def test_a_failure_is_a_refusal(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret words")

    for name, do in (
        ("declared_of", lambda seen: seen.begin(AnswerHead(200))),
        ("is_plain", lambda seen: seen.feed(PAGE, last=False)),
        ("types_of", lambda seen: seen.feed(b"\1" * HEAD, last=False)),
        ("tail_types", lambda seen: seen.feed(PICTURE, last=True)),
    ):
        seen = watch()
        if name != "declared_of":
            seen.begin(AnswerHead(200))
        with monkeypatch.context() as patch:
            patch.setattr(module, name, broken)
            assert do(seen) == REFUSED, name
        assert seen.refusal is FAILED
    assert "secret" not in caplog.text
    assert caplog.messages == ["looking at an answer failed (ZeroDivisionError): refused"] * 4
    assert {record.levelno for record in caplog.records} == {logging.ERROR}
