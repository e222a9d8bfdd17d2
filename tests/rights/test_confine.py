"""What a process cannot do any more after `harden`, tried in real processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def python(program: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


STATE = """
import os, resource, sys
from proxy_addons.rights.confine import harden
if sys.argv[1] == "hardened":
    harden()
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
open(sys.argv[2], "x").close()
os.mkdir(sys.argv[2] + ".d")
print(status["NoNewPrivs"].strip(), resource.getrlimit(resource.RLIMIT_CORE)[1] == 0,
      oct(os.stat(sys.argv[2]).st_mode)[-3:], oct(os.stat(sys.argv[2] + ".d").st_mode)[-3:])
import ctypes
print("dumpable", ctypes.CDLL(None).prctl(3))
"""


def test_what_is_given_up(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        hardened = python(STATE, "hardened", str(tmp_path / "one"))
        control = python(STATE, "as it was", str(tmp_path / "two"))
    finally:
        os.umask(before)
    assert hardened == "1 True 640 750\ndumpable 0\n"
    assert "666 777\ndumpable 1\n" in control, "otherwise this would show nothing"


SET_USER_ID = """
import os, subprocess, sys
from proxy_addons.rights.confine import harden
os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
if sys.argv[1] == "hardened":
    harden()
print(subprocess.run([sys.argv[2], "-u"], capture_output=True, text=True).stdout)
"""


@pytest.mark.root
def test_a_set_user_id_program_gives_nothing_back(public: Path) -> None:
    program = public / "who"
    shutil.copyfile("/usr/bin/id", program)
    program.chmod(0o4755)
    if python(SET_USER_ID, "as it was", str(program)).strip() != "0":
        pytest.skip("set-user-id programs have no effect in this temporary folder (nosuid)")
    assert python(SET_USER_ID, "hardened", str(program)).strip() == "65534"
