"""`watchhouse witness`: sign the checkpoints of a log that runs elsewhere, while it only grows.

In: a key, the file of what was seen, public keys of logs. Out: a server until Ctrl-C or SIGTERM.
Must never: start without what was seen before; run where the log itself is (it would prove nothing,
which is said, not enforced).
"""

from __future__ import annotations

import argparse
import logging
import secrets
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from proxy_addons.accesslog.seal.files import put
from proxy_addons.accesslog.seal.keys import MODE, SEED, read, written
from proxy_addons.accesslog.seal.notes import (
    COSIGNATURE,
    ED25519,
    NoteError,
    Signer,
    Verifier,
)
from proxy_addons.settings.netkinds import Address

if TYPE_CHECKING:
    from proxy_addons.cli.subcommands import Commands
    from proxy_addons.settings.model import Endpoint

_OK, _CANNOT, _USAGE = 0, 1, 2


def register(subparsers: Commands) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "witness",
        help="sign the checkpoints of a log that runs elsewhere",
        description="Answers C2SP tlog-witness requests: signs a checkpoint of a known log when it"
        " goes on from the last one, and keeps nothing but that. Runs on a machine that the"
        " operators of the log have no hand in. Needs no configuration.",
    )
    parser.add_argument("--key", type=Path, required=True, metavar="FILE", help="its private key")
    parser.add_argument(
        "--state", type=Path, required=True, metavar="FILE", help="what it has signed last"
    )
    parser.add_argument(
        "--make-key",
        metavar="NAME",
        help="make the key, and the file of what was signed; print the public key; end. NAME is"
        " like an address without scheme: witness.example",
    )
    parser.add_argument(
        "--log",
        action="append",
        default=[],
        metavar="KEY",
        help="public key of a log (name+id+key); may be repeated, also for one log",
    )
    parser.add_argument(
        "--listen",
        type=_address,
        metavar="HOST:PORT",
        default="127.0.0.1:8090",
        help="where it answers (127.0.0.1:8090); TLS is a matter of what stands before it",
    )
    parser.set_defaults(run=run)


def _address(text: str) -> Endpoint:
    try:
        return Address(first_port=0).parse(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(f"{text!r}: {problem}") from problem


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from proxy_addons.accesslog.witness.store import StoreError

    try:
        if args.make_key:
            return _make(args.key, args.state, args.make_key)
        if not args.log:
            _complain("which log? Give its public key with --log")
            return _USAGE
        logs = [Verifier.parse(each) for each in args.log]
        if wrong := [each for each in logs if each.kind != ED25519]:
            _complain(f"{wrong[0].name}: not the key of a log")
            return _USAGE
        signer = read(args.key)
        if signer.kind != COSIGNATURE:
            _complain(f"{args.key}: not the key of a witness; --make-key makes one")
            return _CANNOT
        return _serve(args, signer, logs)
    except (OSError, NoteError, StoreError) as problem:
        # Nothing is answered yet, or no more.
        _complain(problem)
        return _CANNOT


def _make(key: Path, state: Path, name: str) -> int:
    from proxy_addons.accesslog.witness.store import Store

    if key.exists():
        _complain(f"{key} is there already; a key is never replaced")
        return _CANNOT
    signer = Signer(name, secrets.token_bytes(SEED), COSIGNATURE)
    public = str(signer.verifier)  # refuses a name that cannot be
    Store.make(state)
    put(key, written(signer).encode("ascii"), mode=MODE)
    print(public)
    return _OK


def _serve(args: argparse.Namespace, signer: Signer, logs: list[Verifier]) -> int:
    from aiohttp import web

    from proxy_addons.accesslog.witness.server import Witness
    from proxy_addons.accesslog.witness.store import Store
    from proxy_addons.rights.confine import harden

    logging.basicConfig(level=logging.INFO, format="witness: %(message)s")
    logging.getLogger("aiohttp").setLevel(logging.ERROR)
    where: Endpoint = args.listen
    with Store(args.state) as store:

        def told(*said: object) -> None:
            print(*said, flush=True)

        harden()  # once it is to serve: this process is the witness from here on
        web.run_app(
            Witness(signer, logs, store, time.time).app(),
            host=where.host,
            port=where.port,
            access_log=None,
            print=told,
        )
    return _OK


def _complain(problem: object) -> None:
    print(f"watchhouse witness: {problem}", file=sys.stderr)
