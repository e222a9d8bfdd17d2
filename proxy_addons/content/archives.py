"""Looks into archives: what their members are, at any depth, within limits.

In: a file. Out: `Members`: types of members, what could not be looked into, names that tell.
Must never: be used in the gateway's own process (examiner.py has others); write a member under a
name of its own; be silent about what it could not read.

A member is told by its first and last bytes. One that is an archive itself goes, whole, into a file
without a name, and is looked into the same way. Sizes count as the archive claims them or as they
are, whichever is more: what would fill a disk when someone unpacks it is found without doing so.
"""

from __future__ import annotations

import bz2
import io
import os
import shutil
import tempfile
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from proxy_addons.content import compound, pdfattachments, unpacking
from proxy_addons.content.compound import MAGIC, Compound, DamagedError
from proxy_addons.content.declared import NOTHING, Declared
from proxy_addons.content.gaps import Piece, listed_of
from proxy_addons.content.mailattachments import carried_by_mail
from proxy_addons.content.packages import WANTED, Tells
from proxy_addons.content.pdfattachments import Pdf, is_pdf
from proxy_addons.content.places import Place, escaped, is_document
from proxy_addons.content.spending import Size, Spending, TooLargeError
from proxy_addons.content.types import HEAD, TAIL, tail_types, types_of, types_of_file
from proxy_addons.content.unpacking import Archive, DamagedMemberError, UnreadableError
from proxy_addons.policy.findings import GROUPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from collections.abc import Set as AbstractSet
    from pathlib import Path
    from typing import BinaryIO

    from proxy_addons.content.unpacking import Member
    from proxy_addons.settings.content import Archives as Limits

    # Gets a file, its types and its names; gives what it found.
    Visit = Callable[[BinaryIO, frozenset[str], tuple[str, ...]], AbstractSet[str]]

CONTAINERS: Final = frozenset({
    *("archive", "disk-image", "linux-package", "macos-package", "windows-installer"),
    *("java-program", "android-package", "ios-package", "browser-extension", "python-package"),
    *("npm-package", "software-package"),
})  # fmt: skip
"""What libarchive knows. Of documents, their bytes say which are zip or compound files."""
LOOKED_INTO: Final = CONTAINERS | {"document", "office-macros", "office-add-in", "e-mail"}
"""Types of a body that is worth examining whole. `pdf` is too, where it matters what one carries,
or that it needs a password: that takes the whole of each."""

ENCRYPTED: Final = "encrypted-archive"
UNREADABLE: Final = "unreadable-archive"
TOO_DEEP: Final = "archive-too-deep"
TOO_LARGE: Final = "archive-too-large"
UNSEEN: Final = frozenset({ENCRYPTED, UNREADABLE, TOO_DEEP, TOO_LARGE})

NAMES: Final = 8
"""Names of members that are given, at most."""

_MAIL: Final = frozenset({"e-mail"})  # and nothing else: a message of Outlook has its own bytes
_BZIP2: Final = b"BZh"
_BY_BYTES: Final = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08", MAGIC)
_TELLING: Final = GROUPS["software"] | GROUPS["unseen"] | UNSEEN

_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Members:
    """What is in an archive.

    Attributes:
        types: ids of members, at any depth, with what could not be looked into in them.
        findings: what could not be looked into, in the archive itself or at any depth.
        first: names of members that tell, with those of the archives they are in; escaped.
        itself: what the archive itself turns out to be by its members (`java-program` of a jar),
            and why it could not be looked into.
        said: what was found by whom the files in it were shown to.
    """

    types: frozenset[str] = frozenset()
    findings: frozenset[str] = frozenset()
    first: tuple[str, ...] = ()
    itself: frozenset[str] = frozenset()
    said: frozenset[str] = frozenset()


def examine_archive(
    file: BinaryIO,
    limits: Limits,
    declared: Declared = NOTHING,
    *,
    folder: Path | None = None,
    clock: Callable[[], float] = time.process_time,
    visit: Visit | None = None,
) -> Members:
    """What is in an archive.

    Args:
        file: the archive; one that is on disk is not copied.
        limits: how far it is looked into.
        declared: what is said of it; what is in `script.ps1.gz` has no other name.
        folder: for members that are archives, as files without names; None: the system's.
        clock: seconds that this process has worked.
        visit: is shown each file in it.
    """
    with _on_disk(file, folder) as archive:
        spending = Spending(limits, archive.seek(0, os.SEEK_END), clock)
        return _Search(limits.depth, folder, spending, visit).of(archive, declared)


