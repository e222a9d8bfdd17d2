"""Kills a seal at each of its calls to the system, one after the other, and looks at what is left.

In: a folder to work in. Out: a line of JSON for each call: which it was, what came of it.
Must never: be imported by tests: it forks, which a process with threads must not do.

    python -m support.sealkill FOLDER
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proxy_addons.accesslog.seal.checking import check
from proxy_addons.accesslog.seal.notes import Signer
from proxy_addons.accesslog.seal.sealing import Seals, seal
from support.segments import hours

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = 1_795_262_700.0  # 2026-11-21 12:05 UTC
SIGNER = Signer("force.example/access-log", bytes(range(32)))
CALLS = ("open", "write", "fsync", "close", "fchmod", "rename", "mkdir", "chmod", "unlink")


def sealed(folder: Path, seed: int) -> int:
    """Seal what has ended; the size then."""
    done = seal(
        folder / "access",
        Seals(folder / "seals"),
        SIGNER,
        now=NOW,
        entropy=random.Random(seed).randbytes,
        software="x",
    )
    return done.checkpoint.size


def kill_at(number: int, said: int) -> None:
    """From here on, end this process at its so manieth call, before or after it is done."""
    left = [number]

    def counting(module: Any, name: str) -> None:
        real: Callable[..., Any] = getattr(module, name)

        def call(*args: Any, **more: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                real_write(said, name.encode())
                if name == "write" and len(args[1]) > 1:
                    real(args[0], args[1][: len(args[1]) // 2])  # half of it is there
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **more)

        setattr(module, name, call)

    real_write = os.write
    for name in CALLS:
        counting(os, name)
    counting(fcntl, "flock")


def main(folder: Path) -> None:
    """Try each call, until a seal comes to its end."""
    base = folder / "base"
    hours(base / "access", 1, 30)
    assert sealed(base, 1) == 2
    hours(base / "access", 3, 30)
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
            sealed(place, 2)
            os._exit(0)
        os.close(write)
        _, status = os.waitpid(child, 0)
        with os.fdopen(read) as file:
            call = file.read()
        killed = os.WIFSIGNALED(status)
        then = check(Seals(place / "seals"), [SIGNER.verifier], access=place / "access")
        signed = sorted(path.name for path in (place / "seals/checkpoints").glob("*/0*[0-9]"))
        size = sealed(place, 3)
        after = check(Seals(place / "seals"), [SIGNER.verifier], access=place / "access")
        kept = sorted(path.name for path in (place / "seals/checkpoints").glob("*/0*[0-9]"))
        said = {
            "number": number,
            "call": call,
            "killed": killed,
            "faults_then": [str(each) for each in then.faults],
            "size_then": then.size,
            "size": size,
            "records": after.records,
            "faults": [str(each) for each in after.faults],
            "kept": set(signed) <= set(kept),
        }
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()
        if not killed:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
