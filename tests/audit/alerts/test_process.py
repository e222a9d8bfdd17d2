"""The process: from a record to the queue, an e-mail and a receiver; killed anywhere."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import random
import ssl
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import yaml
from support.alerting import made
from support.certificates import WebAuthority
from support.gateway import ROOT
from support.mail import Mail
from support.standing import ready
from support.waiting import come_about

from proxy_addons.accesslog.segment import OPEN_MODE, SegmentName, hour_of
from proxy_addons.audit.alerts.register import Alerts
from proxy_addons.settings.load import load
from proxy_addons.standing import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from proxy_addons.audit.alerts.model import QueuedAlert

SECRET = "a secret of the receiver's"
ENVIRON = {**os.environ, "ALERT_SECRET": SECRET}


@dataclass
class Receiver:
    """Takes alerts by HTTPS; answers as it is told."""

    status: int = 204
    port: int = 0
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def serve(self, leaf: Path) -> ThreadingHTTPServer:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if receiver.status < 300:
                    receiver.got.append((dict(self.headers), body))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(leaf)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        self.port = server.server_port
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server


@dataclass
class Site:
    """A gateway's folders, and its processes."""

    folder: Path
    receiver: Receiver
    mail: Mail
    written: int = 0

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def write(self, count: int, person: str = "AB1234") -> None:
        """Records of now."""
        plain = self.data / "log" / "access"
        plain.mkdir(parents=True, exist_ok=True)
        path = plain / str(SegmentName(hour_of(time.time()), 1, 1))
        start = datetime.now(UTC) - timedelta(seconds=1)
        with path.open("ab") as file:
            for _ in range(count):
                self.written += 1
                record = made(self.written, 0, person=person, url="https://secret.example/path")
                record["start"] = start.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
                file.write(orjson.dumps(record) + b"\n")
        path.chmod(OPEN_MODE)

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "proxy_addons.audit.alerts", "--with-parent"]
        more = ["--config", self.folder / "config", "--data", self.data]
        return subprocess.Popen([*command, *more], env=ENVIRON)

    def queue(self) -> tuple[QueuedAlert, ...]:
        settings = self.settings()
        store = open_store(settings.standing, settings.paths)
        try:
            return Alerts(store).some()
        finally:
            store.close()

    def settings(self) -> Any:
        settings = load(self.folder / "config", environ=ENVIRON)
        return replace(settings, paths=replace(settings.paths, data_dir=self.data))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    authority = WebAuthority(tmp_path)
    receiver = Receiver()
    server = receiver.serve(authority.leaf("localhost"))
    with Mail() as mail:
        config = tmp_path / "config"
        config.mkdir()
        for name in ("policy.yaml", "statement.md"):
            (config / name).write_text((ROOT / "config" / name).read_text())
        written = {
            "categories_dir": str(ROOT / "categories"),
            "personal_use": {
                "reports": {
                    "smtp": f"127.0.0.1:{mail.port}",
                    "starttls": False,
                    "sender": "watchhouse@force.example",
                    "address": "{name}@force.example",
                }
            },
            "alert_webhooks": [
                {
                    "name": "siem",
                    "url": f"https://localhost:{receiver.port}/alerts",
                    "secret_env": "ALERT_SECRET",
                    "ca_file": str(authority.file),
                }
            ],
            "alerts": [
                {
                    "id": "evasion",
                    "clause": "Inf/27 3.1",
                    "words": "Somebody tried to hide.",
                    "when": {"rules": "hiding"},
                    "threshold": 3,
                    "within": 60,
                    "severity": "high",
                    "to": ["queue", "mail:psd@force.example", "webhook:siem"],
                }
            ],
        }
        (config / "watchhouse.yaml").write_text(yaml.safe_dump(written))
        site = Site(tmp_path, receiver, mail)
        settings = site.settings()
        ready(settings.standing, settings.paths)
        yield site
    server.shutdown()
    server.server_close()


