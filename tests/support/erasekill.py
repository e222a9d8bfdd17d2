"""Kills an erasure at each of its calls to the system, and looks at what is left.

In: a folder to work in. Out: a line of JSON for each call: which it was, what came of it.
Must never: be imported by tests: it forks, which a process with threads must not do.

    python -m support.erasekill FOLDER
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

from proxy_addons.accesslog.seal.erasing import finish
from proxy_addons.accesslog.seal.sealing import Seals
from proxy_addons.accesslog.unpacked import sealed_in, unpacked
from support.erasing import SIGNER, checked, erased, names, octets_of, sealed
from support.sealkill import kill_at


def main(folder: Path) -> None:
    """Try each call, until an erasure comes to its end."""
    base = folder / "base"
    sealed(base, 2, 8)
    first, second, _, fourth = names(base)
    lines_of = {name: (base / "access" / name).read_bytes().splitlines() for name in names(base)}
    erased(base, {fourth: frozenset({3})})
    wanted = {first: None, second: frozenset({1, 2, 5}), fourth: frozenset({3, 4})}
    gone = [
        line
        for name, lines in wanted.items()
        for number, line in enumerate(lines_of[name])
        if lines is None or number in lines
    ]
    stays = sorted(set(_all(base)) - set(gone))
    number = 0
    while True:
        number += 1
        place = folder / "place"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(base, place)
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            kill_at(number, write)
            erased(place, wanted)
            os._exit(0)
        os.close(write)
        _, status = os.waitpid(child, 0)
        with os.fdopen(read) as file:
            call = file.read()
        then = checked(place)
        held = set(stays) <= set(_all(place))
        finish(place / "access", Seals(place / "seals"), SIGNER)
        finished = checked(place)
        left = sum(line in octets_of(place) for line in gone)
        if finished.size == 5:
            erased(place, wanted)
        after = checked(place)
        said = {
            "number": number,
            "call": call,
            "killed": os.WIFSIGNALED(status),
            "size_then": then.size,
            "faults_then": [each.what for each in then.faults],
            "held": held,
            "finished": [finished.size, finished.records, len(finished.faults), left],
            "after": [after.size, after.records, len(after.faults)],
            "left": sum(line in octets_of(place) for line in gone),
            "lines": sorted(_all(place)) == stays,
        }
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()
        if not said["killed"]:
            return


def _all(log: Path) -> list[bytes]:
    return [line for _, path in sealed_in(log / "seals") for line in unpacked(path)]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
