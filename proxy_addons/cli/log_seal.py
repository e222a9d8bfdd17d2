"""`watchhouse log seal`, `rotate-key` and `verify`: making the log evidence, and trying it.

In: command line, settings; the segments, the seals. Out: lines for people, or JSON; an exit code.
Must never: call a log sound of which a part could not be read; make a new key where one was lost.
"""

from __future__ import annotations

import argparse
import json
import re
import secrets
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from proxy_addons import __version__
from proxy_addons.accesslog.seal.checking import Others, check
from proxy_addons.accesslog.seal.keyring import public_of, rotate, signer_of
from proxy_addons.accesslog.seal.logs import access_of, trail_of
from proxy_addons.accesslog.seal.notes import Checkpoint, NoteError, Verifier, parts_of
from proxy_addons.accesslog.seal.sealing import SealError, Seals, seal
from proxy_addons.accesslog.seal.stamping import StampCheck
from proxy_addons.cli.common import add_common, settings_of
from proxy_addons.cli.log_pack import run_pack

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.accesslog.seal.checking import Checked
    from proxy_addons.accesslog.seal.logs import SealedLog
    from proxy_addons.settings.model import Settings

_OK, _WRONG, _CANNOT = 0, 1, 2
_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `log seal`, `log rotate-key` and `log verify`."""
    sealing = commands.add_parser(
        "seal",
        help="seal the segments that have ended",
        description="Seal the segments that have ended: a compressed copy of each, and one signed"
        " checkpoint over all of them. Exit code 0: done; 1: refused, nothing was sealed.",
    )
    add_common(sealing)
    sealing.add_argument(
        "--origin",
        metavar="NAME",
        help="name of the log, at its first seal: an address without scheme, such as"
        " proxy.force.example/access-log (else log.origin)",
    )
    _add_trail(sealing)
    sealing.set_defaults(run=run_seal)

    rotating = commands.add_parser(
        "rotate-key",
        help="replace the key that the log is sealed with",
        description="Replace the key that the log is sealed with. The log says so in an entry, and"
        " the checkpoint that first contains it is signed with both keys. Exit code 0: done; 1:"
        " refused.",
    )
    add_common(rotating)
    rotating.add_argument(
        "--reason", required=True, help="why, in a line; kept in the log for good: no names"
    )
    _add_trail(rotating)
    rotating.set_defaults(run=run_rotate)

    verify = commands.add_parser(
        "verify",
        help="check that nothing of what was sealed was changed",
        description="Check everything that was sealed, and name each file that is not as it was."
        " Exit code 0: all is as it was sealed; 1: something is not; 2: it cannot be checked.",
    )
    add_common(verify)
    verify.add_argument(
        "--sealed", type=Path, metavar="DIR", help="check this folder, such as a copy"
    )
    verify.add_argument(
        "--key",
        action="append",
        metavar="KEY",
        help="a public key that counts (name+id+key), best kept elsewhere; may be repeated",
    )
    verify.add_argument(
        "--seen",
        type=Path,
        metavar="FILE",
        help="a checkpoint that was kept elsewhere: the log must still begin with it",
    )
    verify.add_argument(
        "--day", type=_day, metavar="YYYY-MM-DD", help="lines of this day (UTC) only"
    )
    verify.add_argument(
        "--witness",
        action="append",
        default=[],
        metavar="KEY",
        help="public key of a witness that must have signed the last checkpoint, or one in the"
        " time of --within; may be repeated",
    )
    verify.add_argument(
        "--within", type=_hours, default=24.0, metavar="HOURS", help="see --witness (24)"
    )
    verify.add_argument(
        "--stamp-roots",
        type=Path,
        metavar="FILE",
        help="certificates (PEM) that time-stamps are checked with; else as in"
        " log.timestamps.certificate",
    )
    _add_trail(verify)
    verify.add_argument("--json", action="store_true", help="the outcome as JSON")
    verify.add_argument("--pack", type=Path, metavar="FILE", help="check this evidence pack")
    verify.set_defaults(run=run_verify)


def _day(text: str) -> str:
    match = _DAY.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; wanted YYYY-MM-DD")
    return "".join(match.groups())


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = -1.0  # reported below
    if not 0 <= hours < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of hours")
    return hours


def _add_trail(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--trail", action="store_true", help="the log of who has looked at the access log, instead"
    )


def _log_of(args: argparse.Namespace, settings: Settings) -> SealedLog:
    return trail_of(settings) if args.trail else access_of(settings)


def _complain(problem: object) -> None:
    print(f"watchhouse log: {problem}", file=sys.stderr)


def run_seal(args: argparse.Namespace) -> int:
    """Runs `log seal`."""
    log = _log_of(args, settings_of(args))
    try:
        if not log.segments.is_dir():
            _complain(f"nothing was sealed: there is no {log.segments}")
            return _WRONG
        signer = signer_of(
            log.seals, log.key, lambda: args.origin or log.named(), secrets.token_bytes
        )
        done = seal(
            log.segments,
            log.seals,
            signer,
            now=time.time(),
            entropy=secrets.token_bytes,
            software=__version__,
        )
    except (SealError, NoteError) as problem:
        _complain(problem)
        return _WRONG
    except OSError as problem:
        _complain(f"nothing was sealed: {problem}")
        return _WRONG
    for each in done.manifests:
        print(f"sealed {each.name}: {each.records} records")
    size = done.checkpoint.size
    print(
        f"{len(done.manifests)} segments sealed, {size} in all; {len(done.waiting)} not ended yet"
    )
    return _OK


def run_rotate(args: argparse.Namespace) -> int:
    """Runs `log rotate-key`."""
    log = _log_of(args, settings_of(args))
    try:
        done = rotate(
            log.seals, log.key, now=time.time(), entropy=secrets.token_bytes, reason=args.reason
        )
    except (SealError, NoteError, ValueError) as problem:
        _complain(problem)
        return _WRONG
    except OSError as problem:
        _complain(f"{problem}. The next seal, or rotate-key, ends or undoes what was begun.")
        return _WRONG
    print(f"the key was replaced; the log has {done.checkpoint.size} entries")
    print(f"old: {done.change.replaces}")
    print(f"new: {done.change.key}")
    print("Give the new one to witnesses and to those who verify; keep a copy of it elsewhere.")
    return _OK


def run_verify(args: argparse.Namespace) -> int:
    """Runs `log verify`."""
    apart = (args.sealed or args.pack) and args.key
    settings = None if apart else settings_of(args)
    log = _log_of(args, settings) if settings is not None else None
    try:
        keys = [Verifier.parse(each) for each in args.key] if args.key else [_key_of(log)]
        seen = Checkpoint.parse(parts_of(args.seen.read_text())[0]) if args.seen else None
        others = _others(args, settings)
    except (OSError, UnicodeDecodeError, ValueError) as problem:
        _complain(f"cannot be checked: {problem}")
        return _CANNOT
    if args.pack:
        return run_pack(args.pack, keys, args.witness, as_json=args.json)
    folder: Path = args.sealed or _present(log).sealed
    access = log.segments if log is not None and not args.sealed else None
    if not folder.is_dir():
        _complain(f"cannot be checked: there is no {folder}; `watchhouse log seal` makes it")
        return _CANNOT
    console = Console(stderr=True)
    with Progress(
        TextColumn("checking segments"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    ) as progress:
        task = progress.add_task("", total=None)

        def told(done: int, whole: int) -> None:
            progress.update(task, completed=done, total=whole)

        found = check(
            Seals(folder),
            keys,
            access=access,
            seen=seen,
            day=args.day or "",
            others=others,
            told=told,
        )
    (_as_json if args.json else _in_words)(found)
    return _WRONG if found.faults else _OK


def _present(log: SealedLog | None) -> SealedLog:
    assert log is not None, "read where it is needed"
    return log


def _key_of(log: SealedLog | None) -> Verifier:
    return Verifier.parse(public_of(_present(log).key).read_text())


def _others(args: argparse.Namespace, settings: Settings | None) -> Others:
    """What others vouch for: as the command line says, else as the settings do."""
    witnesses = [Verifier.parse(each) for each in args.witness]
    roots = args.stamp_roots
    if settings is not None:
        configured = [Verifier.parse(each.key) for each in settings.log.witnesses]
        witnesses = witnesses or configured
        roots = roots or settings.log.timestamps.certificate
    return Others(
        tuple(witnesses),
        oldest=time.time() - args.within * 3600,
        demanded=bool(args.witness),
        stamps=StampCheck.of(roots),
    )


def _in_words(found: Checked) -> None:
    for fault in found.faults:
        print(f"WRONG  {fault}")
    for each in found.witnessed:
        if each.size:
            at = datetime.fromtimestamp(each.at, UTC)
            print(f"{each.by.name} has signed the first {each.size} entries at {at:%F %T} UTC")
    if found.stamps:
        last = found.stamps[-1]
        how = "" if last.proved else "; not proved: no root was named to check it with"
        print(
            f"{len(found.stamps)} time-stamps, the last of {last.size} entries at"
            f" {last.at:%F %T} UTC{how}"
        )
    else:
        print("there are no time-stamps")
    for path in found.left:
        print(f"left behind by a seal that was cut short; it counts for nothing: {path}")
    print(
        f"{found.size} entries signed; lines of {found.segments} segments looked at,"
        f" {found.records} records: "
        + (f"{len(found.faults)} things are wrong" if found.faults else "all as it was sealed")
    )


def _as_json(found: Checked) -> None:
    said = asdict(found) | {
        "witnessed": [
            {"by": str(each.by), "size": each.size, "at": each.at} for each in found.witnessed
        ]
    }
    convert: Callable[[object], str] = str
    print(json.dumps(said, default=convert, indent=2))
