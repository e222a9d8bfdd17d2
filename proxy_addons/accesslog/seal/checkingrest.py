"""Checking segments from which lines were erased: what is gone is gone, what stays is proved.

In: what the log says of erasures, the folder of the seals. Out: what is wrong, file by file.
Must never: take a file that is missing for one that was erased, where no entry says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.accesslog.seal.erasing import must_go
from proxy_addons.accesslog.seal.remaining import Remaining, digest
from proxy_addons.accesslog.segment import SegmentName
from proxy_addons.accesslog.unpacked import unpacked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from proxy_addons.accesslog.seal.erasure import State
    from proxy_addons.accesslog.seal.manifest import Manifest
    from proxy_addons.accesslog.seal.sealing import Seals

_AGAIN = "`watchhouse retention erase --due` ends an erasure that was cut short"


class RestCheck:
    """The check of what erasures have left.

    Args:
        seals: the folder.
        access: the folder of the plain segments, or None.
        states: what the log says, by the names of segments.
        wrong: told a file, and what is wrong with it.

    Attributes:
        known: files that were looked at.
    """

    def __init__(
        self,
        seals: Seals,
        access: Path | None,
        states: dict[str, State],
        wrong: Callable[[Path, str], None],
    ) -> None:
        self._seals, self._access, self._wrong = seals, access, wrong
        self.states = states
        self.known: set[Path] = set()

    def paths(self) -> None:
        """Look for what must not be there, of all segments."""
        for text, state in self.states.items():
            for path in must_go(self._access, self._seals, self.states, text):
                self.known.add(path)
                if path.exists():
                    self._wrong(path, f"is not destroyed, and was erased. {_AGAIN}")
            name = SegmentName.parse(text)
            if name is not None and not state.whole:
                self.known |= set(self._seals.rest(name, state.number))

    def next(self, path: Path) -> bool:
        """Whether a file was made for an erasure that was cut short before it was signed."""
        text, _, number = path.name.rpartition(".")[0].rpartition(".")
        name, state = SegmentName.parse(text), self.states.get(text)
        after = (state.number if state else 0) + 1
        return name is not None and number == str(after) and path in self._seals.rest(name, after)

    def segment(self, name: SegmentName, manifest: Manifest) -> int:
        """Check what remains of one. Gives its lines."""
        state = self.states[manifest.name]
        if state.whole:
            if state.rest.erased != manifest.records or state.rest.lines:
                self._wrong(self._seals.folder / manifest.name, "an erasure that cannot be")
            return 0
        lines, kept = self._seals.rest(name, state.number)
        for path, said in ((lines, state.rest.lines), (kept, state.rest.kept)):
            try:
                if digest(path.read_bytes()) != said:
                    self._wrong(path, "is not the file that the erasure left")
            except OSError as problem:
                # What it should prove is not proved.
                self._wrong(path, f"cannot be read: {problem.strerror}")
                return 0
        try:
            found = Remaining.parse(kept.read_bytes(), unpacked(lines), manifest.records)
        except (OSError, ValueError) as problem:
            # One of the two is damaged; which one, the hashes above say.
            self._wrong(kept, f"does not prove {lines.name}: {problem}")
            return 0
        if found.roots() != (manifest.root, manifest.places):
            self._wrong(kept, f"with {lines.name} it makes other roots than were sealed")
        if found.erased != state.rest.erased:
            self._wrong(kept, f"{found.erased} lines are gone, not {state.rest.erased}")
        return len(found.lines)
