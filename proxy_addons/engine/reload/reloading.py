"""New settings for the whole gateway: examined once, prepared by every worker, taken by all.

In: SIGHUP, changed files. Out: settings in force in every worker, or in none, and a note of why.
Must never: let one worker go by settings that another cannot; say the same of the same files twice;
take files into use that somebody is still writing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from typing import TYPE_CHECKING, Any, Final

from proxy_addons.categorisation import (
    CategorySourceError,
    SourceFolders,
    category_names,
    read_sources,
)
from proxy_addons.engine.reload.watching import EVERY, Files
from proxy_addons.settings import inforce
from proxy_addons.settings.load import SettingsError, examine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from proxy_addons.engine.parts import Part
    from proxy_addons.settings.model import Paths, Settings

logger = logging.getLogger("watchhouse.supervisor")

_PREPARED_WITHIN: Final = 15.0  # seconds; reading a large policy on a busy machine takes some
_TAKEN_WITHIN: Final = 1.5  # seconds; who has not is ended, so that nobody goes by old ones for 2 s
_STATEMENT: Final = "statement.md"
_UNKNOWN: Final = "not examined"  # in place of the digest of rejected files


class Reloading:
    """What is in force, and what takes its place.

    Args:
        settings: in force at the start.
        overrides: settings from the command line.
        parts: the processes of the gateway.
        sound: called, in a thread, with new settings that every worker can take.
        taken: called once every worker has them.
    """

    def __init__(
        self,
        settings: Settings,
        overrides: Mapping[str, str],
        parts: Callable[[], Iterable[Part]],
        sound: Callable[[Settings], None],
        taken: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._run_dir = settings.paths.run_dir
        self._sound = sound
        self._overrides = overrides
        self._parts = parts
        self._taken = taken
        self._lock = asyncio.Lock()
        self._in_force: inforce.Copy | None = None
        self._rejected: str | None = None  # digest of files that were rejected
        self._since = 0.0
        self._files = Files(_files_of(settings.paths.config_dir))
        self._named = Files(_named_by(settings))

    def begin(self) -> None:
        """Copy the files that are in force, before any other process reads them.

        Raises:
            OSError: they cannot be copied.
        """
        paths = self._settings.paths
        inforce.clear(paths.run_dir)
        self._in_force = inforce.copied(paths.config_dir, paths.run_dir)

    def environ(self) -> dict[str, str]:
        """The environment of a process that reads what is in force."""
        if self._in_force is None:
            return dict(os.environ)
        return {**os.environ, inforce.VARIABLE: str(self._in_force.folder)}

    @property
    def version(self) -> str:
        """Of what is in force."""
        return self._settings.policy_version

    async def watch(self) -> None:
        """Take changed files into use, for ever."""
        while True:
            await asyncio.sleep(EVERY)
            changed, named = await asyncio.to_thread(self._looked)
            if self._settings.watch and (changed or named):
                await self.reload(asked=named)

    def _looked(self) -> tuple[bool, bool]:
        """Whether files of the configuration changed, and whether files that it names did."""
        return self._files.changed(), self._named.changed()

    async def reload(self, *, asked: bool) -> None:
        """Take what is in the files into use, if it is sound; else all stays as it is.

        Args:
            asked: also where they are as before: somebody asked for it (SIGHUP), or what they name
                has changed.
        """
        async with self._lock:
            try:
                await self._reload(asked=asked)
            except OSError as problem:
                # The files cannot be copied, or the note not written: what is in force stays so.
                logger.error("the last good settings stay in force: %s", problem)
            except Exception:
                # A fault of ours, which must not end the watch over the files: what is in force
                # stays so, and `/healthz` says that something newer is not.
                logger.exception("the last good settings stay in force: these cannot be examined")
                await self._note_fault()

    async def _note_fault(self) -> None:
        """Other files may be in force than those that are there, and nobody knows why."""
        if self._rejected is None:
            self._since, self._rejected = time.time(), _UNKNOWN
        places = [str(self._settings.paths.config_dir)]
        with contextlib.suppress(OSError):  # said in the journal already
            await asyncio.to_thread(inforce.note, self._run_dir, self._since, places)

    async def _reload(self, *, asked: bool) -> None:
        paths = self._settings.paths
        copy = await asyncio.to_thread(inforce.copied, paths.config_dir, self._run_dir)
        if copy.digest == self._rejected and not asked:
            return  # it was said, and stands in the note
        if self._in_force is not None and copy.digest == self._in_force.digest and not asked:
            await self._mended()  # touched, or put back
            return
        try:
            settings = await asyncio.to_thread(self._examined, copy)
        except (SettingsError, CategorySourceError) as problem:
            await self._reject(copy, str(problem), _places(problem, paths.config_dir))
            return
        # As they are before anybody reads them: what changes from here on is looked at again.
        named = await asyncio.to_thread(Files, _named_by(settings))
        workers = self._serving()
        if why := await self._prepared(workers, copy, settings):
            await self._reject(copy, why, [str(paths.config_dir)])
            return
        await asyncio.to_thread(self._sound, settings)
        await self._take([part for part in workers if part.serving], settings.policy_version)
        self._settings, self._in_force, self._named = settings, copy, named
        self._taken()  # before anything that may fail: the other parts are never left behind
        await self._mended()
        await asyncio.to_thread(inforce.forget, self._run_dir, copy)

    async def _mended(self) -> None:
        """What is in the files is in force."""
        if self._rejected is not None:
            logger.info("the configuration files are in order again")
            self._rejected = None
            await asyncio.to_thread(inforce.clear, self._run_dir)

    def _examined(self, copy: inforce.Copy) -> Settings:
        return examine(
            self._settings.paths.config_dir,
            overrides=self._overrides,
            environ=os.environ,
            known_categories=_listed,
            files=copy.folder,
        ).settings

    async def _reject(self, copy: inforce.Copy, said: str, places: Iterable[str]) -> None:
        logger.error("the last good settings stay in force:\n%s", said)
        if self._rejected is None:
            self._since = time.time()
        self._rejected = copy.digest
        await asyncio.to_thread(inforce.note, self._run_dir, self._since, places)

    async def _prepared(self, workers: list[Part], copy: inforce.Copy, settings: Settings) -> str:
        """Have every worker prepare; why one cannot, or nothing."""
        question = {"prepare": str(copy.folder), "version": settings.policy_version}
        answers = await _ask_all(workers, _PREPARED_WITHIN, **question)
        problems = [
            f"{part.name}: {answer['problem']}"
            for part, answer in answers
            if answer is not None and "problem" in answer
        ]
        for part, answer in answers:
            if answer is None:
                self._end(part, "does not answer")
        if problems:
            await _ask_all(workers, _TAKEN_WITHIN, drop="")
        return "\n".join(problems)

    async def _take(self, workers: list[Part], version: str) -> None:
        """Have every worker go by what it has prepared; who does not is ended."""
        for part, answer in await _ask_all(workers, _TAKEN_WITHIN, take=""):
            self._after(part, answer, version)

    async def bring_up(self, part: Part) -> None:
        """Hand on what is in force to a worker that read what was before, as it began."""
        async with self._lock:
            if part.version == self.version or part.line is None or self._in_force is None:
                return
            folder, version = str(self._in_force.folder), self.version
            answer = await part.line.ask(_PREPARED_WITHIN, prepare=folder, version=version)
            if answer is not None and "done" in answer:
                answer = await part.line.ask(_TAKEN_WITHIN, take="")
            self._after(part, answer, version)

    def _after(self, part: Part, answer: dict[str, Any] | None, version: str) -> None:
        if answer is not None and answer.get("done") == "taken":
            part.version = version
        else:
            self._end(part, f"did not take policy version {version}")

    def _serving(self) -> list[Part]:
        return [part for part in self._parts() if part.serving and part.line is not None]

    @staticmethod
    def _end(part: Part, why: str) -> None:
        """End a worker that goes by other settings than the rest; another begins."""
        if part.process is not None and part.process.returncode is None:
            logger.error("%s %s: it is ended, another begins", part.name, why)
            part.serving = False
            part.process.send_signal(signal.SIGKILL)


async def _ask_all(
    parts: Iterable[Part], within: float, **question: str
) -> list[tuple[Part, dict[str, Any] | None]]:
    asked = [(part, part.line) for part in parts]
    answers = await asyncio.gather(
        *(line.ask(within, **question) for _, line in asked if line is not None)
    )
    return list(zip([part for part, _ in asked], answers, strict=True))


def _files_of(folder: Path) -> Callable[[], list[Path]]:
    """The files of a configuration, and the folder in which more of them may come."""
    return lambda: [*inforce.read_from(folder), folder / inforce.PACKS]


def _named_by(settings: Settings) -> Callable[[], list[Path]]:
    """What is read when settings are taken into use; what is read again anyway is left out."""
    asked = settings.shifts.acknowledgement
    named = [asked.statement or settings.paths.config_dir / _STATEMENT, settings.directory.ca_file]
    return lambda: [path for path in named if path]


def _places(problem: Exception, config_dir: Path) -> list[str]:
    if isinstance(problem, SettingsError):
        return [each.place for each in problem.problems]
    return [str(config_dir)]


def _listed(paths: Paths) -> frozenset[str]:
    """The categories of all lists: a rule that names another one would never match."""
    return category_names(
        read_sources(SourceFolders(paths.categories_dir, paths.imported_lists_dir))
    )
