"""Passwords in a file, as argon2 hashes: for Basic at small sites, and the portal's own accounts.

In: a file of lines `name:hash` (made by `watchhouse password`), names and passwords. Out: whether
they belong together.
Must never: keep a password, say by its speed whether a name is in the file, or go without a file
because the new one is bad.
"""

from __future__ import annotations

import os
import secrets
import stat
import threading
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

import argon2

from proxy_addons.identity.reports import reporter
from proxy_addons.identity.threads import Threads
from proxy_addons.policy.people import canonical_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_KINDS = frozenset((argon2.Type.ID, argon2.Type.I))
_MEMORY = 1024 * 1024  # KiB; a hash that asks for more would be a way to stop the machine
_TIME = 64  # passes
_LANES = 64
_SIZE = 4 * 1024 * 1024  # bytes of a file; tens of thousands of accounts
_COMMAND = "watchhouse password NAME --file FILE"


class PasswordsError(ValueError):
    """A file cannot be used. The message names file, line and fix, and quotes no hash."""


@dataclass(frozen=True, slots=True)
class _Content:
    identity: tuple[int, int, int, int]
    hashes: Mapping[str, str]
    decoy: str  # of no password at all, and as dear to check as the others


class PasswordFile:
    """The accounts of one file. A replaced file counts from the next check on.

    Args:
        file: lines `name:hash`; empty ones and those that begin with `#` are passed over.
        threads: checks at a time; each takes a hash's memory (64 MiB by default).
        waiting: checks at most, those being done included.

    Raises:
        PasswordsError: it cannot be used.
    """

    def __init__(self, file: Path, *, threads: int = 2, waiting: int = 64) -> None:
        self._file = file
        self._report = reporter("passwords")
        self._lock = threading.Lock()
        self._hasher = argon2.PasswordHasher()
        self._content = _read(file)
        self._refused: object = None  # identity of the bad file that was spoken of
        self._threads = Threads("passwords", threads=threads, waiting=waiting)

    async def check(self, name: str, password: str) -> bool:
        """Whether a password is the one of a name.

        Args:
            name: login name; its canonical form counts.
            password: as it was typed; an empty one is nobody's.

        Raises:
            BusyError: too many checks wait; this one was not done.
        """
        if not password:
            return False
        return await self._threads.run(lambda: self.verify(name, password))

    def verify(self, name: str, password: str) -> bool:
        """As `check`, in the calling thread: for some tens of milliseconds."""
        try:
            known = canonical_name(name)
        except ValueError:
            # Nobody's name; it costs the same.
            known = ""
        content = self._now()
        hashed = content.hashes.get(known)
        try:
            self._hasher.verify(hashed or content.decoy, prepared(password))
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            # Not that password; or a hash that only looked like one, which nobody's matches.
            return False
        return hashed is not None

    def has(self, name: str) -> bool:
        """Whether there is such an account (canonical name); looks at the file, in this thread."""
        return name in self._now().hashes

    def names(self) -> frozenset[str]:
        """All of them (canonical); looks at the file, in this thread."""
        return frozenset(self._now().hashes)

    def close(self) -> None:
        """Take no more checks."""
        self._threads.close()

    def _now(self) -> _Content:
        """What the file says now; what it last said while it is bad or away."""
        with self._lock:
            seen: object
            try:
                seen = _identity(os.stat(self._file))  # noqa: PTH116 - one call, on each check
            except OSError as problem:
                # The accounts that were known go on; whoever took the file away reads it here.
                seen = problem.errno
            if seen not in (self._content.identity, self._refused):
                try:
                    self._content = _read(self._file)
                    self._refused = None
                    self._report.info("passwords: read anew", accounts=len(self._content.hashes))
                except PasswordsError as problem:
                    # The last good file goes on: nobody is locked out by a slip of the pen.
                    self._refused = seen
                    self._report.error(
                        "passwords: the new file is not used, the last good one goes on",
                        problem=str(problem),
                    )
            return self._content


def prepared(password: str) -> str:
    """The form in which passwords are hashed and compared: NFC (RFC 8265 4.2, OpaqueString).

    Keyboards make `ë` of one character or of two.
    """
    return unicodedata.normalize("NFC", password)


