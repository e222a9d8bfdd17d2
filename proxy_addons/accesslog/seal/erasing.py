"""Erasing: lines of sealed segments go, with the salts, and all that was signed stays provable.

In: which lines of which segments, the folders, a key. Out: what remains, in files of its own; a
signed entry that says so; then the old files and salts are gone.
Must never: destroy anything before the entry is signed that says that it may be; sign for what is
left of a segment that is not what was sealed; take a line that it was not told to.

Each step is durable before the next begins:
    what remains → the entry, tiles → the checkpoint by its size → old files and salts go
Cut short before the checkpoint, nothing has happened: what was made is made anew, or removed. Cut
short after it, `finish` goes on: what must not be there is what the log says, not what anybody
remembers.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from proxy_addons.accesslog.seal.erasure import LONGEST_RULE, Erasure, Rest, states_of
from proxy_addons.accesslog.seal.files import HALF, put
from proxy_addons.accesslog.seal.notes import Checkpoint, note_of
from proxy_addons.accesslog.seal.remaining import Remaining, RestError, digest
from proxy_addons.accesslog.seal.salted import Salt
from proxy_addons.accesslog.seal.sealing import Known, SealError
from proxy_addons.accesslog.segment import SegmentName, broken_marker, segments_in, sync_directory
from proxy_addons.accesslog.unpacked import unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from proxy_addons.accesslog.seal.erasure import State
    from proxy_addons.accesslog.seal.manifest import Manifest
    from proxy_addons.accesslog.seal.notes import Signer
    from proxy_addons.accesslog.seal.sealing import Seals

MOST: Final = 100
"""Segments in one erasure: an entry has at most 65,535 octets."""
_ENDS: Final = ".jsonl"
_STAYS: Final = 31 * 86400.0
"""Seconds for which a worker's last segment is not touched: it may read its last number there."""


@dataclass(frozen=True, slots=True)
class Done:
    """What an erasure came to.

    Attributes:
        erasure: the entry; None: there was nothing left to erase.
        waiting: segments that were not touched: not sealed yet, or the last of their worker.
        known: what the log says afterwards, for the next erasure.
    """

    erasure: Erasure | None
    waiting: tuple[str, ...] = ()
    known: Known | None = None


def remaining_of(seals: Seals, manifest: Manifest, known: Known) -> Remaining | None:
    """A segment, or what remains of it, looked at against its seal; None: nothing remains.

    Raises:
        SealError: it is not what was sealed.
        OSError: it cannot be read.
    """
    name = SegmentName.parse(manifest.name)
    if name is None:
        raise SealError(f"an entry names {manifest.name!r:.80}, which is no segment")
    state = known.states.get(manifest.name)
    try:
        if state is None:
            salt = Salt(seals.salt(name).read_bytes())
            found = Remaining.sealed(unpacked(seals.packed(name)), salt)
        elif state.whole:
            return None
        else:
            lines, kept = seals.rest(name, state.number)
            found = Remaining.parse(kept.read_bytes(), unpacked(lines), manifest.records)
    except ValueError as problem:
        raise SealError(f"{manifest.name}: {problem}. {_LOOK}") from problem
    if found.roots() != (manifest.root, manifest.places):
        raise SealError(f"{manifest.name} is not what was sealed. {_LOOK}")
    return found


def lines_there(seals: Seals, known: Known, text: str) -> Iterator[tuple[int, bytes]]:
    """The lines of a segment that are there, each with its index; not looked at against its seal.

    Raises:
        SealError: what an erasure has left does not belong together.
        OSError: they cannot be read.
    """
    name, state = SegmentName.parse(text), known.states.get(text)
    if name is None or (state is not None and state.whole):
        return
    if state is None:
        yield from enumerate(unpacked(seals.packed(name)))
        return
    lines, kept = seals.rest(name, state.number)
    try:
        records = known.manifests[text].records
        found = Remaining.parse(kept.read_bytes(), unpacked(lines), records)
    except RestError as problem:
        raise SealError(f"{text}: {problem}. {_LOOK}") from problem
    yield from sorted(found.lines.items())


_LOOK: Final = "Nothing was erased; `watchhouse log verify` says what was changed."


def erase(  # noqa: PLR0913 - each is a thing of its own, by name
    access: Path,
    seals: Seals,
    signer: Signer,
    wanted: Mapping[str, frozenset[int] | None],
    *,
    now: float,
    rule: str,
    certificate: Callable[[Iterable[str]], str],
    still: Callable[[], bool] = lambda: True,
    known: Known | None = None,
) -> Done:
    """Erase lines.

    Args:
        access: the folder of the plain segments.
        seals: the folder of the seals.
        signer: whose log it is.
        wanted: for each segment, by name, the lines that go, from 0; None: all. At most `MOST`.
        now: seconds since 1970.
        rule: by which they go, in words; no personal data.
        certificate: makes the digest of a list of what went: `SEGMENT ROOT` of what goes whole,
            `SEGMENT INDEX LEAF` of a line.
        still: asked immediately before the signature; False: nothing is erased.
        known: of the erasure before, if there was one.

    Raises:
        SealError: what is there is not what was signed; nothing was erased.
        OSError: something could not be read or written; `finish` puts it right.
        ValueError: too many segments, or a rule that cannot be kept.
    """
    if len(wanted) > MOST or not rule.isprintable() or not 0 < len(rule) <= LONGEST_RULE:
        raise ValueError(f"up to {MOST} segments, by a rule of up to {LONGEST_RULE} characters")
    with seals.locked():
        before = seals.last(signer)
        seals.show()
        known = Known.by(seals, before, known)
        known.in_force(signer)
        last = _last(access, now)
        rests, gone, records = [], list[str](), 0
        waiting = tuple(sorted(n for n in wanted if n not in known.manifests or n in last))
        for text in sorted(wanted.keys() - set(waiting)):
            made = _made(seals, known, text, wanted[text], gone)
            if made is not None:
                state = known.states.get(text)
                records += made.erased - (state.rest.erased if state else 0)
                rests.append(made)
        if not rests:
            return Done(None, waiting, known)
        at = datetime.fromtimestamp(now, UTC).isoformat(timespec="microseconds")
        erasure = Erasure(at, certificate(gone), records, rule, tuple(rests))
        if not still():
            _tidy(access, seals, known)
            return Done(None, waiting, known)
        size = seals.tiles.append(before.size, [erasure.entry()])
        checkpoint = Checkpoint(signer.name, size, seals.tiles.root(size))
        put(seals.signed(size), note_of(str(checkpoint), [signer.sign(str(checkpoint))]).encode())
        seals.show()
        known.erasures.append(erasure)
        known.states = states_of(known.erasures)
        known.checkpoint = checkpoint
        _destroy(access, seals, known, [each.name for each in rests])
        return Done(erasure, waiting, known)


