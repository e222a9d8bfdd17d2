"""Puts versions of lists in force, together with an index of them.

In: versions that are kept. Out: the lists in force, and the index; or both as they were.
Must never: leave lists in force that cannot be compiled, or work beside another update.

Steps, each of which may be the last one that a killed update does:
1. what is new is fetched and imported in a folder of its own, checked and compared;
2. it becomes a version of the history (a rename);
3. the lists in force are replaced, one link each; a note, `.pending`, says so until
4. the index is compiled, and takes the place of the one before (a rename).
Until the last of them, requests are decided by the index before. The next update sees the note.
"""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from proxy_addons.categorisation.compiler import Progress, nothing
from proxy_addons.categorisation.ensure import ensure_index
from proxy_addons.categorisation.report import CategoryError, CategorySourceError
from proxy_addons.categorisation.updates.files import put
from proxy_addons.categorisation.updates.versions import HISTORY, INCOMING, Versions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from proxy_addons.categorisation.compiler import CompileReport
    from proxy_addons.categorisation.sources import SourceFolders

_LOCK, _PENDING = ".lock", ".pending"


@dataclass(frozen=True, slots=True)
class Enforcing:
    """Where lists and index are.

    Attributes:
        folders: of the lists.
        index_file: the index.
        progress: told what is being done.
    """

    folders: SourceFolders
    index_file: Path
    progress: Progress = nothing

    def put_in_force(self, chosen: Mapping[str, str]) -> CompileReport | str | None:
        """Puts versions in force and compiles once.

        Args:
            chosen: version by list.

        Returns:
            What the compilation did; None: there was nothing to do; a text: why nothing has
            changed.
        """
        history = self.folders.lists_dir / HISTORY
        pending = history / _PENDING
        if not chosen and not pending.exists():
            return None
        before: dict[str, str | None] = {}
        try:
            put(pending, "\n".join(chosen))
            for name, version in chosen.items():
                with self.work(name) as work:
                    before[name] = Versions(self.folders.lists_dir, name).keep_in_force(work)
                Versions(self.folders.lists_dir, name).put_in_force(version)
            ensured = ensure_index(self.folders, self.index_file, progress=self.progress)
            problem = ensured.stale
        except CategoryError as error:
            problem = str(error)  # below, the lists of before are put back in force
        except OSError as error:
            problem = f"{error.filename or history}: {error.strerror or error}"  # as above
        if problem is None:
            pending.unlink(missing_ok=True)
            return ensured.report
        for name, former in before.items():
            self._undo(name, former)
        pending.unlink(missing_ok=True)
        return f"the lists before stay in force: {problem}"

    def _undo(self, name: str, former: str | None) -> None:
        versions = Versions(self.folders.lists_dir, name)
        if former is None:
            versions.take_out()
        else:
            versions.put_in_force(former)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One update at a time; what a killed one left is removed.

        Raises:
            CategorySourceError: another one runs, or the disk cannot be written.
        """
        history = self.folders.lists_dir / HISTORY
        try:
            history.mkdir(parents=True, exist_ok=True)
            lock = (history / _LOCK).open("a")
        except OSError as error:  # nothing has been done
            raise CategorySourceError(f"{history}: cannot be written: {error.strerror}") from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # nothing has been done
                raise CategorySourceError("another update or roll-back is running") from None
            shutil.rmtree(history / INCOMING, ignore_errors=True)
            yield

    @contextmanager
    def work(self, name: str) -> Iterator[Path]:
        """A folder on the disk of the lists, for as long as the block runs."""
        folder = self.folders.lists_dir / HISTORY / INCOMING
        folder.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=folder))
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)
