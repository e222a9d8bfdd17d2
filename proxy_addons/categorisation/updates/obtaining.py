"""Obtains a new version of a list: fetched, checked, imported beside the one in force, compared.

In: a source, what is known of it. Out: a version, with what it differs in; or that there is none.
Must never: touch the list in force.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy_addons.categorisation.imports import import_lists
from proxy_addons.categorisation.report import CategoryImportError
from proxy_addons.categorisation.updates.checksums import ChecksumError, pinned, wanted_of
from proxy_addons.categorisation.updates.comparing import compare
from proxy_addons.categorisation.updates.fetching import (
    Fetched,
    FetchError,
    Validators,
    Wanted,
    digest_of,
    fetch,
)
from proxy_addons.categorisation.updates.files import digest_of_tree, share_same
from proxy_addons.categorisation.updates.minisign import MOST
from proxy_addons.categorisation.updates.sanity import reasons_of
from proxy_addons.categorisation.updates.sides import Side, side_of_folder
from proxy_addons.categorisation.updates.versions import Version, Versions

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from proxy_addons.categorisation.compiler import Progress
    from proxy_addons.categorisation.imports import ImportReport
    from proxy_addons.categorisation.updates.comparing import Difference
    from proxy_addons.categorisation.updates.sanity import Reason
    from proxy_addons.categorisation.updates.sourcesfile import Source

_CHECKSUMS_MOST: Final = 1 << 20  # octets of a file of checksums
_LONGEST_NAME: Final = 100  # characters
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Obtained:
    """What came of a fetch.

    Attributes:
        validators: for the next time; None: the server said that nothing has changed.
        version: the new version; None: its content is that of the list in force.
        report: of its import.
        difference: from the list in force.
        reasons: why it is not believed; none when it is.
    """

    validators: Validators | None
    version: Version | None = None
    report: ImportReport | None = None
    difference: Difference | None = None
    reasons: tuple[Reason, ...] = ()


def obtain(
    source: Source,
    versions: Versions,
    known: Validators,
    work: Path,
    *,
    now: Callable[[], datetime],
    progress: Progress,
) -> Obtained:
    """Obtains what a source offers; keeps it among the versions when it is new.

    Args:
        source: where from, and what is asked of it.
        versions: of the list.
        known: of the version that is here.
        work: an empty folder on the disk of the lists.
        now: the clock.
        progress: told what is being done.

    Raises:
        FetchError: it could not be fetched.
        ChecksumError: it is not what its publisher says.
        SignatureError: it is not signed as it has to be.
        CategoryError: it cannot be imported.
        OSError: the disk.
    """
    fetched = _fetched(source, _wanted(source, source.url, source.max_size, known), work, progress)
    if fetched is None:
        return Obtained(None)
    _check(source, fetched, work)
    staged = Versions(work / "lists", source.name)
    try:
        report = import_lists(
            fetched.path,
            staged.lists_dir,
            name=source.name,
            format=source.format,
            category=source.category,
            very_restrictive=source.very_restrictive,
            progress=progress,
        )
    except CategoryImportError as error:
        # Named after what was asked for: the file that it was in is gone by now.
        raise CategoryImportError(str(error).replace(str(fetched.path), source.url)) from error
    imported = staged.store_in_force()
    assert imported is not None, "an import makes the link"
    in_force = versions.store_in_force()
    if in_force is not None and in_force.is_dir():
        if digest_of_tree(imported) == digest_of_tree(in_force):
            return Obtained(fetched.validators)
        old = side_of_folder("in force", versions.lists_dir / source.name)
    else:
        old = Side("none", lambda: iter(()))
    progress("comparing", 0, 1)
    difference = compare(old, side_of_folder("new", report.folder), work)
    progress("comparing", 1, 1)
    reasons = reasons_of(difference, source.hold_back)
    if in_force is not None and in_force.is_dir():
        share_same(imported, in_force)
    version = versions.add(
        imported,
        Version(
            id="",
            place=source.url,
            entries=difference.whole.after,
            size=fetched.size,
            reasons=tuple(each.as_json() for each in reasons),
        ),
        now(),
    )
    return Obtained(fetched.validators, version, report, difference, reasons)


def _wanted(source: Source, place: str, most: int, known: Validators) -> Wanted:
    return Wanted(place, most, source.timeout, source.proxy, source.ca_file, known)


def _fetched(source: Source, wanted: Wanted, work: Path, progress: Progress) -> Fetched | None:
    # The import looks at the name: at its ending, and for a category where the format has none.
    name = _UNSAFE.sub("-", wanted.file_name)[-_LONGEST_NAME:].strip("-.") or source.name
    folder = work / "fetched"
    folder.mkdir()
    return fetch(wanted, folder / name, lambda done, total: progress("fetching", done, total))


def _check(source: Source, fetched: Fetched, work: Path) -> None:
    """Whether it is what its publisher says."""
    if (source.checksum or source.signature) and fetched.path.is_dir():
        raise ChecksumError("a folder has no checksum and no signature: leave these keys out")
    if source.checksum is not None:
        name = _wanted(source, source.url, 1, Validators()).file_name
        algorithm, digest = pinned(source.checksum) or wanted_of(
            _small(source, source.checksum, _CHECKSUMS_MOST, work).decode("utf-8", "replace"), name
        )
        if not hmac.compare_digest(digest_of(fetched.path, algorithm), digest):
            raise ChecksumError(f"its {algorithm} is not the one that {_origin(source)} says")
    if source.signature is not None and source.public_key is not None:
        source.public_key.check(fetched.path, _small(source, source.signature, MOST, work))


def _origin(source: Source) -> str:
    return "sources.yaml" if pinned(source.checksum or "") else "the file of checksums"


def _small(source: Source, place: str, most: int, work: Path) -> bytes:
    """A small file that goes with the list."""
    wanted = _wanted(source, place, most, Validators())
    target = work / "beside"
    target.unlink(missing_ok=True)
    try:
        found = fetch(wanted, target, lambda _done, _total: None)
    except FetchError as error:
        raise FetchError(f"{wanted.file_name}: {error}") from error  # the list is not imported
    assert found is not None, "nothing was known of it"
    return found.path.read_bytes() if found.path.is_file() else b""