def finish(access: Path, seals: Seals, signer: Signer) -> tuple[Erasure, ...]:
    """Destroy what the log says is erased, and is there all the same.

    Of an erasure that was cut short, or put back from a copy. What was made for an erasure that was
    never signed is removed.

    Returns:
        All erasures of the log.

    Raises:
        SealError: what is there is not what was signed.
        OSError: something could not be removed.
    """
    with seals.locked():
        seals.show()
        known = Known(seals, seals.last(signer))
        _tidy(access, seals, known)
        return tuple(known.erasures)


def _made(
    seals: Seals, known: Known, text: str, lines: frozenset[int] | None, gone: list[str]
) -> Rest | None:
    """Write what remains of a segment; None where there is nothing left to erase."""
    manifest, state = known.manifests[text], known.states.get(text)
    name = SegmentName.parse(text)
    assert name is not None, "it is sealed under it"
    if state is not None and state.whole:
        return None
    if lines is None:
        gone.append(f"{text} {manifest.root}")
        return Rest(text, manifest.records)
    here = remaining_of(seals, manifest, known)
    assert here is not None, "not erased whole"
    going = lines & here.lines.keys()
    if not going:
        return None
    gone += [f"{text} {index} {here.leaf(index).hex()}" for index in sorted(going)]
    rest = here.without(going)
    if not rest.lines:
        return Rest(text, manifest.records)
    # Looked at before it is relied on: what is destroyed cannot be asked again.
    packed, kept = rest.packed(), rest.kept()
    try:
        rest.looked_at()
    except RestError as problem:
        raise SealError(f"{text}: {problem}. {_LOOK}") from problem
    if rest.roots() != (manifest.root, manifest.places):
        raise SealError(f"{text}: what would remain does not prove. {_LOOK}")
    paths = seals.rest(name, state.number + 1 if state else 1)
    put(paths[0], packed)
    put(paths[1], kept)
    return Rest(text, rest.erased, digest(packed), digest(kept))


def _last(access: Path, now: float) -> frozenset[str]:
    """The last segment of each worker, where it may still need it."""
    found: dict[int, SegmentName] = {}
    if access.is_dir():
        for name, path in segments_in(access):
            if path.stat().st_size:
                found[name.worker] = max(name, found.get(name.worker, name))
    return frozenset(str(n) for n in found.values() if n.begins.timestamp() + _STAYS > now)


def must_go(
    access: Path | None, seals: Seals, states: Mapping[str, State], text: str
) -> Iterator[Path]:
    """Files of a segment that must not be there any more, whether they are or not."""
    name, state = SegmentName.parse(text), states.get(text)
    if name is None or state is None:
        return
    yield seals.packed(name)
    yield seals.salt(name)
    stays = () if state.whole else seals.rest(name, state.number)
    for number in range(1, state.number + 1):
        yield from (path for path in seals.rest(name, number) if path not in stays)
    if access is not None:
        plain = access / text
        yield plain
        yield broken_marker(plain)


def _destroy(access: Path, seals: Seals, known: Known, names: Iterable[str]) -> None:
    folders: set[Path] = set()
    beside: dict[str, list[Path]] = {}  # a segment, its mark, and tails that were cut off it
    for path in access.iterdir() if access.is_dir() else ():
        beside.setdefault(path.name.partition(_ENDS)[0] + _ENDS, []).append(path)
    for text in names:
        paths = list(must_go(access, seals, known.states, text))
        if known.states[text].whole:
            paths += beside.get(text, [])
        for path in (*paths, *(path.with_name(path.name + HALF) for path in paths)):
            try:
                path.unlink()
            except FileNotFoundError:
                continue  # it is gone: that is what is wanted
            folders.add(path.parent)
    for folder in sorted(folders):
        sync_directory(folder, os)


def _tidy(access: Path, seals: Seals, known: Known) -> None:
    """What must be gone goes; and what was made for an erasure that was not signed."""
    _destroy(access, seals, known, known.states)
    counted = {
        path
        for text, state in known.states.items()
        if not state.whole and (name := SegmentName.parse(text)) is not None
        for path in seals.rest(name, state.number)
    }
    folders = set()
    for path in (seals.folder / "rest").glob("*/*/*/*"):
        if path not in counted:
            path.unlink()
            folders.add(path.parent)
    for folder in sorted(folders):
        sync_directory(folder, os)
