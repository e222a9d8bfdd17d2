"""Kills a rotation of the key at each of its calls to the system, and looks at what is left.

In: a folder to work in. Out: a line of JSON for each call: which it was, what came of it.
Must never: be imported by tests: it forks, which a process with threads must not do.

    python -m support.rotatekill FOLDER
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from proxy_addons.accesslog.seal.checking import Checked, check
from proxy_addons.accesslog.seal.keychange import KEY_KIND
from proxy_addons.accesslog.seal.keyring import rotate, signer_of
from proxy_addons.accesslog.seal.keys import read
from proxy_addons.accesslog.seal.manifest import parsed
from proxy_addons.accesslog.seal.sealing import Seals, seal
from support.sealkill import NOW, kill_at
from support.segments import hours

if TYPE_CHECKING:
    from proxy_addons.accesslog.seal.notes import Verifier


def sealed(folder: Path, seed: int) -> None:
    """Seal what has ended, as a command does: with the key that is there."""
    chance, seals = random.Random(seed), Seals(folder / "seals")
    signer = signer_of(seals, folder / "keys/seal", lambda: "force.example/log", chance.randbytes)
    seal(folder / "access", seals, signer, now=NOW, entropy=chance.randbytes, software="x")


def rotated(folder: Path, seed: int) -> None:
    """Replace the key."""
    chance = random.Random(seed)
    rotate(
        Seals(folder / "seals"),
        folder / "keys/seal",
        now=NOW,
        entropy=chance.randbytes,
        reason="a test",
    )


def checked(folder: Path, key: Verifier) -> Checked:
    """Check it with the first key."""
    return check(Seals(folder / "seals"), [key], access=folder / "access")


def main(folder: Path) -> None:
    """Try each call, until a rotation comes to its end."""
    base = folder / "base"
    hours(base / "access", 2, 5, workers=1)
    sealed(base, 1)
    first = read(base / "keys/seal").verifier
    number = 0
    while True:
        number += 1
        place = folder / "place"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(base, place)
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            kill_at(number, write_end)
            rotated(place, 2)
            os._exit(0)
        os.close(write_end)
        _, status = os.waitpid(child, 0)
        with os.fdopen(read_end) as file:
            call = file.read()
        killed = os.WIFSIGNALED(status)
        then = checked(place, first)
        hours(place / "access", 3, 5, workers=1)
        sealed(place, 3)
        rotated(place, 4)
        hours(place / "access", 4, 5, workers=1)
        sealed(place, 5)
        after = checked(place, first)
        entries = [parsed(entry) for _, entry in Seals(place / "seals").tiles.entries(after.size)]
        chain = sum(each["kind"] == KEY_KIND for each in entries) + 1
        said = {
            "number": number,
            "call": call,
            "killed": killed,
            "faults_then": [str(each) for each in then.faults],
            "size_then": then.size,
            "size": after.size,
            "faults": [str(each) for each in after.faults],
            "keys": chain,
            "next": (place / "keys/seal.next").exists(),
        }
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()
        if not killed:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
