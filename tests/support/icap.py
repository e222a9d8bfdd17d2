"""c-icap, for real: of the test's own, with its virus scan (which asks a clamd) and its echo.

In: a folder, a clamd. Out: an ICAP server on a port of loopback.
Must never: touch the machine's own c-icap, or survive its test.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proxy_addons.settings import content
from support.force import free_ports
from support.program import Program
from support.waiting import come_about

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.clamd import RunningClamd

_PLACES = "/usr/sbin:/usr/local/sbin:/usr/bin:/bin"
_THREADS = 12
_CONF = """\
PidFile {folder}/pid
CommandsSocket {folder}/c
Timeout 20
KeepAliveTimeout 20
StartServers 1
MaxServers 1
MinSpareThreads 1
MaxSpareThreads 20
ThreadsPerChild {threads}
Port 127.0.0.1:{port}
TmpDir {folder}
MaxMemObject 131072
DebugLevel 1
ModulesDir {modules}
ServicesDir {modules}
TemplateDir /usr/share/c_icap/templates/
LoadMagicFile /etc/c-icap/c-icap.magic
ServerLog {folder}/log
AccessLog {folder}/access
Service echo srv_echo.so
Service antivirus_module virus_scan.so
Module common clamd_mod.so
clamd_mod.ClamdSocket {clamd}
virus_scan.ScanFileTypes {types}
virus_scan.SendPercentData {trickle}
virus_scan.StartSendPercentDataAfter 500K
virus_scan.MaxObjectSize {largest}
virus_scan.DefaultEngine clamd
"""


def _modules() -> Path | None:
    found = list(Path("/usr/lib").glob("*/c_icap/virus_scan.so"))
    return found[0].parent if found else None


def is_installed() -> bool:
    """Whether this machine has a c-icap with its virus scan."""
    return shutil.which("c-icap", path=_PLACES) is not None and _modules() is not None


class RunningIcap(Program):
    """A server; a context manager that starts and ends it.

    Args:
        folder: of its own, with a short path.
        clamd: that its virus scan asks.
        types: kinds of files that it scans; others it lets go after their beginning.
        trickle: per cent of a body that it hands on before it has looked.
        largest: bodies that it scans; larger ones it lets go.
    """

    GROUP = True

    def __init__(
        self,
        folder: Path,
        clamd: RunningClamd,
        *,
        types: str = "TEXT DATA EXECUTABLE ARCHIVE DOCUMENT GRAPHICS STREAM UNKNOWN",
        trickle: int = 0,
        largest: str = "100M",
    ) -> None:
        self.folder = folder
        (self.port,) = free_ports(1)
        self.url = f"icap://127.0.0.1:{self.port}/virus_scan"
        self.echo = f"icap://127.0.0.1:{self.port}/echo"
        (folder / "c-icap.conf").write_text(
            _CONF.format(
                folder=folder, port=self.port, modules=_modules(), clamd=clamd.socket,
                types=types, trickle=trickle, largest=largest, threads=_THREADS,
            )
        )  # fmt: skip

    def settings(self, **changes: Any) -> content.Icap:
        """Settings that reach its virus scan."""
        values: dict[str, Any] = {"url": self.url, "timeout": 10.0}
        return content.Icap(**(values | changes))

    def start(self) -> None:
        """Start it, or start it again."""
        program = shutil.which("c-icap", path=_PLACES)
        assert program, "c-icap is not installed (Debian: c-icap, libc-icap-mod-virus-scan)"
        self._process = subprocess.Popen(
            [program, "-N", "-f", str(self.folder / "c-icap.conf")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # it has children, which must go with it
        )
        come_about(self._answers)

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """All its threads are taken: by clients that have begun to ask and do not go on."""
        with contextlib.ExitStack() as open_ones:
            for _ in range(_THREADS):
                sock = open_ones.enter_context(socket.create_connection(("127.0.0.1", self.port)))
                sock.sendall(b"OPTIONS ")
            yield

    def scanned(self) -> int:
        """How often it was given a body."""
        return (self.folder / "access").read_text().count(" RESPMOD ")

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"c-icap ended by itself:\n{self.log()}"
        with contextlib.suppress(OSError), socket.socket() as sock:
            # Not there yet: asked again.
            sock.settimeout(5)
            sock.connect(("127.0.0.1", self.port))
            sock.sendall(f"OPTIONS {self.url} ICAP/1.0\r\nHost: localhost\r\n\r\n".encode())
            return sock.recv(4096).startswith(b"ICAP/1.0 200 ")
        return False
