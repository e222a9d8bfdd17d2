"""`watchhouse log verifier`: the verifier that needs nothing of ours, for another machine.

In: which one. Out: its text on standard output, and nothing else there.
Must never: need a configuration: whoever prints it may have none; change an octet of it.
"""

from __future__ import annotations

import hashlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

_OK = 0
_OF = ("pack", "seals")  # standalone/shipped.py, which is not read for each command


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `log verifier`."""
    parser = commands.add_parser(
        "verifier",
        help="print the verifier that runs without Watchhouse",
        description="Print the verifier for those who are not to trust Watchhouse: one file for"
        " Python 3.9 or later, without network and without anything else. Its SHA-256 goes to"
        " standard error. `watchhouse log verifier > verify.py`, then `python3 -I verify.py -h`.",
    )
    parser.add_argument(
        "--of",
        choices=_OF,
        default="pack",
        help="what it checks: an evidence pack that was unpacked (this one is in each pack, too),"
        " or a folder of seals, such as a copy of data_dir/log/sealed (pack)",
    )
    parser.set_defaults(run=run_verifier)


def run_verifier(args: argparse.Namespace) -> int:
    """Runs `log verifier`."""
    from proxy_addons.accesslog.seal.standalone.shipped import shipped

    octets = shipped(args.of).encode()
    sys.stdout.flush()
    # The same octets on every system: no other newlines, no other encoding.
    sys.stdout.buffer.write(octets)
    print(f"SHA-256 {hashlib.sha256(octets).hexdigest()}", file=sys.stderr)
    return _OK