def missing() -> str:
    """Why files cannot be looked into on this machine, in words for operators; "" when they can."""
    return unpacking.missing() or compound.missing() or pdfattachments.missing()


def is_container(types: frozenset[str], head: bytes) -> bool:
    """Whether a file of these types, with these first bytes, is to be looked into."""
    return types == _MAIL or bool(types & CONTAINERS) or head.startswith(_BY_BYTES) or is_pdf(head)


def together(types: frozenset[str], itself: AbstractSet[str]) -> frozenset[str]:
    """What a container is: by its bytes, and as it turned out to be.

    One that is software, whatever is in it, need not be looked into.
    """
    return types | (itself - UNSEEN if types <= GROUPS["software"] else itself)


class _Search:
    """One look into one archive and all that is in it."""

    def __init__(
        self,
        depth: int,
        folder: Path | None,
        spending: Spending,
        visit: Visit | None,
    ) -> None:
        self._depth = depth
        self._folder = folder
        self._spending = spending
        self._visit = visit
        self._types: set[str] = set()
        self._findings: set[str] = set()
        self._first: list[str] = []
        self._said: set[str] = set()

    def of(self, file: BinaryIO, declared: Declared) -> Members:
        """The whole look, at the outermost archive."""
        itself: set[str] = set()
        types = types_of_file(file, declared)
        place = Place(declared.names, "", 0, is_document(types, declared))
        try:
            self._container(file, types, place, itself)
        except TooLargeError:
            itself.add(TOO_LARGE)
        self._findings |= itself & UNSEEN
        return Members(
            frozenset(self._types),
            frozenset(self._findings),
            tuple(self._first),
            frozenset(itself),
            frozenset(self._said),
        )

    def _container(
        self, file: BinaryIO, types: frozenset[str], place: Place, itself: set[str]
    ) -> None:
        """Looks into a file that has others in it; into one that is several things, as each.

        Args:
            file: it.
            types: what it is.
            place: of it.
            itself: takes what it turns out to be, as soon as that is known.
        """
        file.seek(0)
        head = file.read(HEAD)
        if head.startswith(MAGIC):
            self._compound(file, place, itself)
        elif head.startswith(_BZIP2):
            self._bzip2(file, place, itself)
        elif types == _MAIL:
            self._mail(file, place, itself)
        elif is_pdf(head):
            self._pdf(file, place, itself)
            if types & CONTAINERS:
                self._archive(file, place, itself)
        else:
            self._archive(file, place, itself)

    def _compound(self, file: BinaryIO, place: Place, itself: set[str]) -> None:
        try:
            read = Compound(file)
            itself |= read.kinds()
            self._carried(read.carried(), place)
        except DamagedError:
            itself.add(UNREADABLE)

    def _pdf(self, file: BinaryIO, place: Place, itself: set[str]) -> None:
        with closing(Pdf(file)) as pdf:
            itself |= pdf.kinds()
            try:
                self._carried(pdf.carried(), place)
            except ValueError:
                itself.add(UNREADABLE)

    def _mail(self, file: BinaryIO, place: Place, itself: set[str]) -> None:
        try:
            self._carried(carried_by_mail(file), place)
        except ValueError:
            itself.add(UNREADABLE)

    def _carried(self, files: Iterable[tuple[str, bytes]], place: Place) -> None:
        for name, content in files:
            self._spending.count(len(content))
            rest = io.BytesIO(content)
            self._file((name,), rest.read(HEAD), rest.read, place)

    def _bzip2(self, file: BinaryIO, place: Place, itself: set[str]) -> None:
        """A file packed with bzip2, which may be a tar archive."""
        file.seek(0)
        with tempfile.TemporaryFile(dir=self._folder) as unpacked:
            try:
                with bz2.open(file) as packed:
                    while piece := packed.read(_PIECE):
                        self._spending.unpack(len(piece))
                        unpacked.write(piece)
            except (OSError, EOFError, ValueError):  # what could be read is looked at below
                itself.add(UNREADABLE)
            unpacked.flush()
            try:
                with Archive(unpacked.fileno()) as archive:
                    more = archive.known
            except UnreadableError:  # that is said again below
                more = True
            if more:
                self._archive(unpacked, place, itself)
            else:
                unpacked.seek(0)
                self._file(place.packed(), unpacked.read(HEAD), unpacked.read, place)

    def _archive(self, file: BinaryIO, place: Place, itself: set[str]) -> None:
        tells = None
        try:
            with Archive(file.fileno()) as archive:
                tells = Tells(tar="tar" in archive.format.lower())
                outer = place.packed() if archive.raw else ()
                seen = 0
                for member in archive:
                    seen += 1
                    self._spending.count(member.size)
                    itself |= self._member(member, (*outer, member.name), tells, place)
                if archive.format.startswith("ZIP"):
                    self._unlisted(file, seen, place, itself)
        except UnreadableError as error:
            itself.add(ENCRYPTED if error.encrypted else UNREADABLE)
        finally:
            if tells is not None:
                itself |= tells.kinds()

    def _unlisted(self, file: BinaryIO, seen: int, place: Place, itself: set[str]) -> None:
        """Of a zip archive: members that some programs see and others do not."""
        listed = listed_of(file)
        if listed is None:
            return
        if listed.members != seen:
            itself.add(UNREADABLE)
        for begin, end in listed.gaps:
            self._spending.count(end - begin)
            piece = Piece(file, begin, end)
            self._file(("",), piece.read(HEAD), piece.read, place)

    def _member(
        self, member: Member, names: tuple[str, ...], tells: Tells, place: Place
    ) -> set[str]:
        """Looks at one member; gives what it says about the archive that it is in."""
        if not member.regular:
            return set()
        if member.encrypted:
            tells.see(member.name, b"")
            self._name(place.path_of(names))
            return {ENCRYPTED}
        size = Size(member.size)

        def more(wanted: int) -> bytes:
            got = member.read(wanted)
            self._spending.unpack(size.beyond(len(got)))
            return got

        try:
            head = more(WANTED if tells.wants(member.name) else HEAD)
            tells.see(member.name, head)
            self._file(names, head, more, place)
        except DamagedMemberError as error:
            self._name(place.path_of(names))
            return {ENCRYPTED if error.encrypted else UNREADABLE}
        return set()

    def _file(
        self,
        names: tuple[str, ...],
        head: bytes,
        more: Callable[[int], bytes],
        place: Place,
    ) -> None:
        """Takes note of a file in an archive.

        Args:
            names: that the archive has for it.
            head: its first bytes, `HEAD` of them unless they are all.
            more: reads on.
            place: of the archive.
        """
        declared = place.declared(names)
        types = types_of(head[:HEAD], declared, whole=len(head) < HEAD)
        if self._visit is not None or is_container(types, head):
            types = self._within(declared, head, more, place.below(names))
        else:
            types |= self._to_its_end(declared, head, more)
        self._types |= types
        self._findings |= types & UNSEEN
        if types & _TELLING:
            self._name(place.path_of(names))

    def _to_its_end(
        self, declared: Declared, head: bytes, more: Callable[[int], bytes]
    ) -> frozenset[str]:
        """What shows at a file's end only; reading to there shows damage, and its true size."""
        tail = head
        while piece := more(_PIECE):
            tail = tail[-TAIL:] + piece
        if len(head) < HEAD:  # it is all there is, and was looked at
            return frozenset()
        found = tail_types(tail[-TAIL:], declared)
        # An archive behind something else, in an archive: nobody does that for a good reason.
        return found | {UNREADABLE} if "archive" in found else found

    def _within(
        self, declared: Declared, head: bytes, more: Callable[[int], bytes], place: Place
    ) -> frozenset[str]:
        """What a container is, with what it turns out to be by what is in it."""
        with tempfile.TemporaryFile(dir=self._folder) as file:
            file.write(head)
            while piece := more(_PIECE):
                file.write(piece)
            file.flush()
            types = types_of_file(file, declared)
            itself: set[str] = set()
            if self._visit is not None:
                self._said |= self._visit(file, types, place.names)
            if not is_container(types, head):
                pass
            elif place.depth > self._depth:
                itself.add(TOO_DEEP)
            else:
                place = replace(place, inert=is_document(types, declared))
                self._container(file, types, place, itself)
        return together(types, itself)

    def _name(self, path: str) -> None:
        if len(self._first) < NAMES:
            self._first.append(escaped(path))


@contextmanager
def _on_disk(file: BinaryIO, folder: Path | None) -> Iterator[BinaryIO]:
    """A file that has a descriptor, which libarchive needs."""
    try:
        file.fileno()
    except (AttributeError, OSError):  # it is in memory: a copy goes into a file without a name
        with tempfile.TemporaryFile(dir=folder) as copy:
            file.seek(0)
            shutil.copyfileobj(file, copy)
            copy.flush()
            yield copy
    else:
        yield file
