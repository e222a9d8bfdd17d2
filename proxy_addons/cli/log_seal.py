"""`watchhouse log seal` and `watchhouse log verify`: making the access log evidence, and trying it.

In: command line, settings; the segments, the seals. Out: lines for people, or JSON; an exit code.
Must never: call a log sound of which a part could not be read; make a new key where one was lost.
"""

from __future__ import annotations

import argparse
import json
import re
import secrets
import socket
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from proxy_addons import __version__
from proxy_addons.accesslog.seal.checking import check
from proxy_addons.accesslog.seal.files import put
from proxy_addons.accesslog.seal.keys import read_or_make
from proxy_addons.accesslog.seal.notes import Checkpoint, NoteError, Verifier, parts_of
from proxy_addons.accesslog.seal.sealing import SealError, Seals, seal
from proxy_addons.cli.common import add_common, settings_of
from proxy_addons.cli.log_pack import add_arguments, run_pack

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.accesslog.seal.checking import Checked
    from proxy_addons.settings.model import Paths

_OK, _WRONG, _CANNOT = 0, 1, 2
_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
_PUBLIC = ".pub"
_PUBLIC_MODE = 0o444


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `log seal` and `log verify`."""
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
        " proxy.force.example/access-log",
    )
    sealing.set_defaults(run=run_seal)

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
    verify.add_argument("--json", action="store_true", help="the outcome as JSON")
    add_arguments(verify, Path)
    verify.set_defaults(run=run_verify)


def _day(text: str) -> str:
    match = _DAY.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; wanted YYYY-MM-DD")
    return "".join(match.groups())


def _complain(problem: object) -> None:
    print(f"watchhouse log: {problem}", file=sys.stderr)


def run_seal(args: argparse.Namespace) -> int:
    """Runs `log seal`."""
    paths = settings_of(args).paths
    seals = Seals(paths.sealed_dir)
    try:
        if not paths.seal_key.exists() and seals.note():
            _complain(
                f"{paths.seal_key} is gone, and {paths.sealed_dir} was sealed with it. Put it back"
                " from its copy: another key would begin another log."
            )
            return _WRONG
        name = args.origin or f"{socket.getfqdn()}/access-log"
        signer = read_or_make(paths.seal_key, name, secrets.token_bytes)
        public = paths.seal_key.with_name(paths.seal_key.name + _PUBLIC)
        if not public.exists():
            put(public, f"{signer.verifier}\n".encode(), mode=_PUBLIC_MODE)
        done = seal(
            paths.access_log_dir,
            seals,
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


def run_verify(args: argparse.Namespace) -> int:
    """Runs `log verify`."""
    paths = None if (args.sealed or args.pack) and args.key else settings_of(args).paths
    try:
        keys = _keys(args.key, paths)
        seen = Checkpoint.parse(parts_of(args.seen.read_text())[0]) if args.seen else None
    except (OSError, UnicodeDecodeError, NoteError) as problem:
        _complain(f"cannot be checked: {problem}")
        return _CANNOT
    if args.pack:
        return run_pack(args.pack, keys, args.witness, as_json=args.json)
    folder: Path = args.sealed or _paths(paths).sealed_dir
    access = _paths(paths).access_log_dir if paths and not args.sealed else None
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

        found = check(Seals(folder), keys, access=access, seen=seen, day=args.day or "", told=told)
    (_as_json if args.json else _in_words)(found)
    return _WRONG if found.faults else _OK


def _paths(paths: Paths | None) -> Paths:
    assert paths is not None, "read where they are needed"
    return paths


def _keys(named: list[str] | None, paths: Paths | None) -> list[Verifier]:
    if named:
        return [Verifier.parse(each) for each in named]
    path = _paths(paths).seal_key
    return [Verifier.parse(path.with_name(path.name + _PUBLIC).read_text())]


def _in_words(found: Checked) -> None:
    for fault in found.faults:
        print(f"WRONG  {fault}")
    for path in found.left:
        print(f"left behind by a seal that was cut short; it counts for nothing: {path}")
    print(
        f"{found.size} entries signed; lines of {found.segments} segments looked at,"
        f" {found.records} records: "
        + (f"{len(found.faults)} things are wrong" if found.faults else "all as it was sealed")
    )


def _as_json(found: Checked) -> None:
    said = asdict(found)
    convert: Callable[[object], str] = str
    print(json.dumps(said, default=convert, indent=2))
