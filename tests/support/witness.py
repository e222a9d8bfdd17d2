"""A real `watchhouse witness`, as a process of its own.

In: a folder, keys of logs. Out: its URL and its key.
Must never: be anything else than the command.
"""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
_MAIN = "import sys; from proxy_addons.cli import main; sys.exit(main())"
NAME = "witness.example/w1"


class WitnessCommand:
    """The command, with its files in a folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.key_file = folder / "witness.key"
        self.state = folder / "state.json"
        self.key = self.run("--make-key", NAME).stdout.strip()

    def arguments(self, *more: str) -> list[str]:
        files = ["--key", str(self.key_file), "--state", str(self.state)]
        return [sys.executable, "-c", _MAIN, "witness", *files, *more]

    def run(self, *more: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            self.arguments(*more), capture_output=True, text=True, check=False, cwd=ROOT, timeout=30
        )

    @contextmanager
    def serving(self, *logs: str) -> Iterator[str]:
        """Its URL, as long as it answers."""
        known = [word for each in logs for word in ("--log", each)]
        process = subprocess.Popen(
            self.arguments(*known, "--listen", "127.0.0.1:0"),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
        )
        try:
            assert process.stdout is not None
            match = re.search(r"http://[0-9.:]+", process.stdout.readline())
            assert match is not None
            yield match[0]
        finally:
            process.terminate()
            process.communicate(timeout=10)
