"""Whole bodies: archives are looked into, viruses are looked for.

In: the pieces of a body that is held back, what is known of it so far.
Out: what is found in it.
Must never: raise into a request: what cannot be looked at is a finding; let one person take all
that looks.

While a body is looked at all of it is in a file (held.py): what looks into it are other processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy_addons.content.filebody import FileBody
from proxy_addons.content.outgoing import findings_of_body
from proxy_addons.gate import metrics
from proxy_addons.policy.findings import FILE_TYPE, MEMBER, VIRUS, found

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from proxy_addons.content.declared import Declared
    from proxy_addons.content.examiner import Examined, Examiner
    from proxy_addons.content.outgoing import Sent
    from proxy_addons.content.quarantine import Quarantine
    from proxy_addons.content.scanner import Scanner
    from proxy_addons.gate.held import Held, Holding

_PIECE: Final = 1 << 20  # bytes that are read at a time
CONTAINERS: Final = frozenset({"archive", "document", "e-mail"})
"""Types of which the first bytes do not say what is in them."""
_WITH_MEMBERS: Final = CONTAINERS | {"pdf"}
_NOT_SCANNED: Final = frozenset(
    {"image", "audio", "video", "font", "web-page", "web-script", "style-sheet"}
)
"""Types that pass while they come: what a page is made of, and what is long and plays."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found in a whole body.

    Attributes:
        findings: as facts have them.
        virus: as the scanner named it, or None.
        words: names of members that tell, or why nobody could look; safe to show.
    """

    findings: frozenset[str]
    virus: str | None = None
    words: tuple[str, ...] = ()


class _Turns:
    """Who may ask for something that all share, which serves in the order in which it is asked.

    Who may not ask for everything at once cannot keep the others waiting.

    Args:
        at_once: times that one person may ask before there was an answer; further ones wait.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._lines: dict[str, tuple[asyncio.Semaphore, list[object]]] = {}

    @contextlib.asynccontextmanager
    async def of(self, who: str) -> AsyncIterator[None]:
        """Wait for a turn of this person's, and have it."""
        if who not in self._lines:
            self._lines[who] = asyncio.Semaphore(self._at_once), []
        free, bodies = self._lines[who]
        bodies.append(None)
        try:
            async with free:
                yield
        finally:
            bodies.pop()
            if not bodies:
                del self._lines[who]


def whose(about: Mapping[str, str]) -> str:
    """Who a body is for: the person, or the address where nobody is known.

    Args:
        about: as `Bodies.look` takes it.
    """
    return about.get("person") or about.get("client_ip") or ""


