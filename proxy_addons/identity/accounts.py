"""Changing a file of passwords: `watchhouse password`.

In: a file, a name, a password. Out: the file with that line set or taken out, all others as they
were.
Must never: leave half a file, let others read it, or write a password.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from proxy_addons.identity.passwords import (
    PasswordsError,
    hash_of,
    lines,
    parse,
    prepared,
    read_text,
)
from proxy_addons.policy.people import canonical_name

if TYPE_CHECKING:
    from collections.abc import Iterator

SHORTEST = 12
"""Characters of a password."""
_LONGEST = 256


def set_password(file: Path, name: str, password: str) -> bool:
    """Give an account a password; the file is made if it is not there.

    Args:
        file: of lines `name:hash`.
        name: login name.
        password: `SHORTEST` characters or more.

    Returns:
        Whether the account is new.

    Raises:
        PasswordsError: name, password or file cannot be used; nothing has changed.
    """
    known = _checked_name(name)
    _check_password(password)
    return _change(file, known, f"{known}:{hash_of(password)}")


def remove_account(file: Path, name: str) -> None:
    """Take an account out.

    Raises:
        PasswordsError: it is not there, or the file cannot be used; nothing has changed.
    """
    _change(file, _checked_name(name), None)


def _checked_name(name: str) -> str:
    try:
        known = canonical_name(name)
    except ValueError as problem:
        # Nothing has changed.
        raise PasswordsError(str(problem)) from None
    if ":" in known or known.startswith("#"):
        msg = "a login name here holds no colon and begins with no #"
        raise PasswordsError(msg)
    return known


def _check_password(password: str) -> None:
    length = len(prepared(password))
    if not SHORTEST <= length <= _LONGEST:
        msg = f"a password has {SHORTEST} to {_LONGEST} characters; this one has {length}"
        raise PasswordsError(msg)
    if any(
        each < " " or "\x7f" <= each <= "\x9f" or "\ud800" <= each <= "\udfff" for each in password
    ):
        msg = "a password holds no control characters and nothing that is not UTF-8"
        raise PasswordsError(msg)


def _change(file: Path, name: str, line: str | None) -> bool:
    """Put a line in the place of the one of an account, or none; True if there was none."""
    file = Path(os.path.realpath(file))  # a link stays one
    try:
        with _alone(file.parent):
            old: os.stat_result | None = None
            text = ""
            if file.exists():
                text, old = read_text(file)
            numbers = {number for number, each, _ in lines(text) if _is(each, name)}
            if name not in parse(text, file) and line is None:
                msg = f"{file}: there is no such account; nothing has changed"
                raise PasswordsError(msg)
            kept: list[str] = []
            for number, each in enumerate(text.split("\n"), 1):
                if number not in numbers:
                    kept.append(each)
                elif line is not None:
                    kept.append(line)
            if kept and kept[-1] == "":
                kept.pop()  # what follows the last line's end
            if line is not None and not numbers:
                kept.append(line)
            _write(file, "".join(f"{each}\n" for each in kept), old)
    except OSError as problem:
        # Nothing has changed: the new file takes the old one's place last.
        msg = f"{problem.filename or file}: {problem.strerror}; nothing has changed"
        raise PasswordsError(msg) from problem
    return not numbers


def _is(text: str, name: str) -> bool:
    try:
        return canonical_name(text) == name
    except ValueError:
        # A line that `parse` complains about.
        return False


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One change in a folder at a time."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(file: Path, text: str, old: os.stat_result | None) -> None:
    """Replace a file, for its owner alone to read; the owner stays the same."""
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)  # made with 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as opened:
            if old is not None and (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(handle, old.st_uid, old.st_gid)
            opened.write(text)
            opened.flush()
            os.fsync(handle)
        os.replace(name, file)  # noqa: PTH105 - of a name and a path
    except BaseException:
        # The old file stays as it was, whatever came between.
        os.unlink(name)  # noqa: PTH108 - a name
        raise
