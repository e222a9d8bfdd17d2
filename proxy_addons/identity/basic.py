"""Names and passwords of clients (Basic, RFC 7617).

In: the text after `Basic ` of a request. Out: a proof or a rejection.
Must never: keep or show a password, let nobody's guesses lock an account in the directory, or take
a directory that does not answer for one that says yes.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cachetools import LRUCache

from proxy_addons.identity.entries import DirectoryUnavailableError, WrongPasswordError
from proxy_addons.identity.passwords import PasswordFile, prepared
from proxy_addons.identity.proof import Proof, Rejection
from proxy_addons.identity.threads import BusyError
from proxy_addons.policy.people import canonical_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.identity.directory import Directory
    from proxy_addons.identity.proof import Outcome
    from proxy_addons.settings import people

BASIC = "basic"
FAILURES = 5
"""Wrong passwords of one name within `WINDOW` after which no more are tried."""
WINDOW = 600.0
"""Seconds."""

_LONGEST = 4096  # characters of credentials
_REPEATED = 30.0  # seconds for which the same wrong password is known to be wrong
_KEPT = 8192  # of each kind of memory; what was not used for longest goes first

_PROBLEMS = {
    "wrong-password": "the name or the password is wrong",
    "locked": "the directory has locked the account",
    "expired": "the password or the account has expired, or the password must be changed first",
    "not-allowed": "the account is disabled, or may not sign in from here or at this time",
}


class MalformedError(ValueError):
    """Not credentials of Basic. The message quotes nothing of them."""


def parse(credentials: str | bytes) -> tuple[str, str]:
    """Name and password (RFC 7617 2), in UTF-8 (2.1).

    Args:
        credentials: the base64 text after `Basic `.

    Returns:
        The name in its canonical form, and the password (NFC), which may hold colons or be empty.

    Raises:
        MalformedError: they are none.
    """
    if len(credentials) > _LONGEST:
        msg = "the credentials are too long"
        raise MalformedError(msg)
    if len(credentials) % 4:  # what Python's decoder takes besides is not the same in each version
        msg = "the credentials are not UTF-8 in base64"
        raise MalformedError(msg)
    try:
        text = base64.b64decode(credentials, validate=True).decode()
    except (binascii.Error, ValueError):
        # Asked anew. The reason's own text quotes what was sent.
        msg = "the credentials are not UTF-8 in base64"
        raise MalformedError(msg) from None
    if any(each < " " or each == "\x7f" for each in text):
        msg = "the credentials hold control characters"
        raise MalformedError(msg)
    name, colon, password = text.partition(":")
    if not colon:
        msg = "the credentials hold no colon"
        raise MalformedError(msg)
    try:
        return canonical_name(name), prepared(password)
    except ValueError as problem:
        # Asked anew; the reason quotes nothing.
        raise MalformedError(str(problem)) from None


@dataclass(slots=True)
class _Tries:
    """Of one name: when passwords were wrong, and how many are being tried."""

    wrong: list[float] = field(default_factory=list)
    running: int = 0


@dataclass(slots=True)
class _Good:
    """Credentials that were right."""

    proof: Proof
    since: float


class BasicCheck:
    """Checks credentials against the directory or a file.

    Wrong passwords are counted by name alone: `check` does not know the client. Whoever sends five
    for a colleague's name ends that name's sign-ins here for ten minutes, but not the account in
    the directory, and not those of the colleague, whose right password is known from before.
    Each worker process counts for itself.

    Args:
        settings: of Basic.
        directory: for `check: directory`.
        clock: seconds, monotonic.
        random: bytes for the key under which credentials are remembered.

    Raises:
        PasswordsError: the file cannot be used.
        ValueError: there is nothing to check against.
    """

    def __init__(
        self,
        settings: people.Basic,
        directory: Directory | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._file: PasswordFile | None = None
        self._directory = None
        if settings.check == "file" and settings.file is not None:
            self._file = PasswordFile(settings.file)
        elif settings.check == "directory" and directory is not None:
            self._directory = directory
        else:
            msg = f"identity.basic.check is {settings.check}, and there is none"
            raise ValueError(msg)
        self._remember = settings.remember
        self._clock = clock
        self._key = random(32)
        self._good: LRUCache[bytes, _Good] = LRUCache(_KEPT)
        self._wrong: LRUCache[bytes, tuple[float, Rejection]] = LRUCache(_KEPT)
        self._tries: LRUCache[str, _Tries] = LRUCache(_KEPT)
        self._asked: dict[bytes, asyncio.Task[Outcome]] = {}

    def remembered(self, credentials: str | bytes) -> Proof | None:
        """The proof that these credentials were within the last `remember` seconds, or None."""
        return self._remembered(self._mark(credentials))

    async def check(self, credentials: str | bytes) -> Outcome:
        """What credentials prove.

        Args:
            credentials: the base64 text after `Basic `.

        Returns:
            A proof; or a rejection: `malformed`, `wrong-password`, `locked` (too many wrong ones;
            or the directory says so), `expired`, `not-allowed`, `unavailable`, `busy`.
        """
        mark = self._mark(credentials)
        if (proof := self._remembered(mark)) is not None:
            return proof
        try:
            name, password = parse(credentials)
        except MalformedError as problem:
            # Asked anew.
            return Rejection("malformed", str(problem))
        if not password:
            # Never sent on: directories take it for an anonymous sign-in, and say yes.
            return Rejection("wrong-password", "the password is empty", name)
        repeated = self._wrong.get(mark)
        if repeated is not None and self._clock() - repeated[0] < _REPEATED:
            # A browser sends the same with each of its requests: one mistake, not many.
            return repeated[1]
        # The check goes on for others who sent the same, should this connection end.
        return await asyncio.shield(self._begin(mark, name, password))

    def close(self) -> None:
        """Stop: checks that wait end as `busy`. The directory is its owner's to close."""
        if self._file is not None:
            self._file.close()

    def _mark(self, credentials: str | bytes) -> bytes:
        """What credentials are remembered by: from this nobody can tell them, or try any out."""
        raw = (
            credentials.encode(errors="surrogatepass")
            if isinstance(credentials, str)
            else credentials
        )
        return hmac.digest(self._key, raw, "sha256")

    def _remembered(self, mark: bytes) -> Proof | None:
        good = self._good.get(mark)
        if good is None or self._clock() - good.since >= self._remember:
            return None
        return good.proof

    def _begin(self, mark: bytes, name: str, password: str) -> asyncio.Task[Outcome]:
        """The check of these credentials that is on its way, or a new one."""
        task = self._asked.get(mark)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._checked(mark, name, password))
            self._asked[mark] = task
            task.add_done_callback(lambda _: self._asked.pop(mark, None))
        return task

    async def _checked(self, mark: bytes, name: str, password: str) -> Outcome:
        tries = self._tries.get(name) or _Tries()
        now = self._clock()
        tries.wrong = [moment for moment in tries.wrong if now - moment < WINDOW]
        # What was right before is no guess: a colleague's wrong ones do not keep its owner out.
        if mark not in self._good and len(tries.wrong) + tries.running >= FAILURES:
            msg = f"{FAILURES} wrong passwords for this name within {WINDOW / 60:.0f} minutes"
            return Rejection("locked", f"{msg}: no more are tried for now", name)
        self._tries[name] = tries
        tries.running += 1
        try:
            known = await self._ask(name, password)
        except WrongPasswordError as problem:
            # Asked anew.
            rejection = Rejection(problem.kind, _PROBLEMS[problem.kind], name)
            tries.wrong.append(self._clock())
            self._wrong[mark] = self._clock(), rejection
            self._good.pop(mark, None)
            return rejection
        except DirectoryUnavailableError:
            # Answered 503: nobody is let through unchecked, and nobody has guessed wrong.
            return Rejection("unavailable", "the directory does not answer", name)
        except BusyError:
            # As above.
            return Rejection("busy", "too many passwords wait to be checked", name)
        finally:
            tries.running -= 1
        proof = Proof(known, BASIC)
        self._good[mark] = _Good(proof, self._clock())
        self._wrong.pop(mark, None)
        return proof

    async def _ask(self, name: str, password: str) -> str:
        """The canonical name of who has proven to be `name`.

        Raises:
            WrongPasswordError: they have not.
            DirectoryUnavailableError: no server says.
            BusyError: too many wait.
        """
        if self._directory is not None:
            return (await self._directory.bind(name, password)).name
        if self._file is not None and await self._file.check(name, password):
            return name
        raise WrongPasswordError
