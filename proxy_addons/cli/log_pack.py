"""`watchhouse log verify --pack FILE`: trying an evidence pack.

In: command line. Out: lines for people, or JSON; an exit code.
Must never: take a key out of the pack that it checks; call a pack sound that could not be read.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from proxy_addons.accesslog.seal.notes import Verifier

_OK, _WRONG, _CANNOT = 0, 1, 2


def run_pack(
    pack: Path, keys: Sequence[Verifier], witnesses: Sequence[str], *, as_json: bool
) -> int:
    """Runs it."""
    from proxy_addons.accesslog.seal.notes import NoteError, Verifier
    from proxy_addons.audit.pack.checking import CheckError, check_pack

    try:
        found = check_pack(pack, keys, witnesses=[Verifier.parse(each) for each in witnesses])
    except (CheckError, NoteError) as problem:
        print(f"watchhouse log: cannot be checked: {problem}", file=sys.stderr)
        return _CANNOT
    if as_json:
        print(json.dumps(asdict(found), indent=2))
        return _WRONG if found.faults else _OK
    for fault in found.faults:
        print(f"WRONG  {fault}")
    print(
        f"{found.lines} lines, {found.withheld} withheld; log of {found.size} entries: "
        + (f"{len(found.faults)} things are wrong" if found.faults else "all as it was sealed")
    )
    if not found.faults and found.whole is not None:
        said = found.whole
        who = said.get("person") or said.get("client_ip")
        print(f"complete for {who}, from {said['since']} until before {said['until']}")
        if found.erased:
            print(f"but for {len(found.erased)} segments from which lines were erased")
    elif not found.faults:
        print("nothing is proved about records that are not in the pack")
    return _WRONG if found.faults else _OK
