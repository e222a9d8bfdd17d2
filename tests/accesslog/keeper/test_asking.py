"""One request to a witness or a time-stamping authority, over TLS: who it is, or no answer."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from support.certificates import WebAuthority, tls_with

from proxy_addons.accesslog.keeper.asking import AskError, post

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGE = (1 << 18) + 1


class Service(ThreadingHTTPServer):
    """Answers as its path says."""

    daemon_threads = True

    def __init__(self, leaf: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.go_on = threading.Event()
        self.asked: list[tuple[str, bytes]] = []
        self.socket = tls_with(leaf).wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )

    def handle_error(self, *_: Any) -> None:
        """A client that does not trust it goes away: that is what is tested."""


class _Answers(BaseHTTPRequestHandler):
    server: Service
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, body))
        if self.path == "/never":
            self.server.go_on.wait(30)
            return
        status, answer = {
            "/elsewhere": (302, b"gone"),
            "/large": (200, bytes(LARGE)),
            "/largest": (200, bytes(LARGE - 1)),
        }.get(self.path, (200, b"signed"))
        self.send_response(status)
        self.send_header("Content-Type", "text/x.tlog.cosignature")
        self.send_header("Content-Length", str(len(answer)))
        if status == 302:
            self.send_header("Location", "/there")
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        """Nothing on the tests' output."""


@pytest.fixture
def authority(tmp_path: Path) -> WebAuthority:
    return WebAuthority(tmp_path)


@pytest.fixture
def service(request: pytest.FixtureRequest, authority: WebAuthority) -> Iterator[Service]:
    shown = getattr(request, "param", {"host": "127.0.0.1"})
    made = Service(authority.leaf(shown["host"], expired=shown.get("expired", False)))
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    made.go_on.set()
    made.shutdown()
    thread.join()
    made.server_close()


def ask(service: Service, path: str, trusted: Path | None, **more: float) -> Any:
    url = f"https://127.0.0.1:{service.server_port}{path}"
    return post(url, b"sign this", "application/octet-stream", trusted, **more)


def test_one_whose_certificate_is_trusted(service: Service, authority: WebAuthority) -> None:
    found = ask(service, "/sign", authority.file)
    assert (found.status, found.content_type, found.body) == (
        200,
        "text/x.tlog.cosignature",
        b"signed",
    )
    assert service.asked == [("/sign", b"sign this")]


@pytest.mark.parametrize(
    "service",
    [{"host": "other.test"}, {"host": "127.0.0.1", "expired": True}],
    indirect=True,
    ids=["another name", "expired"],
)
def test_one_whose_certificate_does_not_hold(service: Service, authority: WebAuthority) -> None:
    with pytest.raises(AskError, match="certificate verify failed"):
        ask(service, "/sign", authority.file)
    assert service.asked == []


def test_one_that_nobody_trusts(service: Service) -> None:
    with pytest.raises(AskError, match="certificate verify failed"):
        ask(service, "/sign", None)
    assert service.asked == []


def test_it_follows_nobody_elsewhere(service: Service, authority: WebAuthority) -> None:
    assert ask(service, "/elsewhere", authority.file).status == 302
    assert [path for path, _ in service.asked] == ["/elsewhere"]


def test_an_answer_has_an_end(service: Service, authority: WebAuthority) -> None:
    assert len(ask(service, "/largest", authority.file).body) == LARGE - 1
    with pytest.raises(AskError, match="more than 262144 octets"):
        ask(service, "/large", authority.file)


def test_waiting_has_an_end(service: Service, authority: WebAuthority) -> None:
    with pytest.raises(AskError, match="no answer within"):
        ask(service, "/never", authority.file, timeout=0.5)


def test_a_proxy_of_the_environment_is_not_asked(
    service: Service, authority: WebAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert ask(service, "/sign", authority.file).body == b"signed"
