"""Changed files in a running gateway: in force everywhere at once, or nowhere, and it says so."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from support.listserver import published
from support.postgres import PASSWORD
from support.scene import through, working_time

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.gateway import Gateway
    from support.postgres import Postgres
    from support.web import Web

SITE = "http://www.hotmail.com/"
REJECTED = "the last good settings stay in force"


def until(condition: Callable[[], bool], seconds: float = 15) -> float:
    """Wait until something has come about; seconds that it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it did not come about in time"
        time.sleep(0.02)
    return time.monotonic() - began


def healthz(gateway: Gateway) -> dict[str, Any]:
    """The answer; an empty one while the portal begins anew."""
    try:
        with urllib.request.urlopen(f"http://{gateway.portal}/healthz", timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except OSError:
        return {}


def metric(gateway: Gateway, name: str) -> float:
    with urllib.request.urlopen(f"http://{gateway.portal}/metrics", timeout=5) as answer:
        found = re.search(rf"^{name} (\S+)$", answer.read().decode(), re.MULTILINE)
    assert found is not None
    return float(found[1])


def refused_by(gateway: Gateway, rule: str) -> bool:
    """Whether every worker refuses by this rule: connections are spread over them."""
    asked = (gateway.curl(SITE, "-H", "Accept: application/json").text for _ in range(6))
    return all(f'"{rule}"' in text for text in asked)


@pytest.fixture
def gateway(start: Callable[..., Gateway], web: Web) -> Gateway:
    return start(through(web), workers=2, at=working_time("10:30:00"))


def rewritten(path: Path, before: str, after: str) -> str:
    """Change a file in two steps, as some editors do; what it held."""
    text = path.read_text()
    assert before in text
    path.write_text("")
    path.write_text(text.replace(before, after))
    return text


@pytest.mark.apart
def test_changed_files_are_in_force_everywhere_or_nowhere(gateway: Gateway) -> None:
    """One story, as a gateway takes seconds to start."""
    before, policy = gateway.workers(), gateway.config / "policy.yaml"
    load = Load(gateway, 240, 2)
    rewritten(policy, "id: webmail\n", "id: mail-elsewhere\n")
    took = until(lambda: gateway.output.read_text().count("is in force") == 2, 30)
    assert took < 2 or os.getloadavg()[0] > 4, f"{took:.1f} s"
    assert refused_by(gateway, "mail-elsewhere")
    assert gateway.workers() == before, "workers change over without a restart"
    load.ended()
    # A file that takes the place of the other (mv).
    fresh = policy.with_suffix(".new")
    fresh.write_text(policy.read_text().replace("id: mail-elsewhere\n", "id: no-mail\n"))
    fresh.replace(policy)
    until(lambda: gateway.output.read_text().count("is in force") == 4, 30)
    assert refused_by(gateway, "no-mail")
    assert REJECTED not in gateway.output.read_text()
    # A bad one: said once in the log, and everywhere until it is mended.
    good = rewritten(policy, "categories: webmail", "categories: webmial-secret")
    until(lambda: REJECTED in gateway.output.read_text(), 30)
    until(lambda: "config_rejected" in healthz(gateway))
    found = healthz(gateway)
    assert found["status"] == "degraded"
    (place,) = found["config_rejected"]["places"]
    line = good.split("categories: webmail")[0].count("\n") + 1
    assert place == f"{policy}:{line}"
    assert any(place in problem for problem in found["problems"])
    assert "webmial" not in json.dumps(found), "the file is named, not what stands in it"
    assert metric(gateway, "watchhouse_config_rejected") == 1
    since = metric(gateway, "watchhouse_config_rejected_since_timestamp_seconds")
    assert since == found["config_rejected"]["since"] > 0
    os.utime(policy)  # the same again, written anew: nothing more is said
    time.sleep(1.6)
    assert gateway.output.read_text().count(REJECTED) == 1
    # What was in force is, also in a worker that begins meanwhile.
    killed = gateway.workers()[0]
    os.kill(killed, signal.SIGKILL)
    until(lambda: len(set(gateway.workers()) - {killed}) == 2, 30)
    until(lambda: refused_by(gateway, "no-mail"), 30)
    policy.write_text(good)
    until(lambda: "in order again" in gateway.output.read_text(), 30)
    until(lambda: metric(gateway, "watchhouse_config_rejected") == 0)
    assert healthz(gateway)["config_rejected"] is None
    assert gateway.output.read_text().count("is in force") == 4, "it was in force all the time"
    # By hand.
    gateway.process.send_signal(signal.SIGHUP)
    until(lambda: gateway.output.read_text().count("is in force") == 6, 30)


@pytest.mark.heavy
def test_what_one_worker_cannot_take_none_takes(gateway: Gateway) -> None:
    """A file of passwords that is there when it is examined, and that no worker can use."""
    rewritten(gateway.config / "policy.yaml", "id: webmail\n", "id: mail-elsewhere\n")
    (gateway.config / "passwords").write_text("no line of a password file\n")
    (gateway.config / "passwords").chmod(0o600)
    main = {**gateway.settings}
    main["identity"] = {
        **main["identity"],
        "order": ["basic"],
        "basic": {"check": "file", "file": "passwords"},
        "default_profile": "standard",
    }
    gateway.write_settings(main)
    until(lambda: REJECTED in gateway.output.read_text(), 30)
    assert "worker-1" in gateway.output.read_text().partition(REJECTED)[2]
    assert "is in force" not in gateway.output.read_text()
    assert '"webmail"' in gateway.curl(SITE, "-H", "Accept: application/json").text


@pytest.mark.heavy
def test_files_are_not_watched_where_nobody_wants_it(
    start: Callable[..., Gateway], web: Web
) -> None:
    settings = through(web, reload={"watch": False})
    gateway = start(settings, at=working_time("10:30:00"))
    rewritten(gateway.config / "policy.yaml", "id: webmail\n", "id: mail-elsewhere\n")
    time.sleep(1.6)
    assert "is in force" not in gateway.output.read_text()
    gateway.process.send_signal(signal.SIGHUP)
    until(lambda: "is in force" in gateway.output.read_text(), 30)


class Load:
    """Clients that ask for pages all the time."""

    def __init__(self, gateway: Gateway, requests: int, clients: int) -> None:
        self._proxy = {"http": f"http://{gateway.proxy}"}
        self._each = requests // clients
        self.statuses: list[int] = []
        self.wrong: list[str] = []
        self._threads = [threading.Thread(target=self._client) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def _client(self) -> None:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler(self._proxy))
        for _ in range(self._each):
            try:
                with opener.open("http://www.gov.uk/", timeout=20) as answer:
                    answer.read()
                    self.statuses.append(answer.status)
            except OSError as problem:
                self.wrong.append(str(problem))

    @property
    def going(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def ended(self) -> None:
        for thread in self._threads:
            thread.join()
        assert self.wrong == []
        assert self.statuses == [200] * self._each * len(self._threads)


@pytest.mark.heavy
def test_no_request_of_ten_thousand_is_lost(gateway: Gateway) -> None:
    changed_under_load(gateway)


@pytest.mark.heavy
def test_nor_with_large_lists_and_postgresql(
    start: Callable[..., Gateway], web: Web, postgres: Postgres, tmp_path: Path
) -> None:
    """As a force has it: all of UT1, where it is here, and standing facts beyond one machine."""
    lists = tmp_path / "ut1.tar.gz"
    lists.write_bytes(published())
    standing = {"url": postgres.database().url, "password_env": "STANDING_PASSWORD"}
    gateway = start(
        through(web) | {"standing": standing},
        workers=2,
        at=working_time("10:30:00"),
        environ={"STANDING_PASSWORD": PASSWORD},
        run=False,
    )
    done = gateway.command("categories", "import", str(lists))
    assert done.returncode == 0, done.stderr
    gateway.start()
    changed_under_load(gateway)


def changed_under_load(gateway: Gateway) -> None:
    """A policy that changes all the time, while ten thousand requests are asked."""
    load, policy, number = Load(gateway, 10_000, 8), gateway.config / "policy.yaml", 0
    took = []
    while load.going:
        number += 1
        text, said = policy.read_text(), gateway.output.read_text().count("is in force")
        policy.write_text(re.sub(r"id: webmail(-\d+)?\n", f"id: webmail-{number}\n", text))
        took.append(
            until(lambda said=said: gateway.output.read_text().count("is in force") == said + 2, 30)
        )
    load.ended()
    versions = {r["policy_version"] for r in gateway.records(10_000, host="www.gov.uk")}
    sys.stdout.write(
        f"\n10000 requests, {len(load.wrong)} failed; {number} changes, in force at every worker"
        f" after {max(took):.2f} s at most; load average {os.getloadavg()[0]:.1f}\n"
    )
    assert len(versions) > 2