def test_from_a_record_to_the_queue_an_email_and_a_receiver(site: Site):
    site.write(2)
    running = site.start()
    try:
        come_about((site.data / "run" / "alerts.json").exists)
        assert site.queue() == ()
        began = time.monotonic()
        site.write(3)
        come_about(lambda: bool(site.queue()))
        assert time.monotonic() - began < 5
        come_about(lambda: bool(site.receiver.got) and bool(site.mail.messages))
        (found,) = site.queue()
        assert (found.who, found.records, found.ids[0]) == ("AB1234", 5, "1-1")
        headers, body = site.receiver.got[0]
        at, signed = (each.partition("=")[2] for each in headers["Watchhouse-Signature"].split(","))
        wanted = hmac.new(SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        assert hmac.compare_digest(signed, wanted)
        assert headers["Idempotency-Key"] == json.loads(body)["reference"] == found.reference
        (message,) = site.mail.messages["psd@force.example"]
        text = message.get_content()
        assert found.reference in message["Subject"]
        assert "AB1234" in text
        assert "AB1234" not in message["Subject"]
        for told in (text, body.decode()):
            assert "secret.example" not in told
            assert "site.example" not in told
    finally:
        running.terminate()
    assert running.wait(10) == 0


@pytest.mark.parametrize("turns", [1, pytest.param(25, marks=pytest.mark.heavy)])
def test_killed_at_any_moment_no_alert_is_lost_or_doubled(turns: int, site: Site):
    site.receiver.status = 503  # down: nothing waits for it
    chance = random.Random(7)
    for turn in range(turns):
        site.write(4, f"p{turn}")
        site.write(3, "all")
        before = _changed(site)
        running = site.start()
        come_about(lambda before=before: _changed(site) != before)
        time.sleep(chance.random() * 0.1)
        running.kill()
        running.wait()
    running = site.start()
    come_about(lambda: _state(site).get("deliveries", []) != [])
    (hook,) = [each for each in _state(site)["deliveries"] if each["way"] == "webhook"]
    assert hook["waiting"] >= 1
    assert hook["oldest_seconds"] > 0
    site.receiver.status = 204
    try:
        people = sorted([*(f"p{turn}" for turn in range(turns)), "all"])
        come_about(lambda: sorted(each.who for each in site.queue()) == people)
        come_about(lambda: sum(each.records for each in site.queue()) == site.written)
        come_about(lambda: len(_keys(site)) == len(people), seconds=60)
    finally:
        come_about(lambda: _state(site)["deliveries"] == [])
        assert _state(site)["lag_seconds"] < 60
        running.terminate()
        running.wait(10)
    assert sorted(each.who for each in site.queue()) == people
    mails = [message["Message-ID"] for message in site.mail.messages["psd@force.example"]]
    assert len(set(mails)) == len(people)


def _state(site: Site) -> dict[str, Any]:
    """How the process says that it goes; nothing before it has begun."""
    file = site.data / "run" / "alerts.json"
    found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return found


def _changed(site: Site) -> int:
    """When a batch was last noted: from then on it is counted and written."""
    file = site.data / "alerts" / "since.json"
    return file.stat().st_mtime_ns if file.exists() else 0


def _keys(site: Site) -> set[str]:
    return {headers["Idempotency-Key"] for headers, _ in site.receiver.got}


def test_of_two_processes_one_counts(site: Site):
    site.write(3)
    one = site.start()
    two = None
    try:
        come_about(lambda: bool(site.queue()))
        two = site.start()
        come_about(lambda: "another" in (site.data / "run" / "alerts.json").read_text(), 40)
        one.kill()
        one.wait()
        site.write(1)
        come_about(lambda: site.queue()[0].records == 4)  # the other goes on
    finally:
        one.kill()
        one.wait()
        if two is not None:
            two.terminate()
            assert two.wait(10) == 0
    assert len(site.queue()) == 1


def test_bad_settings_start_nothing(site: Site):
    (site.folder / "config" / "watchhouse.yaml").write_text("alerts: [{id: a}]\n")
    assert site.start().wait(20) == 2
