"""Updates lists from their sources: all that can be had, then one compilation, then in force.

In: sources, what a person asks for. Out: what came of each; lists and an index that fit together.
Must never: let one source's failure stop another's update, put a version in force that is held
back, or leave lists in force that cannot be compiled.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from proxy_addons.categorisation.compiler import CompileReport, Progress, nothing
from proxy_addons.categorisation.report import CategoryError, CategorySourceError
from proxy_addons.categorisation.updates.checksums import ChecksumError
from proxy_addons.categorisation.updates.enforcing import Enforcing
from proxy_addons.categorisation.updates.fetching import FetchError
from proxy_addons.categorisation.updates.minisign import SignatureError
from proxy_addons.categorisation.updates.obtaining import Obtained, obtain
from proxy_addons.categorisation.updates.sanity import Reason
from proxy_addons.categorisation.updates.state import State, read_state, write_state
from proxy_addons.categorisation.updates.versions import Versions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from proxy_addons.categorisation.sources import SourceFolders
    from proxy_addons.categorisation.updates.comparing import Difference
    from proxy_addons.categorisation.updates.sourcesfile import Source

_LONGEST_WHY: Final = 500  # characters of a failure that are kept


class Status(StrEnum):
    """What came of one source."""

    UPDATED = "updated"
    NEW = "new"  # it would be: nothing is put in force on trial
    UNCHANGED = "unchanged"
    HELD = "held back"
    FAILED = "failed"
    PINNED = "pinned"
    NOT_DUE = "not due"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one source.

    Attributes:
        name: of the list.
        status: see there.
        why: more of it, for people.
        version: that was put in force, or is held back.
        before: version that was in force; None: none, or one that was imported by hand.
        difference: from the list that was in force.
        reasons: why it is held back.
    """

    name: str
    status: Status
    why: str = ""
    version: str | None = None
    before: str | None = None
    difference: Difference | None = None
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asks of an update.

    Attributes:
        due: only sources whose time has come.
        force: fetch what is pinned or unchanged too; what was pinned is not any more.
        confirmed: lists whose new version is put in force however it differs.
        confirm_all: all of them.
        dry_run: change nothing.
    """

    due: bool = False
    force: bool = False
    confirmed: frozenset[str] = frozenset()
    confirm_all: bool = False
    dry_run: bool = False

    def confirms(self, name: str) -> bool:
        """Whether a list is put in force however it differs."""
        return self.confirm_all or name in self.confirmed


@dataclass(slots=True)
class Updater:
    """Updates lists, and goes back.

    Attributes:
        folders: where lists are.
        index_file: the index.
        keep: versions of each list that are kept.
        now: the clock.
        progress: told what is being done.
        compiled: what the last compilation did.
    """

    folders: SourceFolders
    index_file: Path
    keep: int = 5
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    progress: Progress = nothing
    compiled: CompileReport | None = None
    _states: dict[str, State] = field(default_factory=dict)

    @property
    def _enforcing(self) -> Enforcing:
        return Enforcing(self.folders, self.index_file, self.progress)

    def versions(self, name: str) -> Versions:
        """The versions of a list."""
        return Versions(self.folders.lists_dir, name)

    def state(self, name: str) -> State:
        """What is known of a list's source."""
        return read_state(self.versions(name).folder)

    def update(self, sources: Sequence[Source], asked: Asked) -> tuple[Outcome, ...]:
        """Updates lists.

        Args:
            sources: those to update, in order.
            asked: how.

        Raises:
            CategoryError: nothing can be updated at all (another update runs; no disk).
        """
        with self._enforcing.alone():
            self._states.clear()
            found = [self._obtained(source, asked) for source in sources]
            if asked.dry_run:
                return tuple(found)
            new = {each.name: each.version for each in found if each.status is Status.UPDATED}
            chosen = {name: version for name, version in new.items() if version}
            failed = self._put_in_force(chosen)
            if failed is not None:
                found = [
                    replace(each, status=Status.FAILED, why=failed) if each.name in new else each
                    for each in found
                ]
            for each in found:
                self._note(each)
            return tuple(found)

    def put_back(self, name: str, version: str | None, *, pin: bool) -> str:
        """Puts a version that is kept in force.

        Args:
            name: of the list.
            version: which; None: the one before that in force.
            pin: fetch nothing newer until that is undone.

        Returns:
            The version.

        Raises:
            CategoryError: it cannot be; what was in force stays.
        """
        with self._enforcing.alone():
            versions, state = self.versions(name), self.state(name)
            chosen = version or self._before(versions, state)
            versions.unchanged(chosen)
            failed = self._put_in_force({name: chosen})
            if failed is not None:
                raise CategorySourceError(f"{name}: {failed}")
            held = None if pin or state.held == chosen else state.held
            if state.held not in {None, chosen, held}:
                versions.forget(str(state.held))  # who goes back has answered it
            pinned = chosen if pin else state.pinned
            write_state(versions.folder, replace(state, held=held, pinned=pinned))
            return chosen

    def unpin(self, name: str) -> str | None:
        """Lets a list be fetched again; gives the version that it was pinned to."""
        with self._enforcing.alone():
            state = self.state(name)
            if state.pinned is not None:
                write_state(self.versions(name).folder, replace(state, pinned=None))
            return state.pinned

    def _put_in_force(self, chosen: Mapping[str, str]) -> str | None:
        """Puts versions in force and compiles; says why nothing has changed, if that fails."""
        done = self._enforcing.put_in_force(chosen)
        if isinstance(done, str):
            return done
        self.compiled = done
        for name in chosen:
            held = self._states.get(name, self.state(name)).held
            self.versions(name).prune(self.keep, frozenset({held} if held else ()))
        return None

    def _before(self, versions: Versions, state: State) -> str:
        in_force = versions.in_force()
        older = [
            each.id
            for each in versions.all()
            if each.id not in {in_force, state.held} and (in_force is None or each.id < in_force)
        ]
        if not older:
            raise CategorySourceError(
                f"{versions.name} has no version before the one in force; "
                f"see: watchhouse categories history {versions.name}"
            )
        return older[-1]

    @staticmethod
    def _forget_orphans(versions: Versions, state: State) -> None:
        """Remove what was fetched by an update that was killed before it was put in force."""
        in_force = versions.in_force()
        last = max(in_force or "", state.validated or "")  # what is older has had its turn
        for each in versions.all():
            if in_force is not None and each.id > last and each.id != state.held:
                versions.forget(each.id)
        versions.tidy()

    def _obtained(self, source: Source, asked: Asked) -> Outcome:
        """One source: fetched and judged. Nothing is put in force here."""
        versions, state = self.versions(source.name), self.state(source.name)
        before = versions.in_force()
        if state.pinned is not None and not asked.force:
            why = f"to {state.pinned} by a roll-back; `categories unpin {source.name}` ends that"
            return Outcome(source.name, Status.PINNED, why, before=before)
        if asked.due and not state.is_due(self.now(), source.every, source.between):
            return Outcome(source.name, Status.NOT_DUE, before=before)
        known = replace(state, validated=None) if asked.force else state
        try:
            self._forget_orphans(versions, state)
            with self._enforcing.work(source.name) as work:
                got = obtain(
                    source,
                    versions,
                    known.validators(source.url, before),
                    work,
                    now=self.now,
                    progress=self.progress,
                )
        except (CategoryError, FetchError, ChecksumError, SignatureError) as problem:
            # The last good list stays in force; the other sources are updated all the same.
            return Outcome(source.name, Status.FAILED, str(problem), before=before)
        except OSError as problem:  # as above
            why = f"{problem.filename or versions.folder}: {problem.strerror or problem}"
            return Outcome(source.name, Status.FAILED, why, before=before)
        if got.version is not None and asked.dry_run:
            versions.forget(got.version.id)
            status = Status.HELD if got.reasons and not asked.confirms(source.name) else Status.NEW
            return Outcome(
                source.name,
                status,
                before=before,
                difference=got.difference,
                reasons=got.reasons,
            )
        if asked.dry_run:
            return Outcome(source.name, Status.UNCHANGED, before=before)
        return self._settled(source, asked, state, got, before)

    def _settled(
        self, source: Source, asked: Asked, state: State, got: Obtained, before: str | None
    ) -> Outcome:
        """What becomes of what was obtained; at most one version is held."""
        versions, name = self.versions(source.name), source.name
        held = versions.find(state.held)
        version, reasons = got.version, got.reasons
        if got.validators is None and held is not None and state.validated == held.id:
            version = held  # not modified since: it still is what the source offers
        if held is not None:
            if version is not None and version.digest == held.digest:
                if version.id != held.id:
                    versions.forget(version.id)
                version, reasons = held, tuple(map(Reason.of_json, held.reasons))
            else:
                versions.forget(held.id)  # the source does not offer it any more
        stays_held = version is not None and bool(reasons) and not asked.confirms(name)
        if got.validators is not None:
            state = replace(
                state,
                validated=before if version is None else version.id,
                etag=got.validators.etag,
                last_modified=got.validators.last_modified,
            )
        self._states[name] = replace(
            state,
            pinned=None,
            held=version.id if version is not None and stays_held else None,
            place=source.url,
            succeeded=_written(self.now()),
            failed=None,
            why=None,
        )
        status = Status.UNCHANGED if version is None else Status.UPDATED
        return Outcome(
            name,
            Status.HELD if stays_held else status,
            version=None if version is None else version.id,
            before=before,
            difference=got.difference,
            reasons=reasons,
        )

    def _note(self, outcome: Outcome) -> None:
        """Keep what is known of a source now."""
        state = self._states.get(outcome.name)
        if outcome.status is Status.FAILED:
            known, failed = self.state(outcome.name), _written(self.now())
            state = replace(known, failed=failed, why=outcome.why[:_LONGEST_WHY])
        if state is not None:
            write_state(self.versions(outcome.name).folder, state)


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
