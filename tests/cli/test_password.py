"""`watchhouse password`: the file that it leaves, and what it refuses."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from proxy_addons.identity.passwords import PasswordFile

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
LONG = "a long: pässwörd"


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """What comes on standard input."""

    def give(text: bytes) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text), encoding="utf-8"))

    return give


def belongs(file: Path, name: str, password: str) -> bool:
    passwords = PasswordFile(file)
    try:
        return passwords.verify(name, password)
    finally:
        passwords.close()


def test_set_change_and_remove(
    watchhouse: Callable[..., Any], typed: Callable[[bytes], None], tmp_path: Path
):
    file = tmp_path / "accounts"
    typed(f"{LONG}\nnot this line\n".encode())
    done = watchhouse("password", "Zoë", "--file", str(file))
    assert (done.code, done.out, done.err) == (0, f"{file}: the account is made\n", "")
    assert file.stat().st_mode & 0o7777 == 0o600
    assert belongs(file, "zoë", LONG)

    file.write_text("# staff\n\n" + file.read_text())
    typed(b"another long one\r\n")
    assert watchhouse("password", "jane", "--file", str(file)).code == 0
    typed(b"a changed long one")
    done = watchhouse("password", "ZOË", "--file", str(file))
    assert (done.code, done.out) == (0, f"{file}: the password is changed\n")
    assert belongs(file, "zoë", "a changed long one")
    assert not belongs(file, "zoë", LONG)
    assert belongs(file, "jane", "another long one")
    assert [line.partition(":")[0] for line in file.read_text().splitlines()] == [
        "# staff",
        "",
        "zoë",
        "jane",
    ]

    done = watchhouse("password", "zoë", "--remove", "--file", str(file))
    assert (done.code, done.out) == (0, f"{file}: the account is removed\n")
    assert not belongs(file, "zoë", "a changed long one")
    assert belongs(file, "jane", "another long one")
    assert [each.name for each in tmp_path.iterdir()] == ["accounts"]


@pytest.mark.parametrize(
    ("name", "password", "problem"),
    [
        ("jane", b"eleven char\n", "a password has 12 to 256 characters; this one has 11"),
        ("jane", "ë".encode() * 11, "this one has 11"),
        ("jane", b"x" * 257, "this one has 257"),
        ("jane", b"", "this one has 0"),
        ("jane", b"long enough\0but", "no control characters"),
        ("jane", b"long enough \xff but", "it is not UTF-8"),
        ("ja:ne", b"long enough it is", "holds no colon"),
        ("#jane", b"long enough it is", "begins with no #"),
        ("", b"long enough it is", "a login name has 1 to 256 characters"),
    ],
)
def test_what_is_refused_changes_nothing(
    watchhouse: Callable[..., Any],
    typed: Callable[[bytes], None],
    tmp_path: Path,
    name: str,
    password: bytes,
    problem: str,
):
    typed(password)
    done = watchhouse("password", name, "--file", str(tmp_path / "accounts"))
    assert (done.code, done.out) == (1, "")
    assert problem in done.err
    assert "long enough" not in done.err
    assert list(tmp_path.iterdir()) == []


def test_files_that_cannot_be_changed(
    watchhouse: Callable[..., Any], typed: Callable[[bytes], None], tmp_path: Path
):
    bad = tmp_path / "bad"
    bad.write_text("jane:hunter2\n")
    bad.chmod(0o600)
    for file, problem in (
        (bad, "bad:1: not an argon2 hash"),
        (tmp_path / "no" / "folder", "No such file or directory; nothing has changed"),
    ):
        typed(LONG.encode())
        done = watchhouse("password", "ann", "--file", str(file))
        assert done.code == 1
        assert problem in done.err
    assert bad.read_text() == "jane:hunter2\n"
    done = watchhouse("password", "ann", "--remove", "--file", str(tmp_path / "none"))
    assert (done.code, "there is no such account" in done.err) == (1, True)


def test_a_link_stays_one(
    watchhouse: Callable[..., Any], typed: Callable[[bytes], None], tmp_path: Path
):
    (tmp_path / "real").mkdir()
    link = tmp_path / "accounts"
    link.symlink_to(tmp_path / "real" / "accounts")
    typed(LONG.encode())
    assert watchhouse("password", "jane", "--file", str(link)).code == 0
    assert link.is_symlink()
    assert belongs(tmp_path / "real" / "accounts", "jane", LONG)


@pytest.mark.root
def test_the_files_owner_stays_its_owner(
    watchhouse: Callable[..., Any], typed: Callable[[bytes], None], tmp_path: Path
):
    file = tmp_path / "accounts"
    for _ in range(2):
        typed(LONG.encode())
        assert watchhouse("password", "jane", "--file", str(file)).code == 0
        os.chown(file, 1234, 1235)
    typed(LONG.encode())
    assert watchhouse("password", "ann", "--file", str(file)).code == 0
    assert (file.stat().st_uid, file.stat().st_gid) == (1234, 1235)
    assert file.stat().st_mode & 0o7777 == 0o600


@pytest.mark.parametrize(
    ("second", "code", "said"),
    [(LONG, 0, "the account is made"), ("another one of them", 1, "the two are not the same")],
)
def test_at_a_terminal_it_is_asked_for_twice_and_not_shown(
    tmp_path: Path, second: str, code: int, said: str
):
    file = tmp_path / "accounts"
    ours, theirs = pty.openpty()
    program = "import sys; from proxy_addons.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "password", "jane", "--file", str(file)]
    running = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT, start_new_session=True
    )
    os.close(theirs)
    shown = b""
    for prompt, answer in ((b"New password: ", LONG), (b"Once more: ", second)):
        while prompt not in shown:
            shown += os.read(ours, 4096)
        os.write(ours, answer.encode() + b"\n")
    while True:
        try:
            more = os.read(ours, 4096)
        except OSError:  # the other side has gone
            break
        if not more:
            break
        shown += more
    assert running.wait(20) == code
    os.close(ours)
    assert said in shown.decode()
    assert LONG not in shown.decode()
    assert file.exists() is (code == 0)
