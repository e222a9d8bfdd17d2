"""squidGuard and ours on the same lists: one configuration, and its translation.

In: lists; lines. Out: for each line whether it is refused; CPU seconds.
Must never: write our configuration by hand: it is what `watchhouse import-squidguard` makes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path, PurePosixPath

SQUIDGUARD = "/usr/bin/squidGuard"
ZONE = "Europe/London"
BLOCKED = "302:http://blocked.test/"
KINDS = ("domains", "urls", "expressions")
# A Tuesday: within and without the time spaces, and a Sunday.
TIMES = ("2026-11-24T10:30:00", "2026-11-24T12:15:00", "2026-11-22T09:30:00")
_OURS = "import sys; from proxy_addons.cli import main; sys.exit(main())"


class AgreeError(Exception):
    """A side cannot be run; the text says why."""


def unpack(archive: Path, folder: Path) -> list[str]:
    """Take all categories out of an archive, links left out; their names."""
    names: set[str] = set()
    with tarfile.open(archive) as tar:
        for member in tar:
            path = PurePosixPath(member.name)
            if member.isfile() and path.name in KINDS and len(path.parts) > 1:
                content = tar.extractfile(member)
                assert content is not None  # it is a file
                category = path.parent.name
                (folder / category).mkdir(parents=True, exist_ok=True)
                (folder / category / path.name).write_bytes(content.read())
                names.add(category)
    return sorted(names)


def configuration(lists: Path, logs: Path, network: str) -> str:
    """A squidGuard.conf over all categories: sources, times, users, addresses, an else."""
    names = sorted(path.name for path in lists.iterdir() if path.is_dir())
    blocked = [f"!{name}" for place, name in enumerate(names) if place % 3]
    some = [f"!{name}" for place, name in enumerate(names) if place % 5 == 0]
    allowed = [name for place, name in enumerate(names) if place % 4 == 1]
    lines = [
        f"dbhome {lists}",
        f"logdir {logs}",
        "",
        "time office {",
        "  weekly mtwhf 08:00-12:00 13:00 - 17:30   # lunch between",
        "  weekly saturdays 09:00-12:00",
        "}",
        "time lunch {",
        "  weekly * 12:00-13:00",
        "}",
        "",
        "src heads {",
        "  user heads Sample.Person",
        f"  ip {network}.1.0.0/16 {network}.4.0.0-{network}.4.255.255",
        "}",
        "src desk {",
        f"  ip {network}.1.0.0/255.255.0.0",
        "}",
        "src hall {",
        f"  ip {network}.2.0.0/16",
        "  outside office",
        "}",
        "src yard {",
        f"  ip {network}.2.0.0-{network}.3.255.255",
        "}",
        "",
    ]
    for place, name in enumerate(names):
        lines.append(f"dest {name} {{")
        files = [lists / name / kind for kind in KINDS]
        lines += [
            f"  {file.name[:-1]}list {name}/{file.name}"
            for file in files
            if file.exists() and file.stat().st_size
        ]
        if place % 11 == 5:
            lines.append("  outside lunch")
        lines.append("}")
    lines += [
        "acl {",
        "  heads {",
        f"    pass {' '.join(some)} any",
        "  }",
        "  desk within office {",
        f"    pass !in-addr {' '.join(blocked)} all",
        "  } else {",
        f"    pass {' '.join(some)} any",
        "  }",
        "  hall {",
        f"    pass {' '.join(allowed)} {' '.join(blocked)} any",
        "  }",
        "  yard outside lunch {",
        f"    pass {' '.join(allowed)} in-addr none",
        "  }",
        "  default {",
        f"    pass {' '.join(blocked)} !in-addr any",
        f"    redirect {BLOCKED}",
        "  }",
        "}",
    ]
    return "\n".join(lines) + "\n"


class Sides:
    """Both, set up in a folder.

    Args:
        folder: where; it is there.
        network: beginning of clients' addresses.

    Raises:
        AgreeError: one of them cannot be set up.
    """

    def __init__(self, folder: Path, network: str) -> None:
        if shutil.which(SQUIDGUARD) is None:
            raise AgreeError("squidGuard is not installed (apt-get install squidguard)")
        self.lists, logs = folder / "lists", folder / f"log-{network}"
        logs.mkdir()
        self.conf = folder / f"squidGuard-{network}.conf"
        self.conf.write_text(configuration(self.lists, logs, network), encoding="utf-8")
        made = self._run([SQUIDGUARD, "-c", str(self.conf), "-C", "all"])
        said = (logs / "squidGuard.log").read_text(encoding="utf-8", errors="replace")
        if made.returncode or "emergency" in said or "FATAL" in said:
            raise AgreeError(f"squidGuard -C: {made.stderr[-500:]} {said[-1000:]}")
        self.ours = folder / f"ours-{network}"
        command = [sys.executable, "-c", _OURS, "import-squidguard", str(self.conf)]
        command += ["--to", str(self.ours), "--time-zone", ZONE]
        translated = self._run(command)
        self.said = translated.stdout
        if translated.returncode not in {0, 3}:
            raise AgreeError(f"import-squidguard: {translated.stderr[-2000:]}")

    def commands(self, at: str | None) -> dict[str, list[str]]:
        """How each is started; at a moment in place of the present one."""
        theirs = [SQUIDGUARD, "-c", str(self.conf)]
        ours = [sys.executable, "-c", _OURS, "decide", "--config", str(self.ours / "config")]
        ours += ["--people", str(self.ours / "config" / "people.yaml"), "--redirect", BLOCKED]
        if at is not None:
            theirs += ["-t", at]
            ours += ["--at", at]
        return {"squidGuard": theirs, "ours": ours}

    def ask(self, side: str, lines: list[str], at: str | None) -> tuple[list[str], float]:
        """The answers of one, and its CPU seconds."""
        text = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
        before = os.times()
        ran = subprocess.run(
            self.commands(at)[side],
            input=text,
            capture_output=True,
            check=False,
            timeout=1200,
            env=self._environ(),
        )
        after = os.times()
        if ran.returncode:
            raise AgreeError(f"{side}: {ran.stderr[-1500:]!r}")
        spent = after.children_user + after.children_system
        spent -= before.children_user + before.children_system
        answers = ran.stdout.decode("latin-1").split("\n")[:-1]
        if len(answers) != len(lines):
            raise AgreeError(f"{side}: {len(answers)} answers to {len(lines)} lines")
        return answers, spent

    @staticmethod
    def _environ() -> dict[str, str]:
        return {**os.environ, "TZ": ZONE}

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=1200, env=self._environ()
        )


def refused(answer: str) -> bool:
    """Whether an answer leads elsewhere."""
    return "blocked.test" in answer
