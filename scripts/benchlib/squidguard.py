"""squidGuard, the usual helper that decides for Squid: its lists, its policy, its cost.

In: lists in squidGuard layout, a policy as lists in order.
Out: CPU seconds for lines on its standard input, and what it decided.
Must never: count the opening of its databases as deciding.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchlib.place import SideError
from benchlib.side import PATH, AbsentError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

BLOCKED_PAGE = "http://blocked.test/"


@dataclass(frozen=True, slots=True)
class Listed:
    """What the policy says of one list.

    Attributes:
        name: of the list, which is a category.
        blocked: else allowed.
        timed: only within a time space.
    """

    name: str
    blocked: bool
    timed: bool


class SquidGuard:
    """It, set up in a folder.

    Args:
        folder: where its databases are made.
        lists: lists in squidGuard layout; they are copied.
        policy: what it is to do, in order; what is in none of the lists is allowed.
        network: its clients.

    Raises:
        AbsentError: it is not installed.
        SideError: it cannot use the lists.
    """

    def __init__(self, folder: Path, lists: Path, policy: Sequence[Listed], network: str) -> None:
        program = shutil.which("squidGuard", path=PATH)
        if program is None:
            raise AbsentError("squidGuard is not installed (apt-get install squidguard)")
        self._program, self._folder = program, folder
        shutil.copytree(lists, folder / "db")
        (folder / "log").mkdir()
        self._conf = folder / "squidGuard.conf"
        self._conf.write_text(_configuration(folder, policy, network), encoding="utf-8")
        made = self._command("-C", "all")
        ran = subprocess.run(made, capture_output=True, text=True, check=False, timeout=600)
        said = (folder / "log" / "squidGuard.log").read_text(encoding="utf-8", errors="replace")
        if ran.returncode or "emergency mode" in said:
            raise SideError(f"squidGuard -C: {ran.stderr[-500:]} {said[-1000:]}")

    @property
    def conf(self) -> Path:
        """Its configuration."""
        return self._conf

    def version(self) -> str:
        """As it says itself."""
        ran = subprocess.run([self._program, "-v"], capture_output=True, text=True, check=False)
        return (ran.stdout + ran.stderr).strip().splitlines()[0]

    def decide(self, lines: Path, answers: Path) -> tuple[float, float]:
        """Decide every line of a file.

        Returns:
            CPU seconds in user mode and in the kernel, its start with no line taken off.
        """
        nothing = self._run(self._folder / "nothing", self._folder / "no-answers")
        whole = self._run(lines, answers)
        return whole[0] - nothing[0], whole[1] - nothing[1]

    @staticmethod
    def blocked(answers: Path) -> list[bool]:
        """Its answers, line by line."""
        found = answers.read_text(encoding="utf-8", errors="replace").splitlines()
        return [BLOCKED_PAGE in line for line in found]

    def _run(self, lines: Path, answers: Path) -> tuple[float, float]:
        lines.touch()
        with lines.open("rb") as questions, answers.open("wb") as written:
            running = subprocess.Popen(
                self._command(), stdin=questions, stdout=written, stderr=subprocess.DEVNULL
            )
            _, status, used = os.wait4(running.pid, 0)
            running.returncode = os.waitstatus_to_exitcode(status)
        if running.returncode:
            raise SideError(f"squidGuard ended with {running.returncode}")
        return used.ru_utime, used.ru_stime

    def _command(self, *more: str) -> list[str]:
        return [self._program, "-c", str(self._conf), *more]


def _configuration(folder: Path, policy: Sequence[Listed], network: str) -> str:
    parts = [
        f"dbhome {folder}/db",
        f"logdir {folder}/log",
        "time always {",
        "  weekly * 00:00-24:00",
    ]
    parts += ["}", "src people {", f"  ip {network}", "}"]
    for each in policy:
        parts += [f"dest {each.name} {{"]
        for kind in ("domain", "url"):
            if (folder / "db" / each.name / f"{kind}s").exists():
                parts.append(f"  {kind}list {each.name}/{kind}s")
        parts.append("}")
    within = " ".join(_passes(each) for each in policy)
    outside = " ".join(_passes(each) for each in policy if not each.timed)
    redirect = f"redirect {BLOCKED_PAGE}"
    parts += ["acl {", "  people within always {", f"    pass {within} any", f"    {redirect}"]
    parts += ["  } else {", f"    pass {outside} any", f"    {redirect}", "  }"]
    parts += ["  default {", "    pass none", f"    {redirect}", "  }", "}"]
    return "\n".join(parts) + "\n"


def _passes(listed: Listed) -> str:
    return f"!{listed.name}" if listed.blocked else listed.name