class Bodies:
    """What looks into whole bodies, for one worker.

    Args:
        examiner: looks into archives.
        scanner: looks for viruses; None: nothing does.
        quarantine: is told of viruses, and keeps copies.
        holding: where bodies are until they have been looked at.
        examined: bodies of one person that the examiner gets at a time; further ones wait.
        scanned: the same of the scanner.
        clock: monotonic seconds.

    Attributes:
        holding: see above.
    """

    def __init__(
        self,
        examiner: Examiner,
        scanner: Scanner | None,
        quarantine: Quarantine | None = None,
        *,
        holding: Holding,
        examined: int = 1,
        scanned: int = 4,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._examiner = examiner
        self._scanner = scanner
        self._quarantine = quarantine
        self._clock = clock
        self._examinations = _Turns(examined)
        self._scans = _Turns(scanned)
        self.holding = holding

    def wanted(self, types: Collection[str], kinds: Collection[str]) -> frozenset[str]:
        """What has to be looked for in the whole of a body of these types.

        Args:
            types: of its beginning.
            kinds: of findings that could change the decision.
        """
        wanted: set[str] = set()
        if FILE_TYPE in kinds and not CONTAINERS.isdisjoint(types):
            wanted.add(FILE_TYPE)
        if MEMBER in kinds and not _WITH_MEMBERS.isdisjoint(types):
            wanted.add(MEMBER)
        if VIRUS in kinds and self._scanner is not None and not _NOT_SCANNED.issuperset(types):
            wanted.add(VIRUS)
        return frozenset(wanted)

    @staticmethod
    def too_large(wanted: Collection[str]) -> frozenset[str]:
        """What is found in a body that is larger than can be looked at."""
        findings: frozenset[str] = frozenset()
        if VIRUS in wanted:
            findings |= found(VIRUS, ["unscanned"])
        if FILE_TYPE in wanted or MEMBER in wanted:
            findings |= found(FILE_TYPE, ["archive-too-large"])
        return findings

    async def look(
        self,
        held: Held,
        declared: Declared,
        wanted: Collection[str],
        about: Mapping[str, str],
    ) -> Looked:
        """Look into a body.

        Args:
            held: all of it.
            declared: what is said of it.
            wanted: as `wanted` gave it.
            about: the request, for the alert: `reference`, and what else is known; no credentials.
        """
        try:
            path = await held.in_file()
        except OSError as problem:
            # It is as if it were too large: nobody can look at it.
            why = f"no room to look at it: {problem.strerror or 'disk'}"
            return Looked(self.too_large(wanted), words=(why,))
        begun, who = self._clock(), whose(about)
        jobs = []
        if FILE_TYPE in wanted or MEMBER in wanted:
            jobs.append(self._examined(path, declared, who))
        if VIRUS in wanted:
            jobs.append(self._scanned(path, declared, held.size, who))
        each = await asyncio.gather(*jobs)
        metrics.observe_examination(self._clock() - begun)
        virus = next((some.virus for some in each if some.virus is not None), None)
        if virus is not None and self._quarantine is not None:
            facts = {name: value for name, value in about.items() if name != "reference"}
            body = FileBody(path)
            await self._quarantine.found(about["reference"], virus, body, facts)
        findings = frozenset[str]().union(*(some.findings for some in each))
        return Looked(findings, virus, tuple(word for some in each for word in some.words))

    async def look_sent(
        self,
        held: Held,
        headers: Mapping[str, str],
        path: str,
        domains: Sequence[str],
        about: Mapping[str, str],
    ) -> Sent:
        """Look into the body of a request.

        Args:
            held: all of it.
            headers: fields of its head that say what it is, names in lower case.
            path: of its target, as sent.
            domains: of the force's e-mail addresses.
            about: the request; see `look`.

        Raises:
            OSError: it cannot be read any more.
        """
        who = whose(about)

        async def examine(file: Path, declared: Declared) -> Examined:
            async with self._examinations.of(who):
                return await self._examiner.examine(file, declared, sent=True)

        return await findings_of_body(
            _pieces_of(held), held.size, headers, path, examine,
            new_file=self.holding.new_file, domains=domains, room=self.holding.largest,
        )  # fmt: skip

    async def _examined(self, path: Path, declared: Declared, who: str) -> Looked:
        async with self._examinations.of(who):
            seen = await self._examiner.examine(path, declared)
        findings = found(FILE_TYPE, seen.file_types) | found(MEMBER, seen.members)
        return Looked(findings, words=seen.first or ((seen.why,) if seen.why else ()))

    async def _scanned(self, path: Path, declared: Declared, size: int, who: str) -> Looked:
        assert self._scanner is not None
        name = declared.names[0] if declared.names else ""
        async with self._scans.of(who):
            scan = await self._scanner.scan(FileBody(path), name=name, size=size)
        if scan.virus is not None:
            return Looked(found(VIRUS, ["found"]), scan.virus)
        if not scan.scanned:
            return Looked(found(VIRUS, ["unscanned"]), words=(scan.why,))
        return Looked(frozenset())


async def _pieces_of(held: Held) -> AsyncIterator[bytes]:
    """All of a body.

    Raises:
        OSError: it cannot be read any more.
    """
    start = 0
    while start < held.size:
        piece = await held.read(start, _PIECE)
        if piece is None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        start += len(piece)
        yield piece
