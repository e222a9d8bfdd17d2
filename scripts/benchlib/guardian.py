"""E2Guardian in plain HTTP, with the content scanning that its package comes with.

In: the run's place and origin. Out: a running E2Guardian.
Must never: change the machine's own configuration in /etc: the run's is a copy.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, override

from benchlib.side import PATH, AbsentError, Side, plain_environment

if TYPE_CHECKING:
    from benchlib.origin import Origin
    from benchlib.place import Place, Program

PACKAGED = Path("/etc/e2guardian")


class E2Guardian(Side):
    """E2Guardian as packaged: phrase lists weighed in every page, its log on, TLS not touched.

    TLS inspection is off in its packaged configuration, so that it is measured in plain HTTP only,
    also where the others inspect: what it is spared there counts in its favour.
    """

    name = "e2guardian"
    what = "packaged configuration: content scanning by weighted phrases, log on; plain HTTP only"
    log_files = "access.log"
    inspects = False
    # It writes head and body of an answer apart, without TCP_NODELAY: the second waits for the
    # client's delayed acknowledgement, 40 ms. That is no CPU, but it takes its time.
    share = 0.2
    # What is set beyond its packaged configuration, for a measurement of its own.
    extra: ClassVar[dict[str, str]] = {}

    @property
    @override
    def ca_file(self) -> Path | None:
        return None

    @override
    def installed(self) -> str:
        if not PACKAGED.is_dir():
            raise AbsentError("not installed (apt-get install e2guardian)")
        shown = subprocess.run(
            [self._program(), "-v"], capture_output=True, text=True, check=False
        ).stdout
        found = re.search(r"\d+(?:\.\d+)+", shown)
        return found[0] if found else "of unknown version"

    @override
    def start(self, place: Place, origin: Origin) -> Program:
        folder = self.folder / "etc"
        shutil.copytree(PACKAGED, folder, symlinks=True)
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                text = path.read_bytes()
                path.write_bytes(text.replace(str(PACKAGED).encode(), str(folder).encode()))
        main = folder / "e2guardian.conf"
        host, port = self.address
        settings = {
            "filterip": host,
            "filterports": str(port),
            "nodaemon": "on",
            "loglocation": f"'{self.folder}/access.log'",
            "pidfilename": f"'{self.folder}/e2guardian.pid'",
            "ipcfilename": f"'{self.folder}/ipc'",
            "urlipcfilename": f"'{self.folder}/urlipc'",
            "filecachedir": f"'{self.folder}'",
            **{key: value.format(folder=folder) for key, value in self.extra.items()},
        }
        lines = [
            line
            for line in main.read_text(encoding="latin-1").splitlines()
            if line.split("=")[0].strip() not in settings
        ]
        lines += [f"{key} = {value}" for key, value in settings.items()]
        main.write_text("\n".join(lines) + "\n", encoding="latin-1")
        self.configure(folder)
        # It drops to a user of its own, who must reach its copy and write its log.
        self.folder.chmod(0o777)
        for path in folder.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        command = [self._program(), "-N", "-c", str(main)]
        return place.start(self.name, command, proxy=True, environ=plain_environment())

    def configure(self, folder: Path) -> None:
        """Change more in this run's copy of the configuration, for a measurement of its own."""

    @staticmethod
    def _program() -> str:
        program = shutil.which("e2guardian", path=PATH)
        if program is None:
            raise AbsentError("not installed (apt-get install e2guardian)")
        return program
