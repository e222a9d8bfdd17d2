"""Where a run happens: its folder, its network, its cores, and the programs it starts.

In: nothing. Out: `Place`, through which everything is started and which ends everything.
Must never: leave a program running, touch a program it did not start, or change the machine.

As root, scripts/bench has put us into namespaces of our own (WATCHHOUSE_BENCH_PRIVATE): there the
loopback device is down, nobody listens, and /etc/resolv.conf may be covered by one of ours.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1
SMALL_MACHINE = 2


class SideError(Exception):
    """A program did not start, or ended by itself; the message says what it printed last."""


class Place:
    """One run's folder, cores and programs. Use as a context manager."""

    def __init__(self, *, keep: bool = False) -> None:
        self.private = os.environ.get("WATCHHOUSE_BENCH_PRIVATE") == "1"
        self.keep = keep
        self.folder = Path(tempfile.mkdtemp(prefix="watchhouse-bench-"))
        # Squid and nginx drop to users of their own and must reach their folders in here.
        self.folder.chmod(0o755)
        cores = sorted(os.sched_getaffinity(0))
        self.pinned = len(cores) >= SMALL_MACHINE
        self.load_cores = {cores[-1]}
        self.proxy_cores = {cores[0]}
        self.all_cores = set(cores)
        self.python = sys.executable
        self.started: list[Program] = []

    def __enter__(self) -> Self:
        if self.private:
            _loopback_up()
        if self.pinned:
            os.sched_setaffinity(0, self.load_cores)
        return self

    def __exit__(self, *_: object) -> None:
        for program in reversed(self.started):
            program.stop()
        if self.keep:
            print(f"kept: {self.folder}", file=sys.stderr)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def subfolder(self, name: str, user: str | None = None) -> Path:
        """A new folder in the run's own, handed to `user` where we may."""
        path = self.folder / name
        path.mkdir()
        if user and os.geteuid() == 0:
            shutil.chown(path, user)
        return path

    def use_name_server(self, address: str) -> None:
        """Cover /etc/resolv.conf, in our mount namespace only."""
        path = self.folder / "resolv.conf"
        path.write_text(f"nameserver {address}\noptions timeout:2\n")
        subprocess.run(["mount", "--bind", str(path), "/etc/resolv.conf"], check=True)

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        proxy: bool = False,
        environ: dict[str, str] | None = None,
        cores: set[int] | None = None,
    ) -> Program:
        """Start a program in a session of its own, on the proxies' core or on the others'.

        Args:
            name: of its output file.
            command: the program and its arguments.
            proxy: it belongs to a side.
            environ: its environment; None for ours.
            cores: where it is to run instead.
        """
        program = Program(name, [str(part) for part in command], self.folder / f"{name}.out")
        with self.on(cores or (self.proxy_cores if proxy else self.load_cores)):
            program.start(environ)
        self.started.append(program)
        return program

    @contextlib.contextmanager
    def on(self, cores: set[int]) -> Iterator[None]:
        """What is started inside inherits these cores."""
        if not self.pinned:
            yield
            return
        os.sched_setaffinity(0, cores)
        try:
            yield
        finally:
            os.sched_setaffinity(0, self.load_cores)


class Program:
    """A program that was started, and what it prints."""

    def __init__(self, name: str, command: list[str], output: Path) -> None:
        self.name, self.command, self.output = name, command, output
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, environ: dict[str, str] | None) -> None:
        """Start it as leader of its own session, so that one signal reaches all its helpers.

        Raises:
            SideError: it cannot be started at all.
        """
        with self.output.open("wb") as output:
            try:
                self._process = subprocess.Popen(
                    self.command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=environ,
                    start_new_session=True,
                )
            except OSError as error:
                raise SideError(f"{self.name} cannot be started: {error}") from error

    @property
    def pid(self) -> int:
        """The first process's id, which is also its session's."""
        if self._process is None:
            raise SideError(f"{self.name} was not started")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process is not None and self._process.poll() is None

    def check(self) -> None:
        """Raise `SideError` if it has ended."""
        if not self.running:
            raise SideError(f"{self.name} has ended; it printed:\n{self.last_words()}")

    def last_words(self) -> str:
        """The end of what it printed."""
        return self.output.read_text(errors="replace")[-2000:].strip() or "(nothing)"

    def await_port(self, address: tuple[str, int], seconds: float = 60) -> None:
        """Wait until it accepts connections there.

        Raises:
            SideError: it ended, or does not accept in time.
        """
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            self.check()
            with contextlib.suppress(OSError), socket.create_connection(address, timeout=1):
                return
            time.sleep(0.05)
        raise SideError(
            f"{self.name} does not listen on {address}; it printed:\n{self.last_words()}"
        )

    def await_socket(self, path: Path, seconds: float = 60) -> None:
        """Wait until it accepts connections on a Unix socket.

        Raises:
            SideError: it ended, or does not accept in time.
        """
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            self.check()
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as sock:
                sock.connect(str(path))
                return
            time.sleep(0.05)
        raise SideError(f"{self.name} has no {path}; it printed:\n{self.last_words()}")

    def stop(self) -> None:
        """End it and what it started: politely, and after ten seconds not."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody uses at the moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _loopback_up() -> None:
    """Bring `lo` up (netdevice(7)); a new network namespace has it down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("16sH14x", b"lo", 0)
        (flags,) = struct.unpack_from("H", fcntl.ioctl(sock, SIOCGIFFLAGS, request), 16)
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))
