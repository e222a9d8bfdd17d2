"""Files are examined in processes that have nothing, and whatever becomes of those is an answer."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.packing import PROGRAM, TEXT, tar_of, zip_of
from support.waiting import until

from proxy_addons.content import examiner
from proxy_addons.content.confine import WANTED
from proxy_addons.content.declared import NOTHING, named
from proxy_addons.content.examiner import Examined, Examiner
from proxy_addons.settings.content import Archives

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def examining(tmp_path: Path) -> AsyncIterator[Examiner]:
    folder = tmp_path / "work"
    folder.mkdir()
    async with Examiner(Archives(processes=1), folder) as made:
        yield made
        assert not list(folder.iterdir())


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


async def asked(examining: Examiner, path: Path) -> tuple[int, asyncio.Task[Examined]]:
    """A process that stands still in the middle of a file, and who waits for it."""
    await examining.examine(path, NOTHING)
    (process,) = examining.processes
    os.kill(process, signal.SIGSTOP)
    waiting = asyncio.create_task(examining.examine(path, NOTHING))
    await until(lambda: not examining._free)
    return process, waiting


async def test_a_file_is_examined(examining: Examiner, tmp_path: Path) -> None:
    inner = zip_of({"b/setup.txt": PROGRAM})
    path = written(tmp_path / "x", zip_of({"a.zip": inner, "c.txt": TEXT}))
    assert await examining.examine(path, named("x.zip")) == Examined(
        frozenset({"archive"}),
        frozenset({"archive", "windows-program", "text"}),
        ("a.zip/b/setup.txt",),
    )


async def test_an_open_file_is_examined_and_its_place_stays(
    examining: Examiner, tmp_path: Path
) -> None:
    path = written(tmp_path / "x", zip_of({"a.exe": PROGRAM}))
    with path.open("rb") as file:
        path.unlink()
        file.seek(7)
        found = await examining.examine(file, NOTHING)
        assert file.tell() == 7
    assert found.members == {"windows-program"}


async def test_what_is_no_archive_is_examined(examining: Examiner, tmp_path: Path) -> None:
    assert await examining.examine(written(tmp_path / "x", PROGRAM), NOTHING) == Examined(
        frozenset({"windows-program"})
    )
    assert await examining.examine(written(tmp_path / "y", b""), NOTHING) == Examined(
        frozenset({"data"})
    )


async def test_a_package_is_told_by_its_members(examining: Examiner, tmp_path: Path) -> None:
    package = {"package/index.js": TEXT, "package/package.json": b"{}"}
    path = written(tmp_path / "x", tar_of(package))
    assert "npm-package" in (await examining.examine(path, NOTHING)).file_types


async def test_nothing_runs_before_the_first_file_and_one_process_takes_all(
    examining: Examiner, tmp_path: Path
) -> None:
    assert not examining.processes
    path = written(tmp_path / "x", zip_of({"a": TEXT}))
    await asyncio.gather(*(examining.examine(path, NOTHING) for _ in range(5)))
    (process,) = examining.processes
    await examining.examine(path, NOTHING)
    assert examining.processes == (process,)


async def test_no_more_processes_than_settings_say(tmp_path: Path) -> None:
    path = written(tmp_path / "x", zip_of({"a": TEXT}))
    async with Examiner(Archives(processes=2), tmp_path) as examining:
        await asyncio.gather(*(examining.examine(path, NOTHING) for _ in range(8)))
        assert len(examining.processes) == 2


async def test_a_process_that_dies_is_an_answer_and_the_next_file_gets_another(
    examining: Examiner, tmp_path: Path
) -> None:
    path = written(tmp_path / "x", zip_of({"a": TEXT}))
    process, waiting = await asked(examining, path)
    os.kill(process, signal.SIGKILL)
    found = await waiting
    assert found.file_types == {"unreadable-archive"}
    assert found.why
    assert not (await examining.examine(path, NOTHING)).why
    assert process not in examining.processes


async def test_a_process_that_dies_between_two_files_costs_nobody_a_file(
    examining: Examiner, tmp_path: Path
) -> None:
    path = written(tmp_path / "x", zip_of({"a": TEXT}))
    await examining.examine(path, NOTHING)
    (process,) = examining.processes
    os.kill(process, signal.SIGKILL)
    await until(lambda: examining._free[0].has_ended)
    assert not (await examining.examine(path, NOTHING)).why
    assert process not in examining.processes


async def test_what_is_sent_and_cannot_be_examined_counts_as_unread(
    examining: Examiner, tmp_path: Path
) -> None:
    found = await examining.examine(tmp_path / "missing", NOTHING, sent=True)
    assert found.file_types == {"unreadable-archive"}
    assert found.said == {"sends=unread"}
    assert found.why == "cannot open the file: FileNotFoundError"


async def test_a_process_that_takes_too_long_is_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "x", zip_of({"a": TEXT}))
    async with Examiner(Archives(processes=1), tmp_path) as examining:
        await examining.examine(path, NOTHING)
        (process,) = examining.processes
        monkeypatch.setattr(examiner, "_LEAST", 0.0)
        monkeypatch.setattr(examiner, "_TIMES", 0.001)
        os.kill(process, signal.SIGSTOP)
        found = await examining.examine(path, NOTHING)
        assert found.file_types == {"unreadable-archive"}
        assert not examining.processes


async def test_a_request_that_is_cancelled_takes_its_process_along(
    examining: Examiner, tmp_path: Path
) -> None:
    path = written(tmp_path / "x", zip_of({"a": TEXT}))
    process, waiting = await asked(examining, path)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (await examining.examine(path, NOTHING)).file_types == {"archive"}
    assert process not in examining.processes


async def test_who_waits_when_all_ends_is_told(tmp_path: Path) -> None:
    path = written(tmp_path / "x", zip_of({"a": TEXT}))
    examining = Examiner(Archives(processes=1), tmp_path)
    _, waiting = await asked(examining, path)
    await examining.close()
    async with asyncio.timeout(10):  # far below what a file may take
        found = await waiting
    assert found.file_types == {"unreadable-archive"}
    assert found.why
    assert not examining.processes
    loop = asyncio.get_running_loop()
    watched = [each.fd for each in loop._selector.get_map().values()]  # type: ignore[attr-defined]
    assert all(os.fstat(number) for number in watched)  # none of a socket that is closed


async def test_a_folder_that_is_gone_is_an_answer(examining: Examiner, tmp_path: Path) -> None:
    path = written(tmp_path / "x", zip_of({"a.zip": zip_of({"b": TEXT})}))
    (tmp_path / "work").rmdir()
    found = await examining.examine(path, NOTHING)
    assert found.file_types == {"unreadable-archive"}
    assert found.why == "the folder for unpacked files is full, or gone"
    (tmp_path / "work").mkdir()


async def test_too_little_memory_is_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail = EmailMessage()
    for field in ("From", "To", "Subject", "Message-ID"):
        mail[field] = "a@police.example"
    mail["Date"] = "Sun, 22 Nov 2026 12:00:00 +0000"
    text = bytes(mail) + b"Content-Transfer-Encoding: base64\n\n"
    path = written(tmp_path / "x", text.replace(b"\n\n", b"\n", 1) + b"QUJD" * (20 << 20))
    async with Examiner(Archives(processes=1), tmp_path) as examining:
        monkeypatch.setattr(examiner, "_MEMORY", 200 << 20)
        found = await examining.examine(path, named("a.eml"))
    assert found.file_types == {"unreadable-archive"}
    assert found.why == "it needs more memory than it may have"


async def test_it_says_what_is_missing(
    examining: Examiner, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await examining.missing() == ""
    monkeypatch.setenv("LIBARCHIVE", "/nowhere/libarchive.so")
    said = await examining.missing()
    assert "libarchive cannot be used" in said
    assert "archi" in said


async def test_without_libarchive_every_archive_is_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIBARCHIVE", "/nowhere/libarchive.so")
    path = written(tmp_path / "x", zip_of({"a": TEXT}))
    async with Examiner(Archives(processes=1), tmp_path) as examining:
        assert "unreadable-archive" in (await examining.examine(path, NOTHING)).file_types


GOOD: dict[str, Any] = {"types": ["archive"], "members": ["text"], "first": ["a"], "said": []}
LIES: list[dict[str, Any]] = [
    {},
    GOOD | {"types": []},
    GOOD | {"types": ["no-such-type"]},
    GOOD | {"members": ["no-such-type"]},
    GOOD | {"types": "archive"},
    GOOD | {"first": ["\x1b[31m"]},
    GOOD | {"first": ["a\nb"]},
    GOOD | {"first": ["x" * 3000]},
    GOOD | {"first": ["x"] * 9},
    GOOD | {"first": [7]},
    GOOD | {"said": ["virus=found"]},
    GOOD | {"said": ["marking=none"]},
    GOOD | {"said": ["secret"]},
]


def test_an_answer_is_believed_if_it_can_be_one() -> None:
    assert examiner._checked(GOOD) == Examined(frozenset({"archive"}), frozenset({"text"}), ("a",))
    said = GOOD | {"said": ["marking=secret", "sends=unread"]}
    assert examiner._checked(said).said == {"marking=secret", "sends=unread"}


@pytest.mark.parametrize("lie", LIES, ids=range(len(LIES)))
def test_what_a_process_that_was_taken_over_says_is_not_believed(lie: dict[str, Any]) -> None:
    with pytest.raises(examiner._ProcessError):
        examiner._checked(lie)


FORBIDDEN = """
import json, resource, sys
from pathlib import Path
from proxy_addons.content import confine
def refuse(*what):
    raise ValueError("not allowed")
