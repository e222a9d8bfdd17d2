"""All that is found in a whole body: fields, files, and what could not be read."""

from __future__ import annotations

import os
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.marked import form, letter, note
from support.packing import zip_of
from support.repository import FLUSH, packet

from proxy_addons.content.examiner import Examiner
from proxy_addons.content.outgoing import (
    FILES,
    SEVERAL,
    Sent,
    findings_of_address,
    findings_of_body,
)
from proxy_addons.settings.content import Archives

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

FORM = {"content-type": "multipart/form-data; boundary=xYz"}
DOMAINS = ("force.police.test",)
ADDRESS = "a.smith@force.police.test"
MARKED = frozenset({"marking=official-sensitive"})
UNREAD = frozenset({"sends=unread"})


@pytest.fixture
async def examiner(tmp_path: Path) -> AsyncIterator[Examiner]:
    async with Examiner(Archives(processes=1), tmp_path) as made:
        yield made


def new_file() -> int:
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def nameless() -> int:
    """How many files without a name are open."""
    links = [each.readlink() for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
    return sum(link.name.endswith("(deleted)") for link in links)


async def found(
    examiner: Examiner,
    body: bytes,
    headers: dict[str, str] | None = None,
    *,
    room: int = 1 << 24,
    file: Callable[[], int] = new_file,
) -> Sent:
    before = nameless()

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(body), 4000):
            yield body[at : at + 4000]

    sent = await findings_of_body(
        pieces(), len(body), headers or {}, "/upload", partial(examiner.examine, sent=True),
        new_file=file, domains=DOMAINS, room=room,
    )  # fmt: skip
    assert nameless() == before, "what was opened is closed"
    return sent


async def test_files_of_any_size_and_depth(examiner: Examiner) -> None:
    deep = zip_of({"a.zip": zip_of({"letter.docx": letter("OFFICIAL-SENSITIVE")})})
    large = zip_of({"a.bin": os.urandom(300_000), "letter.docx": letter("OFFICIAL-SENSITIVE")})
    for body, headers in (
        (form(letter("OFFICIAL-SENSITIVE")), FORM),
        (form(deep), FORM),
        (form(large), FORM),
        (large, {}),
        (note("OFFICIAL-SENSITIVE"), {"content-type": "text/plain"}),
        (note("OFFICIAL-SENSITIVE").decode().encode("utf-16"), {}),
    ):
        assert await found(examiner, body, headers) == Sent(MARKED)


async def test_what_git_has_packed_cannot_be_read(examiner: Examiner) -> None:
    pushed = packet(f"{'0' * 40} {'8' * 40} refs/heads/main\0report-status") + FLUSH + b"PACK"
    for rest in (b"\0\0\0\2", b"\0\0\0\2" + os.urandom(300_000)):
        sent = await found(examiner, pushed + rest)
        assert sent == Sent(UNREAD, ("what Git has packed",))


async def test_what_is_ordinary_has_nothing(examiner: Examiner) -> None:
    for body, headers in (
        (b"", {}),
        (os.urandom(100), {}),
        (os.urandom(100_000), {"content-type": "video/mp4"}),
        (form(letter("OFFICIAL")), FORM),
        (form(note("OFFICIAL")), FORM),
        (b"q=restricted+area", {"content-type": "application/x-www-form-urlencoded"}),
    ):
        assert await found(examiner, body, headers) == Sent()


async def test_small_files_that_say_nothing_are_not_examined(
    examiner: Examiner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that sends numbers all day long must not keep the processes busy."""

    async def never(*_: object, **__: object) -> None:
        pytest.fail("it was examined")

    monkeypatch.setattr(examiner, "examine", never)
    for body in (b"\0\1\2" * 100, b"hello", b"\x08\x96\x01", b'{"a": 1', "häh".encode("utf-16")):
        assert await found(examiner, body, {"content-type": "application/octet-stream"}) == Sent()


@pytest.mark.parametrize(
    "body",
    [
        ADDRESS.encode(),
        urlencode({"mail": ADDRESS}).encode(),
        b"\x0a\x19" + ADDRESS.encode() + b"\x10\x01",
        b"x" * 4000 + ADDRESS.encode(),
        b"x" * (4000 - 5) + ADDRESS.encode() + b"\n" * 100_000,
    ],
)
async def test_an_address_of_the_force_in_any_bytes(examiner: Examiner, body: bytes) -> None:
    assert (await found(examiner, body)).findings == {"sends=force-address"}


async def test_what_could_not_be_read_is_said(examiner: Examiner) -> None:
    cases = {
        "an encoding that is not read": (b"x", {"content-encoding": "br"}),
        "a head that says twice what the body is": (b"x", {SEVERAL: "content-type"}),
        "a part of a file": (b"x" * 9, {"content-range": "bytes 0-8/100"}),
        "more than there is room for": (os.urandom(90_000), {}),
        "too many files": (_form_of(FILES + 1), FORM),
    }
    for why, (body, headers) in cases.items():
        sent = await found(examiner, body, headers, room=80_000)
        assert sent == Sent(UNREAD, (why,))


async def test_too_many_files_hide_nothing_in_those_that_are_read(examiner: Examiner) -> None:
    body = _form_of(FILES, letter("OFFICIAL-SENSITIVE"))
    assert (await found(examiner, body, FORM)).findings == MARKED
    assert (await found(examiner, _form_of(FILES + 1, b"x"), FORM)).findings == UNREAD


async def test_no_room_on_the_disk_makes_it_unread(examiner: Examiner) -> None:
    def full() -> int:
        raise OSError(28, "No space left on device")

    for body in (letter("OFFICIAL-SENSITIVE"), os.urandom(90_000)):
        sent = await found(examiner, body, file=full)
        assert sent == Sent(UNREAD, ("no room to look at it: No space left on device",))


async def test_a_disk_that_takes_a_part_makes_it_unread(examiner: Examiner) -> None:
    """A short write raises nothing."""

    def device() -> int:
        return os.open("/dev/full", os.O_WRONLY)

    assert (await found(examiner, os.urandom(90_000), file=device)).findings == UNREAD


def _form_of(count: int, last: bytes = b"x") -> bytes:
    head = '--xYz\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n'
    files = [head.encode() + (last if n == count - 1 else b"x") + b"\r\n" for n in range(count)]
    return b"".join(files) + b"--xYz--\r\n"


@given(st.sampled_from([quote, str]), st.text("ab=&%+?/", max_size=20))
def test_an_address_in_a_query(written: type[str], around: str) -> None:
    path = f"/join?{around}&mail={written(ADDRESS)}"
    assert findings_of_address(path, DOMAINS) == {"sends=force-address"}
    assert findings_of_address(path, ()) == frozenset()
    assert findings_of_address(path.replace("force.police", "example"), DOMAINS) == frozenset()


def test_what_is_no_query_has_no_address() -> None:
    assert findings_of_address(f"/users/{ADDRESS}", DOMAINS) == frozenset()
    assert findings_of_address("/search?q=OFFICIAL-SENSITIVE", DOMAINS) == frozenset()
