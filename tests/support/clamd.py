"""ClamAV's daemon, for real: of the test's own, with a signature file of a few lines.

In: a folder. Out: a clamd on a Unix socket and on a port of loopback.
Must never: touch the machine's own clamd, its signatures or its folders, or survive its test.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING, Any

from proxy_addons.settings import content
from support.eicar import EICAR
from support.force import free_ports
from support.program import Program
from support.waiting import come_about

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PLACES = "/usr/sbin:/usr/local/sbin:/usr/bin:/bin"
VIRUS = "Eicar-Test-Signature.UNOFFICIAL"
MARKER = b"watchhouse test virus 7b1d3a90"
"""Another virus, which may be anywhere in a file."""
MARKER_VIRUS = "Watchhouse.Test.Marker.UNOFFICIAL"

_ALWAYS = {
    "Foreground": "yes",
    "AlertExceedsMax": "yes",
    "Bytecode": "no",
    "SelfCheck": "0",
    "MaxThreads": "4",
    "ExtendedDetectionInfo": "no",
}


def _name(virus: str) -> str:
    """As a signature file has it: clamd adds that it is nobody's official one."""
    return virus.removesuffix(".UNOFFICIAL")


def is_installed() -> bool:
    """Whether this machine has a clamd."""
    return shutil.which("clamd", path=_PLACES) is not None


class RunningClamd(Program):
    """A server; a context manager that starts and ends it.

    Args:
        folder: of its own; its path must be short (a Unix socket is in it).
        options: of clamd.conf, besides or instead of the usual ones.

    Attributes:
        unix: the server as `content.clamd.servers` names it, by its Unix socket.
        tcp: and by its port.
    """

    def __init__(self, folder: Path, **options: str) -> None:
        self.folder = folder
        (self.port,) = free_ports(1)
        self.socket = folder / "s"
        self.unix = f"unix:{self.socket}"
        self.tcp = f"127.0.0.1:{self.port}"
        (folder / "db").mkdir(exist_ok=True)
        (folder / "tmp").mkdir(exist_ok=True)
        (folder / "db/test.ndb").write_text(
            f"{_name(VIRUS)}:0:*:{EICAR.hex()}\n{_name(MARKER_VIRUS)}:0:*:{MARKER.hex()}\n"
        )
        always = _ALWAYS | {
            "LocalSocket": str(self.socket),
            "TCPSocket": str(self.port),
            "TCPAddr": "127.0.0.1",
            "DatabaseDirectory": str(folder / "db"),
            "TemporaryDirectory": str(folder / "tmp"),
            "LogFile": str(folder / "log"),
        }
        lines = [f"{key} {value}\n" for key, value in (always | options).items()]
        (folder / "clamd.conf").write_text("".join(lines))

    def settings(self, **changes: Any) -> content.Clamd:
        """Settings that reach it by its Unix socket."""
        values: dict[str, Any] = {"servers": (self.unix,), "timeout": 10.0}
        return content.Clamd(**(values | changes))

    def start(self) -> None:
        """Start it, or start it again."""
        program = shutil.which("clamd", path=_PLACES)
        assert program, "clamd is not installed (Debian: clamav-daemon)"
        self.socket.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [program, "--config-file", str(self.folder / "clamd.conf")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        come_about(self._answers)

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """Nobody gets a connection any more: it answers nothing, and its queue is at its limit.

        It must have been started with `MaxConnectionQueueLength="1"`.
        """
        self.stall()
        try:
            with contextlib.ExitStack() as open_ones:
                for address in (str(self.socket), ("127.0.0.1", self.port)):
                    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
                    for _ in range(10):
                        sock = open_ones.enter_context(socket.socket(family))
                        sock.setblocking(False)  # noqa: FBT003 - takes no name
                        with contextlib.suppress(BlockingIOError):
                            sock.connect(address)
                yield
        finally:
            self.resume()

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"clamd ended by itself:\n{self.log()}"
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as sock:
            # Not there yet: asked again.
            sock.settimeout(5)
            sock.connect(str(self.socket))
            sock.sendall(b"zPING\0")
            return sock.recv(16) == b"PONG\0"
        return False