resource.setrlimit = refuse
confine.processor_time(1.0)
print(json.dumps(confine.confine(Path(sys.argv[1]), 1 << 20, 1 << 30)))
"""


def test_where_limits_may_not_be_set_the_rest_is_taken_away(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORBIDDEN, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    confined = set(json.loads(done.stdout))
    assert "memory" not in confined
    assert confined <= WANTED


async def test_what_could_not_be_taken_away_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(tmp_path / "x", TEXT)
    monkeypatch.setattr(examiner, "WANTED", WANTED | {"something else"})
    async with Examiner(Archives(processes=1), tmp_path) as examining:
        await examining.examine(path, NOTHING)
        await examining.missing()
    (said,) = caplog.messages
    assert "something else" in said


CONFINED = """
import json, os, socket, sys, tempfile
from pathlib import Path
from proxy_addons.content.confine import confine
folder, secret = map(Path, sys.argv[1:])
print(json.dumps(confine(folder, 1 << 20, 1 << 30)))
def tried(what):
    try:
        what()
    except (OSError, MemoryError) as error:
        return type(error).__name__
    return "done"
def nameless():
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"x")
        file.seek(0)
        assert file.read() == b"x"
def full():
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(2 << 20))
def tcp():
    socket.create_connection(("127.0.0.1", int(secret.name)), 1).close()