def parse(text: str, file: Path) -> dict[str, str]:
    """The accounts in the text of a file.

    Args:
        text: lines `name:hash`.
        file: for messages.

    Returns:
        Hash by canonical name.

    Raises:
        PasswordsError: with all that is wrong, a line each.
    """
    accounts: dict[str, str] = {}
    first: dict[str, int] = {}
    problems: list[str] = []
    for number, name, hashed in lines(text):
        problem = None
        try:
            known = canonical_name(name)
        except ValueError as reason:
            # Listed with the others.
            known, problem = "", str(reason)
        if not hashed:
            problem = f"no hash after a colon; a line is name:hash, made by `{_COMMAND}`"
        elif problem is None and known in accounts:
            problem = f"the name is in line {first[known]} already; take one of them out"
        elif problem is None and (wrong := _wrong_with(hashed)):
            problem = f"{wrong}; set the password anew: `{_COMMAND}`"
        if problem:
            problems.append(f"{file}:{number}: {problem}")
        else:
            accounts[known], first[known] = hashed, number
    if problems:
        raise PasswordsError("\n".join(problems))
    return accounts


def lines(text: str) -> Iterator[tuple[int, str, str]]:
    """The lines that hold accounts: number, name and hash as they stand there."""
    for number, line in enumerate(text.split("\n"), 1):
        bare = line.strip()
        if bare and not bare.startswith("#"):
            name, _, hashed = bare.partition(":")
            yield number, name, hashed.strip()


def read_text(file: Path) -> tuple[str, os.stat_result]:
    """The text of a file, and what it was read from.

    Raises:
        PasswordsError: it cannot be read, is no text, or others may write to it.
    """
    try:
        with file.open("rb") as opened:
            found = os.fstat(opened.fileno())
            raw = opened.read(_SIZE + 1)
    except OSError as problem:
        # Whoever needs it says what becomes of that.
        msg = f"{file}: cannot be read: {problem.strerror}; `{_COMMAND}` makes it"
        raise PasswordsError(msg) from problem
    if len(raw) > _SIZE:
        msg = f"{file}: larger than {_SIZE} bytes; for so many people use a directory"
        raise PasswordsError(msg)
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        msg = f"{file}: others may write to it: chmod go-w it, and look at what is in it"
        raise PasswordsError(msg)
    try:
        return raw.decode(), found
    except UnicodeDecodeError as problem:
        # As above.
        line = raw[: problem.start].count(b"\n") + 1
        msg = f"{file}:{line}: not UTF-8; save it as UTF-8"
        raise PasswordsError(msg) from problem


def hash_of(password: str) -> str:
    """The hash of a new password (argon2id, RFC 9106, with argon2-cffi's present parameters)."""
    return argon2.PasswordHasher().hash(prepared(password))


def _read(file: Path) -> _Content:
    text, found = read_text(file)
    hashes = parse(text, file)
    # Unknown names are checked against this; with the parameters of the first account, so that
    # it takes as long. `watchhouse password` gives all accounts the same.
    parameters = argon2.profiles.RFC_9106_LOW_MEMORY
    for hashed in hashes.values():
        parameters = argon2.extract_parameters(hashed)
        break
    decoy = argon2.PasswordHasher.from_parameters(parameters).hash(secrets.token_hex())
    return _Content(_identity(found), hashes, decoy)


def _identity(found: os.stat_result) -> tuple[int, int, int, int]:
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


def _wrong_with(hashed: str) -> str | None:
    """What is wrong with a hash, or None."""
    try:
        parameters = argon2.extract_parameters(hashed)
    except (argon2.exceptions.InvalidHashError, ValueError):
        # The account is named in the message, the text is not: it may be a password.
        return "not an argon2 hash"
    if parameters.type not in _KINDS:
        return "argon2d, which is not for passwords"
    if (
        parameters.memory_cost > _MEMORY
        or parameters.time_cost > _TIME
        or parameters.parallelism > _LANES
    ):
        return (
            f"a hash that takes more than {_MEMORY // 1024} MiB, {_TIME} passes or {_LANES} lanes"
        )
    return None
