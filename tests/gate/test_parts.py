"""Parts of files: what is remembered of a file for everybody."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from proxy_addons.content.types import HEAD, TAIL
from proxy_addons.gate.answerhead import AnswerHead
from proxy_addons.gate.parts import PartWatch, Seen
from proxy_addons.gate.refusal import Answer
from proxy_addons.gate.watching import AGAIN, ALL

ADDRESS = "http://site.test/a.mp4"
FILM = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(range(256)) * 2000


def with_program() -> bytes:
    """A film with an archive behind it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("A.class", Path("/bin/true").read_bytes())
    return FILM + file.getvalue()


@pytest.mark.parametrize(
    ("file", "known"), [(FILM, True), (with_program(), False)], ids=["film", "film and program"]
)
def test_what_one_may_have_is_not_remembered_for_another(file: bytes, known: bool) -> None:
    """Somebody to whom no finding is refused asks for a part first."""
    seen = Seen(lambda: 0.0)
    watch = PartWatch("/a.mp4", lambda _: None, lambda _: Answer(403, (), b""), ADDRESS, seen)
    for first, last in ((0, HEAD), (len(file) - TAIL, len(file))):
        head = AnswerHead(
            206,
            "video/mp4",
            content_range=f"bytes {first}-{last - 1}/{len(file)}",
            validator='"a"',
        )
        assert watch.begin(head) == ALL
        assert watch.feed(file[first:last], last=True) == AGAIN
    assert (seen.get(ADDRESS) is not None) is known
    assert watch.part == (None if known else ""), "the whole is asked for"
