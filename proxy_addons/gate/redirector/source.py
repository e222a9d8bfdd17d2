"""What the helper decides by: settings, people and index, as they are at the moment.

In: the configuration folder, the files of people and redirects. Out: a `Basis`, a new one whenever
a file has changed; what there is to say about it.
Must never: give up what was good because something new is not; a helper that ends, or passes
everything, would leave Squid without a filter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy_addons.categorisation import CategoryIndex, CategoryIndexError
from proxy_addons.gate.redirector.callers import Callers, read_people
from proxy_addons.gate.redirector.desk import Basis
from proxy_addons.gate.redirector.redirects import read_redirects
from proxy_addons.identity.addresses import AddressMap
from proxy_addons.settings.load import CARRIERS_FILE, MAIN_FILE, POLICY_FILE, SettingsError, load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date
    from pathlib import Path

    from proxy_addons.gate.redirector.answers import Redirect
    from proxy_addons.gate.redirector.callers import Entry
    from proxy_addons.settings.model import Settings

_FILES: Final = (MAIN_FILE, POLICY_FILE, CARRIERS_FILE)


class Source:
    """Reads what is decided by.

    Args:
        config_dir: with `watchhouse.yaml` and `policy.yaml`.
        overrides: of settings, by dotted key.
        environ: the environment.
        people: the file of people, or None.
        redirects: the file of redirects, or None.
        today: gives the date around which bank holidays are needed; None for the present one.
        say: told, once for each, what is wrong and what is new.
    """

    def __init__(
        self,
        config_dir: Path,
        overrides: Mapping[str, str],
        environ: Mapping[str, str],
        people: Path | None,
        redirects: Path | None,
        today: date | None,
        say: Callable[[str], None],
    ) -> None:
        self._config_dir = config_dir
        self._overrides, self._environ = overrides, environ
        self._people_file, self._redirects_file, self._today = people, redirects, today
        self._say = say
        self._said = ""
        self._signature: object = None
        self._policy: tuple[Settings, Callers, dict[str, Redirect]] | None = None
        self._index: CategoryIndex | None = None
        self.basis: Basis | None = None

    def look(self, *, again: bool = False) -> bool:
        """Look at the files.

        Args:
            again: read everything anew, whether files look changed or not.

        Returns:
            Whether `basis` is another one now. It is None until all of it was good once.
        """
        changed = self._look_at_policy(again=again)
        changed = self._look_at_index(again=again) or changed
        if not changed or self._policy is None or self._index is None:
            return False
        settings, callers, redirects = self._policy
        before, self.basis = self.basis, Basis(settings, self._index, callers, redirects)
        self._said = ""
        what = "in force" if before is None else "changed"
        self._say(
            f"{what}: policy {settings.policy_version}, lists {self._index.version}"
            f" ({self._config_dir})"
        )
        return True

    def _look_at_policy(self, *, again: bool) -> bool:
        files = [self._config_dir / name for name in _FILES]
        files += [file for file in (self._people_file, self._redirects_file) if file is not None]
        signature = tuple(map(_signature, files))
        if signature == self._signature and not again:
            return False
        self._signature = signature
        try:
            settings = load(
                self._config_dir,
                overrides=self._overrides,
                environ=self._environ,
                today=self._today,
            )
            entries: tuple[Entry, ...] = ()
            if self._people_file is not None:
                entries = read_people(self._people_file, settings.policy)
            redirects: dict[str, Redirect] = {}
            if self._redirects_file is not None:
                redirects = read_redirects(self._redirects_file, settings.policy)
        except SettingsError as problem:
            # What was good stays in force; without anything that was, everything is refused.
            self._complain(str(problem))
            return False
        policy = settings.policy
        addresses = AddressMap(settings.identity.addresses, policy.strictest_profile)
        self._policy = settings, Callers(entries, addresses, policy), redirects
        return True

    def _look_at_index(self, *, again: bool) -> bool:
        if self._policy is None:
            return False
        path = self._policy[0].paths.index_file
        index = self._index
        if index is not None and index.path == path and not index.replaced() and not again:
            return False
        try:
            self._index = CategoryIndex.open(path)
        except CategoryIndexError as problem:
            # As above.
            self._complain(f"{problem}; `watchhouse categories compile` makes it")
            return False
        return True

    def _complain(self, text: str) -> None:
        if text == self._said:
            return
        self._said = text
        stays = "the last good one stays in force" if self.basis else "everything is refused"
        self._say(f"{text}\n{stays}")


def _signature(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None  # it is not there, or cannot be looked at: reading it says so
    return status.st_mtime_ns, status.st_size, status.st_ino
