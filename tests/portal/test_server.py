"""The portal as a process of its own."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from proxy_addons.portal.server import PortalError, bind, inherit
from proxy_addons.settings.model import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PORTAL = [sys.executable, "-m", "proxy_addons.portal", "--config", str(ROOT / "config")]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


@contextmanager
def portal(data: Path, listener: socket.socket, *options: str) -> Iterator[subprocess.Popen[str]]:
    descriptor = listener.fileno()
    command = [*PORTAL, "--data", str(data), "--fd", str(descriptor), *options]
    environ = {k: v for k, v in os.environ.items() if not k.startswith("WATCHHOUSE_")}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environ, pass_fds=[descriptor], stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def get(port: int, path: str) -> tuple[int, dict[str, str], bytes]:
    """Waits for the answer: an inherited listener takes connections before the portal is up."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def raw(port: int, sent: bytes) -> bytes:
    """What comes back for bytes that are no proper request."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_a_portal_serves_what_it_inherits_and_stops_gracefully(
    tmp_path: Path, listener: socket.socket
):
    port = listener.getsockname()[1]
    with portal(tmp_path, listener, "--set", "listen.proxy=127.0.0.1:3128") as process:
        status, headers, body = get(port, "/proxy.pac")
        assert status == 200
        assert b'"proxies": ["127.0.0.1:3128"]' in body
        assert "Server" not in headers
        assert get(port, "/healthz")[0] == 503
        assert get(port, "/metrics")[0] == 200

        # HTTP/1.0 without a Host, as some DHCP clients ask for wpad.dat
        assert raw(port, b"GET /wpad.dat HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 200 OK\r\n")
        # What is no request at all gets no version number, and none of it into the log.
        broken = raw(port, b"GET / HTTP/1.1\r\nCookie: geheim\r\nX\x00: 1\r\n\r\n")
        assert broken.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))
        assert b"aiohttp" not in broken
        assert b"geheim" not in broken

        idle = socket.create_connection(("127.0.0.1", port))  # must not hold up the end
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=10)
        idle.close()
        assert process.returncode == 0
        assert "geheim" not in said
        assert "Traceback" not in said


def test_a_request_in_progress_is_finished(tmp_path: Path, listener: socket.socket):
    port = listener.getsockname()[1]
    with portal(tmp_path, listener) as process:
        get(port, "/")  # it is up
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            process.send_signal(signal.SIGTERM)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert process.wait(timeout=10) == 0
        # Taken before the signal it is answered in full, after it not at all: never in part.
        assert not answer or (answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"\n"))


def test_who_connects_while_another_takes_over_is_answered(
    tmp_path: Path, listener: socket.socket
) -> None:
    """Chromium takes a PAC file that does not come for leave to go round the gateway."""
    port = listener.getsockname()[1]
    asked = b"GET /proxy.pac HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with portal(tmp_path, listener) as process:
        get(port, "/healthz")
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connected:
            time.sleep(0.1)  # it is taken, and has not asked yet
            process.send_signal(signal.SIGHUP)
            time.sleep(0.1)
            connected.sendall(asked)
            assert connected.recv(65536).startswith(b"HTTP/1.1 200 ")
        with socket.create_connection(("127.0.0.1", port), timeout=10) as waiting:
            waiting.sendall(asked)
            assert process.wait(10) == 0
            with portal(tmp_path, listener):
                assert waiting.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_it_ends_with_its_parent(tmp_path: Path, listener: socket.socket):
    port = listener.getsockname()[1]
    descriptor = listener.fileno()
    command = [*PORTAL, "--data", str(tmp_path), "--fd", str(descriptor), "--with-parent"]
    supervisor = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen({command!r}, pass_fds=[{descriptor}])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", supervisor],
        cwd=ROOT,
        pass_fds=[descriptor],
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        assert get(port, "/")[0] == 200
        parent.kill()
    until = time.monotonic() + 10
    while alive(child):
        assert time.monotonic() < until, "the portal outlived its supervisor"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for by anybody does not."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--config", "/nowhere"], "/nowhere"),
        (["--set", "listen.portl=127.0.0.1:1"], "listen.portl"),
        (["--set", "listen.portal"], "write KEY=VALUE"),
        (["--fd", "999"], "--fd 999"),
        (["--fd", "0"], "--fd 0"),
    ],
)
def test_it_does_not_start_on_a_fault_and_says_which(tmp_path: Path, options: list[str], said: str):
    done = subprocess.run(
        [*PORTAL, "--data", str(tmp_path), *options],
        cwd=ROOT,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_address_in_use_is_named(listener: socket.socket):
    port = listener.getsockname()[1]
    with pytest.raises(PortalError, match=rf"listen\.portal 127\.0\.0\.1:{port}: Address already"):
        bind(Endpoint("127.0.0.1", port))


def test_a_name_that_does_not_resolve_is_named():
    with pytest.raises(PortalError, match=r"listen\.portal portal\.invalid:1"):
        bind(Endpoint("portal.invalid", 1))


@pytest.mark.parametrize("hosts", [("0.0.0.0", "::"), ("127.0.0.1", "::1")])
def test_both_families_can_listen_on_one_port(hosts: tuple[str, str]):
    first = bind(Endpoint(hosts[0], 0))
    second = bind(Endpoint(hosts[1], first.getsockname()[1]))
    assert {first.family, second.family} == {socket.AF_INET, socket.AF_INET6}
    first.close()
    second.close()


def test_only_a_listening_tcp_socket_is_inherited(listener: socket.socket):
    with inherit(os.dup(listener.fileno())) as found:
        assert found.getsockname() == listener.getsockname()
    with socket.socket() as idle, pytest.raises(PortalError, match="not a listening TCP socket"):
        inherit(idle.fileno())
    one, other = socket.socketpair()
    with one, other, pytest.raises(PortalError, match="not a listening TCP socket"):
        inherit(one.fileno())
