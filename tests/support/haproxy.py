"""A real load balancer: HAProxy in front of a gateway, naming clients by the PROXY protocol.

In: where its listeners lead. Out: a running HAProxy on loopback ports.
Must never: touch the system's own configuration or service.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


class Haproxy:
    """One HAProxy.

    Args:
        folder: for its configuration.
        backends: name → `host:port` of a gateway's listener.
        source: address of this machine that it connects from.

    Attributes:
        ports: where it listens on 127.0.0.1, by the name of the backend.
    """

    def __init__(self, folder: Path, backends: Mapping[str, str], source: str) -> None:
        self._file = folder / "haproxy.cfg"
        self._output = folder / "haproxy.log"
        self.ports = {name: _free_port() for name in backends}
        sections = [
            f"listen {name}\n"
            f"    bind 127.0.0.1:{self.ports[name]}\n"
            f"    server {name} {address} send-proxy-v2 proxy-v2-options crc32c source {source}"
            " check check-send-proxy inter 200ms\n"
            for name, address in backends.items()
        ]
        self._file.write_text(
            "global\n    log stderr format raw local0\n"
            "defaults\n    mode tcp\n    log global\n"
            "    timeout connect 5s\n    timeout client 60s\n    timeout server 60s\n"
            + "".join(sections)
        )

    def __enter__(self) -> Self:
        self._log = self._output.open("wb")
        self._process = subprocess.Popen(
            ["haproxy", "-db", "-f", str(self._file)],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={"PATH": PATH},
        )
        until = time.monotonic() + 20
        for port in self.ports.values():
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    # Not there yet; if it never comes, what it said is the failure.
                    assert self._process.poll() is None, self._output.read_text()
                    assert time.monotonic() < until, self._output.read_text()
                    time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(20)
        self._log.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port
