"""rsyslogd, for real: a syslog receiver of the test's own, by TLS.

In: a folder, a certificate. Out: a receiver on a port of loopback, and the lines that it wrote.
Must never: touch the machine's own syslog, or survive its test.
"""

from __future__ import annotations

import random
import re
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING

from support.program import Program
from support.waiting import come_about

if TYPE_CHECKING:
    from pathlib import Path

_PLACES = "/usr/sbin:/usr/local/sbin:/usr/bin:/bin"
_CONF = """\
global(workDirectory="{folder}" maxMessageSize="64k"
  DefaultNetstreamDriver="{driver}" DefaultNetstreamDriverCAFile="{authority}"
  DefaultNetstreamDriverCertFile="{leaf}" DefaultNetstreamDriverKeyFile="{leaf}")
module(load="imtcp" StreamDriver.Name="{driver}" StreamDriver.Mode="1"
  StreamDriver.AuthMode="anon" MaxSessions="20")
template(name="kept" type="string" string="%structured-data%\\t%msg%\\n")
ruleset(name="all") {{ action(type="omfile" file="{folder}/kept" template="kept") }}
input(type="imtcp" port="{port}" address="127.0.0.1" ruleset="all")
"""
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


def port_apart() -> int:
    """A port of loopback that nobody listens on, and that the kernel gives nobody who asks for any.

    rsyslogd binds it some time later, and again each time it is started: one that was found by
    asking for any may be another test's by then, which hangs up on whoever speaks TLS to it.
    """
    chance = random.SystemRandom()
    while True:
        port = chance.randrange(10_000, 32_000)  # outgoing ones begin at 32,768
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue  # it is somebody's
            return port


class Rsyslog(Program):
    """One.

    Args:
        folder: its files go here.
        leaf: its key and certificate, PEM.
        authority: that signed it.
        port: it listens on.
        driver: `ossl` or `gtls`.
    """

    def __init__(
        self, folder: Path, leaf: Path, authority: Path, port: int, driver: str = "ossl"
    ) -> None:
        self.folder = folder
        self.port = port
        folder.mkdir(parents=True, exist_ok=True)
        self._conf = folder / "rsyslog.conf"
        self._conf.write_text(
            _CONF.format(folder=folder, leaf=leaf, authority=authority, port=port, driver=driver)
        )

    def start(self) -> None:
        """Start it, or start it again."""
        program = shutil.which("rsyslogd", path=_PLACES)
        assert program, "rsyslogd is not installed: scripts/test does it"
        (self.folder / "pid").unlink(missing_ok=True)
        with (self.folder / "said").open("ab") as said:
            self._process = subprocess.Popen(
                [program, "-n", "-f", self._conf, "-i", self.folder / "pid"],
                stdout=subprocess.DEVNULL,
                stderr=said,
            )
        come_about(self._listens)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        """As an operator does."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(10)
        self._process = None

    def kept(self) -> list[dict[str, str]]:
        """The structured data of each message that it wrote, and under `msg` the message."""
        found = []
        file = self.folder / "kept"
        for line in file.read_text().splitlines() if file.exists() else ():
            data, _, message = line.partition("\t")
            found.append({**dict(_PARAMETER.findall(data)), "msg": message})
        return found
