"""The verifier that stands alone, run on the oldest Python that is here, on many packs at once.

In: paths. Out: exit codes and what it said. Must never: let it import anything of ours.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

from proxy_addons.accesslog.seal import standalone
from support.packs import SIGNER

DRIVER = """
import contextlib, importlib.util, io, json, sys
spec = importlib.util.spec_from_file_location("standalone", sys.argv[1])
alone = importlib.util.module_from_spec(spec); spec.loader.exec_module(alone)
done, (key, *paths) = {}, sys.argv[2:]
for path in paths:
    out, sys.argv[1:] = io.StringIO(), [path, "--key", key]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            done[path] = [alone.main(), ""]
        except BaseException as problem:
            done[path] = [repr(problem), ""]
    done[path][1] = out.getvalue()
print(json.dumps(done))
"""


def oldest() -> str:
    """The oldest Python from 3.9 on; this one where there is no other."""
    found = {
        tuple(int(part) for part in path.name.split(".")[:2]): path / "bin/python3"
        for root in {Path("/root/.pyenv/versions"), Path.home() / ".pyenv/versions"}
        if root.is_dir()
        for path in root.iterdir()
        if path.name[0].isdigit()
    }
    usable = sorted(version for version in found if version >= (3, 9))
    return str(found[usable[0]]) if usable else sys.executable


def alone(paths: list[Path]) -> dict[str, tuple[Any, str]]:
    """Exit code and output of the verifier on each of some packs."""
    done = subprocess.run(
        [oldest(), "-I", "-c", DRIVER, standalone.__file__, str(SIGNER.verifier), *map(str, paths)],
        capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    return {path: (code, said) for path, (code, said) in json.loads(done.stdout).items()}


def verified_alone(pack: Path, key: str) -> tuple[int, str]:
    """What the verifier in the pack says, on the oldest Python here, with nothing of ours."""
    alone = pack.with_name("verify.py")
    with zipfile.ZipFile(pack) as inside:
        alone.write_bytes(inside.read("verify.py"))
    command = [oldest(), "-I", alone.name, pack.name, "--key", key]
    done = subprocess.run(
        command, cwd=pack.parent, capture_output=True, text=True, check=False, env={}
    )
    return done.returncode, done.stdout + done.stderr
