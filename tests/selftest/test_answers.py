"""What the origin of a row answers is what its row says, as other programs read it."""

from __future__ import annotations

import email
import gzip
import io
import zipfile
from typing import Any

import pytest

from proxy_addons.selftest.answers import AnswerError, answer_of, body_of
from proxy_addons.selftest.observed import ORIGIN_FIELD, answers_in


def read(raw: dict[str, Any], *, ended: bool = True) -> Any:
    answers, rest = answers_in(answer_of(raw), (), ended=ended)
    (found,) = answers
    return found, rest


@pytest.mark.parametrize("framing", ["length", "chunked", "bytewise", "extended", "close"])
def test_a_body_is_framed(framing: str) -> None:
    found, rest = read({"body": ["program"], "framing": framing, "fields": ["A: b"]})
    assert (found.status, found.fields["a"], rest) == (200, "b", b"")
    assert found.by_origin
    assert found.body == body_of(["program"])


def test_what_an_answer_says() -> None:
    raw = {"body": ["text"], "status": "206 Part", "framing": "chunked", "trailers": ["A: b"]}
    assert answer_of(raw).endswith(b"\r\n0\r\nA: b\r\n\r\n")
    assert read(raw)[0].status == 206
    short, rest = read({"body": ["text"], "framing": "short"})
    assert len(short.body) == len(body_of(["text"])) - 1000
    assert len(rest) == 1000
    assert answer_of({"body": ["text"], "version": "HTTP/1.0"}).startswith(b"HTTP/1.0 200 OK\r\n")
    assert ORIGIN_FIELD.encode() in answer_of({"body": ["text"]})


def test_bodies_are_made_step_by_step() -> None:
    program = body_of(["program"])
    assert gzip.decompress(gzip.decompress(body_of(["program", "gzip", "gzip"]))) == program
    for steps in (["in zip"], ["in zip", "behind a picture"], ["in zip", "behind 100 kB of text"]):
        with zipfile.ZipFile(io.BytesIO(body_of(["program", *steps]))) as archive:
            assert archive.read("a.dat") == program
    locked = io.BytesIO(body_of(["program", "in a locked zip"]))
    with zipfile.ZipFile(locked) as archive, pytest.raises(RuntimeError, match="encrypted"):
        archive.read("a.dat")
    text = body_of(["powershell"]).decode()
    assert body_of(["powershell", "UTF-16"]).decode("utf-16") == text
    assert body_of(["powershell", "with BOM"]).decode("utf-8-sig") == text
    parts = body_of(["program", "in parts"])
    said = email.message_from_bytes(
        b"Content-Type: multipart/byteranges; boundary=x\r\n\r\n" + parts
    )
    halves = [part.get("Content-Range") for part in said.walk() if not part.is_multipart()]
    assert halves == [f"bytes 0-2043/{len(program)}", f"bytes 2044-4087/{len(program)}"]


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ("program", "wanted body"),
        ({"status": "200 OK"}, "wanted body"),
        ({"body": ["text"], "fild": []}, "wanted body"),
        ({"body": "text"}, "a list of steps"),
        ({"body": []}, "a list of steps"),
        ({"body": ["virus"]}, "'virus' is not one of"),
        ({"body": ["text", "zip"]}, "'zip' is not one of"),
        ({"body": ["text"], "framing": "none"}, "framing"),
    ],
)
def test_what_cannot_be_read_is_said(raw: Any, why: str) -> None:
    with pytest.raises(AnswerError, match=why):
        answer_of(raw)
