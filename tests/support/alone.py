"""The verifiers that stand alone, run on the oldest Python that is here, on many folders at once.

In: paths. Out: exit codes and what they said. Must never: let them import anything of ours.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

from proxy_addons.accesslog.seal.standalone.shipped import shipped
from support.packs import SIGNER

DRIVER = """
import contextlib, io, json, sys
done, (file, key, *paths) = {}, sys.argv[1:]
code = compile(open(file, encoding="utf-8").read(), file, "exec")
for path in paths:
    out, sys.argv[1:] = io.StringIO(), [path, "--key", key]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            exec(code, {"__name__": "__main__"})
        except SystemExit as end:
            done[path] = [end.code, out.getvalue()]
        except BaseException as problem:
            done[path] = [repr(problem), out.getvalue()]
print(json.dumps(done))
"""


def oldest() -> str:
    """The oldest Python from 3.9 on; this one where there is no other."""
    return pythons()[0]


@cache
def pythons() -> list[str]:
    """Every Python from 3.9 on, the oldest first; this one where there is no other."""
    found = {
        tuple(int(part) for part in path.name.split(".")[:2]): str(path / "bin/python3")
        for root in {Path("/root/.pyenv/versions"), Path.home() / ".pyenv/versions"}
        if root.is_dir()
        for path in root.iterdir()
        if path.name[0].isdigit()
    }
    return [found[each] for each in sorted(found) if each >= (3, 9)] or [sys.executable]


def unpacked(pack: Path) -> Path:
    """A folder beside a pack with what is in it, as whoever checks it has it."""
    folder = pack.with_name(f"{pack.name}.d")
    with zipfile.ZipFile(pack) as inside:
        inside.extractall(folder)
    return folder


def alone(paths: list[Path], of: str = "seals") -> dict[str, tuple[Any, str]]:
    """Exit code and output of a verifier on each of some folders; packs are unpacked before."""
    folders = {str(unpacked(path) if of == "pack" else path): str(path) for path in paths}
    with tempfile.TemporaryDirectory() as place:
        verifier = Path(place, "verify.py")
        verifier.write_text(shipped(of), "utf-8")
        done = subprocess.run(
            [oldest(), "-I", "-c", DRIVER, str(verifier), str(SIGNER.verifier), *folders],
            capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin"},
        )  # fmt: skip
    said = json.loads(done.stdout)
    return {folders[folder]: (code, text) for folder, (code, text) in said.items()}


def verified_alone(pack: Path, key: str, *more: str) -> tuple[int, str]:
    """What the verifier in a pack says, on the oldest Python here, with nothing of ours."""
    command = [oldest(), "-I", "verify.py", ".", "--key", key, *more]
    done = subprocess.run(
        command, cwd=unpacked(pack), capture_output=True, text=True, check=False, env={}
    )
    return done.returncode, done.stdout + done.stderr