def udp():
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 9))
print(json.dumps({
    "nameless": tried(nameless),
    "full": tried(full),
    "named": tried(lambda: (secret.parent / "new").write_bytes(b"x")),
    "read": tried(secret.read_bytes),
    "list": tried(lambda: list(Path("/etc").iterdir())),
    "tcp": tried(tcp),
    "udp": tried(udp),
    "unix": tried(lambda: socket.socket(socket.AF_UNIX)),
    "memory of others": tried(lambda: Path(f"/proc/{os.getppid()}/mem").open("rb")),
    "program": tried(lambda: os.execv("/bin/true", ["true"])),
    "memory": tried(lambda: bytearray(2 << 30)),
}))
"""


@pytest.mark.skipif(not hasattr(os, "unshare"), reason="Linux alone has it")
def test_a_process_can_do_nothing_but_its_work(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        secret = written(tmp_path / str(server.getsockname()[1]), b"the key")
        done = subprocess.run(
            [sys.executable, "-c", CONFINED, str(folder), str(secret)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    confined, tried = map(json.loads, done.stdout.splitlines())
    assert {"memory", "disk", "processes"} <= set(confined)
    assert tried["nameless"] == "done"
    assert tried["full"] == "OSError"
    assert tried["memory"] == "MemoryError"
    if "files" not in confined:
        pytest.skip("this kernel has no Landlock")
    assert {tried[what] for what in ("named", "read", "list", "program")} == {"PermissionError"}
    assert tried["tcp"] != "done"
    assert tried["memory of others"] != "done"
    if {"network", "calls"} & set(confined):
        assert tried["udp"] != "done"
    if "calls" in confined:
        assert tried["unix"] == "PermissionError"


async def test_a_reader_of_documents_that_breaks_is_a_finding(
    examining: Examiner, tmp_path: Path
) -> None:
    named_badly = zip_of({"word/\xe9.xml": TEXT}).replace("\xe9".encode(), b"\xff\xff")
    path = written(tmp_path / "x", named_badly)
    found = await examining.examine(path, named("a.docx"), sent=True)
    assert found.said == {"sends=unread"}
    assert not found.why
