"""Files of passwords: what they may say, and what happens when they change."""

from __future__ import annotations

import asyncio
import os
import unicodedata
from pathlib import Path
from typing import Any

import argon2
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from support.waiting import until

from proxy_addons.identity.passwords import PasswordFile, PasswordsError, hash_of, parse
from proxy_addons.identity.threads import BusyError

CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
SECRET = "correct horse: pässwörd"


@pytest.fixture(scope="module")
def hashed() -> str:
    return CHEAP.hash(SECRET)


def write(file: Path, text: str, mode: int = 0o600) -> Path:
    """Replace a file as an editor does: a new one takes its place."""
    new = file.with_name("new")
    new.write_text(text)
    new.chmod(mode)
    new.replace(file)
    return file


@pytest.fixture
def file(tmp_path: Path, hashed: str) -> Path:
    return write(tmp_path / "passwords", f"# staff\n\nJane:{hashed}\nzoë: {hashed}\n")


@pytest.mark.parametrize(
    ("name", "password", "right"),
    [
        ("jane", SECRET, True),
        ("JANE", SECRET, True),
        ("zoë", SECRET, True),
        (unicodedata.normalize("NFD", "Zoë"), unicodedata.normalize("NFD", SECRET), True),
        ("jane", SECRET + " ", False),
        ("jane", "", False),
        ("bob", SECRET, False),
        ("", SECRET, False),
        ("# staff", SECRET, False),
    ],
)
async def test_whose_password_it_is(
    file: Path,
    name: str,
    password: str,
    right: bool,
):
    passwords = PasswordFile(file)
    assert await passwords.check(name, password) is right
    passwords.close()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("jane", "no hash after a colon; a line is name:hash"),
        ("jane:", "no hash after a colon"),
        (":$argon2id$", "a login name has 1 to 256 characters"),
        ("jane:hunter2 in the clear", "not an argon2 hash; set the password anew: `watchhouse"),
        ("jane:$2b$12$abcdefghijklmnopqrstuv", "not an argon2 hash"),
        ("ann:$argon2id$v=19$m=4294967295,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2g", "more than 1024 MiB"),
        ("ann:$argon2d$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g", "argon2d"),
    ],
)
def test_what_is_wrong_with_a_line_is_said_without_quoting_it(
    tmp_path: Path, hashed: str, line: str, problem: str
):
    file = write(tmp_path / "passwords", f"ok:{hashed}\n{line}\n")
    with pytest.raises(PasswordsError) as raised:
        PasswordFile(file)
    said = str(raised.value)
    assert said.startswith(f"{file}:2: ")
    assert problem in said
    assert "hunter2" not in said
    assert "$" not in said


def test_all_problems_are_listed(tmp_path: Path, hashed: str):
    file = write(tmp_path / "passwords", f"jane:{hashed}\nx\nJANE:{hashed}\n")
    with pytest.raises(PasswordsError) as raised:
        PasswordFile(file)
    first, second = str(raised.value).splitlines()
    assert first.startswith(f"{file}:2: no hash")
    assert second == f"{file}:3: the name is in line 1 already; take one of them out"


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_may_write_to_is_not_used(tmp_path: Path, hashed: str, mode: int):
    file = write(tmp_path / "passwords", f"jane:{hashed}\n", mode)
    with pytest.raises(PasswordsError, match="chmod go-w"):
        PasswordFile(file)


def test_files_that_cannot_be_read_at_all(tmp_path: Path):
    with pytest.raises(PasswordsError, match="cannot be read: No such file"):
        PasswordFile(tmp_path / "missing")
    file = tmp_path / "latin"
    file.write_bytes(b"a:b\nzo\xeb:x\n")
    file.chmod(0o600)
    with pytest.raises(PasswordsError, match=r"latin:2: not UTF-8; save it as UTF-8"):
        PasswordFile(file)


@given(st.text(max_size=200))
def test_any_text_is_accounts_or_an_error(text: str):
    try:
        accounts = parse(text, Path("file"))
    except PasswordsError as problem:
        assert str(problem).startswith("file:")  # noqa: PT017 - both ways are right
    else:
        assert accounts == {}  # no text made by chance is a hash


def test_a_replaced_file_counts_and_a_bad_one_does_not(file: Path, hashed: str):
    passwords = PasswordFile(file)
    write(file, f"bob:{hashed}\n")
    assert passwords.verify("bob", SECRET)
    assert not passwords.verify("jane", SECRET)
    with structlog.testing.capture_logs() as logged:
        write(file, "bob:oops\n")
        assert passwords.verify("bob", SECRET)
        assert passwords.verify("bob", SECRET)
        assert [line["log_level"] for line in logged] == ["error"]  # said once
        assert f"{file}:1: not an argon2 hash" in logged[0]["problem"]
        file.unlink()
        assert passwords.verify("bob", SECRET)
        assert passwords.verify("bob", SECRET)
        assert [line["log_level"] for line in logged] == ["error"] * 2
        write(file, f"jane:{hashed}\n")
        assert passwords.verify("jane", SECRET)
        assert not passwords.verify("bob", SECRET)
    passwords.close()


def test_a_name_that_is_nobodys_costs_what_a_wrong_password_costs(
    file: Path, monkeypatch: pytest.MonkeyPatch
):
    passwords = PasswordFile(file)
    checked: list[argon2.Parameters] = []

    class Counting(argon2.PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> Any:  # noqa: A002 - its name
            checked.append(argon2.extract_parameters(str(hash)))
            return super().verify(hash, password)

    monkeypatch.setattr(passwords, "_hasher", Counting())
    for name in ("jane", "nobody", "", "no\0body"):
        assert not passwords.verify(name, "wrong")
    assert len(checked) == 4
    assert len(set(map(repr, checked))) == 1
    passwords.close()


async def test_more_checks_than_may_wait_are_turned_away(
    file: Path, monkeypatch: pytest.MonkeyPatch
):
    passwords = PasswordFile(file, threads=1, waiting=2)
    read, write_end = os.pipe()
    monkeypatch.setattr(passwords, "verify", lambda *_: os.read(read, 1) == b"x")
    waiting = [asyncio.create_task(passwords.check("jane", SECRET)) for _ in range(2)]
    await until(lambda: passwords._threads._waiting == 2)
    with pytest.raises(BusyError):
        await passwords.check("jane", SECRET)
    os.write(write_end, b"xx")
    assert await asyncio.gather(*waiting) == [True, True]
    passwords.close()
    os.close(read)
    os.close(write_end)


def test_new_hashes_are_argon2id_with_the_librarys_parameters():
    parameters = argon2.extract_parameters(hash_of(SECRET))
    assert parameters == argon2.profiles.RFC_9106_LOW_MEMORY
