"""Whatever breaks, no request passes undecided or unlogged."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.disk import fill, log_on
from support.faults import Faults
from support.gateway import Gateway
from support.scene import through, working_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.gateway import Reply
    from support.web import Web

# What raises; and whether it is early enough that a page can say so (else the connection breaks).
IN_THE_RELAY_LANE = [
    ("proxy_addons.engine.relay.asks:read_request", False),
    ("proxy_addons.engine.relay.asks:facts_of_head", False),
    ("proxy_addons.engine.relay.desk:forward_fields", False),
    ("proxy_addons.engine.relay.desk:Desk.decide", False),
    ("proxy_addons.engine.relay.answer:Answer.feed", False),
]
FAULTS = [
    ("proxy_addons.gate.gate:Gate.connected", False),
    ("proxy_addons.gate.gate:Gate.connect", True),
    ("proxy_addons.gate.gate:Gate.client_hello", False),
    ("proxy_addons.gate.gate:Gate.request", True),
    ("proxy_addons.gate.gate:Gate._now", False),
    ("proxy_addons.gate.gate:judge", True),
    ("proxy_addons.policy.cache:Decider.decide", True),
    ("proxy_addons.categorisation:CategoryIndex.lookup", True),
    ("proxy_addons.accesslog:AccessLog.begin", False),
    ("proxy_addons.addons.requests:Requests.requestheaders", True),
    ("proxy_addons.addons.requests:Requests.responseheaders", False),
    ("proxy_addons.addons.tunnels:Tunnels.http_connect", True),
    ("proxy_addons.engine.protocols:Protocols.next_layer", False),
    ("proxy_addons.engine.protocols:Protocols.tls_start_client", False),
    ("proxy_addons.engine.protocols:Protocols.tls_start_server", True),
    ("proxy_addons.engine.tlscontexts:TlsContexts.for_client", False),
    ("proxy_addons.gate.metrics:count", False),
]


ALL_FAULTS = FAULTS + IN_THE_RELAY_LANE


@dataclass
class Failing:
    """A gateway whose parts raise while they are switched on."""

    gateway: Gateway
    faults: Faults


@pytest.fixture(scope="module")
def failing_with(
    shared_web: Web, index: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[bool], Failing]]:
    """One for each lane."""
    with ExitStack() as stack:

        @cache
        def begin(relay: bool) -> Failing:
            folder = tmp_path_factory.mktemp("failing")
            faults = Faults(folder / "faults", *(target for target, _ in ALL_FAULTS))
            settings = through(shared_web)
            settings["network"]["relay_lane"] = relay
            gateway = Gateway(
                folder / "gateway",
                settings,
                index=index,
                at=working_time("10:30:00"),
                environ=faults.environ,
            )
            return Failing(stack.enter_context(gateway), faults)

        yield begin


@pytest.mark.parametrize(
    ("target", "page", "relay"),
    # What the lanes have in common is tried in the one that most requests take.
    [(target, page, ".addons." not in target) for target, page in ALL_FAULTS],
    ids=lambda v: str(v).rpartition(":")[2],
)
def test_a_part_that_raises(
    target: str, page: bool, relay: bool, failing_with: Callable[[bool], Failing], web: Web
) -> None:
    failing = failing_with(relay)
    gateway = failing.gateway
    # Hosts of this test alone: nothing is known of them from before.
    own = target.rpartition(":")[2].replace(".", "-").replace("_", "-").lower()
    _until(lambda: gateway.curl(f"https://before-{own}.gov.uk/").status == 200)
    web.seen.clear()
    begins = gateway.output.stat().st_size
    with failing.faults.on(target) as kind:
        for url in (f"https://{own}.gov.uk/secret-body", f"https://{own}.hotmail.com/"):
            reply = gateway.curl(url)
            assert reply.status != 200, reply
            assert "Hello from" not in reply.text
            if page and ".gov.uk" in url:
                assert reply.status in {502, 503} or reply.connect_status == 503, reply
        if "responseheaders" not in target and "Answer" not in target:
            assert not web.seen, "nothing may reach a site undecided"
    said = gateway.output.read_bytes()[begins:].decode()
    assert "secret-token" not in said, "the text of an exception may quote what a client sent"
    assert kind in said, "the operator is told what failed, and where"
    _until(lambda: gateway.curl(f"https://after-{own}.gov.uk/").status == 200)


def test_no_index(start: Callable[..., Gateway], web: Web) -> None:
    """Without an index everything is refused; once there is one, it is taken into use."""
    gateway = start(through(web), at=working_time("10:30:00"))
    kept = (gateway.data / "categories.index").read_bytes()
    (gateway.data / "categories.index").unlink()
    assert gateway.curl("https://www.hotmail.com/").status == 403, "the one in use stays mapped"
    for pid in gateway.workers():
        os.kill(pid, signal.SIGKILL)
    # Which sites must not be decrypted is not known either: refused at CONNECT.
    _until(lambda: gateway.curl("https://www.gov.uk/").connect_status == 503)
    assert gateway.curl("http://www.gov.uk/").status == 503
    assert gateway.records(1, rule="index-missing")[0]["action"] == "block"
    assert web.hosts() == set()
    fresh = gateway.data / "fresh"
    fresh.write_bytes(kept)
    fresh.rename(gateway.data / "categories.index")
    _until(lambda: gateway.curl("https://www.gov.uk/").status == 200)


def test_a_damaged_index_leaves_the_last_good_one_in_use(
    start: Callable[..., Gateway], web: Web
) -> None:
    gateway = start(through(web), at=working_time("10:30:00"))
    assert gateway.curl("https://www.hotmail.com/").status == 403
    damaged = gateway.data / "damaged"
    damaged.write_bytes((gateway.data / "categories.index").read_bytes()[:5000])
    damaged.rename(gateway.data / "categories.index")
    _until(lambda: "categories.index" in gateway.output.read_text())
    assert gateway.curl("https://www.hotmail.com/").status == 403
    assert gateway.curl("https://www.gov.uk/").status == 200


def test_the_portal_is_down(start: Callable[..., Gateway], web: Web) -> None:
    """Browsing goes on by the rules without the portal, and the portal comes back."""
    gateway = start(through(web), at=working_time("10:30:00"))
    (portal,) = _children(gateway, "proxy_addons.portal")
    os.kill(portal, signal.SIGSTOP)
    assert gateway.curl("https://www.hotmail.com/").status == 403
    assert gateway.curl("https://www.gov.uk/").status == 200
    os.kill(portal, signal.SIGKILL)
    assert gateway.curl("https://www.hotmail.com/").status == 403
    assert gateway.curl("https://www.gov.uk/").status == 200
    assert len(gateway.records(4)) >= 4
    _until(lambda: _portal_answers(gateway))


def test_a_killed_worker(start: Callable[..., Gateway], web: Web) -> None:
    """Its successor takes over the port and the numbering; no request passes by the rules."""
    gateway = start(through(web), at=working_time("10:30:00"), workers=2)
    assert gateway.curl("https://www.gov.uk/").status == 200
    assert gateway.records(1), "what a killed worker has not written yet is lost with it"
    before = gateway.workers()
    assert len(before) == 2
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    # Connections wait in the listening sockets, which the supervisor holds.
    reply = gateway.curl("https://www.hotmail.com/")
    assert reply.status == 403, reply
    assert gateway.curl("https://www.gov.uk/").status == 200
    _until(lambda: len(gateway.workers()) == 2)
    assert not set(gateway.workers()) & set(before)
    records = gateway.records(3)
    for worker in {record["worker"] for record in records}:
        numbers = [record["seq"] for record in records if record["worker"] == worker]
        assert numbers == sorted(set(numbers)), "numbers go on, none twice"


def fill_and_ask(disk: Path, gateway: Gateway) -> tuple[Path, Reply]:
    """Fill the disk, and ask until the gateway refuses. Returns the ballast and the refusal."""
    ballast = fill(disk)
    for number in range(200):
        reply = gateway.curl(f"https://www.gov.uk/{'x' * 900}/{number}")
        if reply.status != 200:
            return ballast, reply
        time.sleep(0.02)
    pytest.fail("requests pass although the log cannot be written")


@pytest.mark.root
def test_a_full_disk(start: Callable[..., Gateway], web: Web, small_disk: Path) -> None:
    """Traffic is refused with a page while the log cannot be written; it recovers by itself."""
    gateway = start(through(web), at=working_time("10:30:00"), run=False)
    log_on(small_disk, gateway)
    assert gateway.curl("https://www.gov.uk/before").status == 200
    ballast, refused = fill_and_ask(small_disk, gateway)
    assert refused.status == 503, refused
    seen = len(web.seen)
    assert gateway.curl("http://www.gov.uk/while-full").status == 503
    assert gateway.curl("https://www.gov.uk/while-full").status == 503
    assert gateway.curl("https://www.barclays.co.uk/").exit != 0
    assert len(web.seen) == seen, "nothing passes while nothing can be logged"
    ballast.unlink()
    _until(lambda: gateway.curl("https://www.gov.uk/after").status == 200)
    # The log is a moment behind the answer: what is asked of it is asked once this one is in it.
    assert gateway.records(1, url="https://www.gov.uk/after", status=200)
    paths = [record["url"].rpartition("/")[2] for record in gateway.records()]
    assert "before" in paths
    assert paths.count("while-full") == 2, "the refusals themselves are recorded too, afterwards"
    numbers = [record["seq"] for record in gateway.records()]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "nothing was lost"


@pytest.mark.root
def test_a_stop_while_the_disk_is_full(
    start: Callable[..., Gateway], web: Web, small_disk: Path
) -> None:
    """What the log could not take is put beside it, and the operator is told where."""
    gateway = start(through(web), at=working_time("10:30:00"), run=False)
    log_on(small_disk, gateway)
    fill_and_ask(small_disk, gateway)
    assert gateway.curl("http://www.gov.uk/while-full").status == 503
    gateway.stop()
    (rescued,) = (gateway.data / "run").glob("unwritten-w01-*.jsonl")
    records = [json.loads(line) for line in rescued.read_bytes().splitlines()]
    assert records[-1]["url"] == "http://www.gov.uk/while-full"
    assert str(rescued) in gateway.output.read_text()


def test_bad_settings_do_not_start(start: Callable[..., Gateway], web: Web) -> None:
    gateway = start(through(web), run=False)
    (gateway.config / "policy.yaml").write_text("version: 1\nrules: everything\n")
    gateway.start(wait=False)
    assert gateway.process.wait(10) != 0
    said = gateway.output.read_text()
    assert "policy.yaml" in said
    assert "rules" in said


def test_a_rule_for_a_category_that_no_list_has_does_not_start(
    start: Callable[..., Gateway], web: Web
) -> None:
    """It would never match: what it should block would pass."""
    gateway = start(through(web), run=False)
    policy = gateway.config / "policy.yaml"
    policy.write_text(policy.read_text().replace("categories: webmail", "categories: webmial"))
    gateway.start(wait=False)
    assert gateway.process.wait(10) != 0
    said = gateway.output.read_text()
    assert "webmial" in said
    assert "webmail" in said, "the nearest name is suggested"


def test_ctrl_c_lets_a_download_end(start: Callable[..., Gateway], web: Web) -> None:
    gateway = start(through(web))
    download = subprocess.Popen(
        ["curl", "-s", "--proxy", f"http://{gateway.proxy}", "http://www.gov.uk/slow/20"],
        stdout=subprocess.PIPE,
    )
    _until(lambda: bool(web.seen))
    assert gateway.stop() == 0
    out, _ = download.communicate()
    assert out.count(b"data:") == 20
    (record,) = gateway.records(1, host="www.gov.uk")
    assert record["error"] is None
    assert not [p for p in _processes() if str(gateway.config) in p], "no process is left behind"


def test_workers_end_with_their_supervisor(start: Callable[..., Gateway], web: Web) -> None:
    gateway = start(through(web))
    workers = gateway.workers()
    gateway.process.kill()
    gateway.process.wait()
    _until(lambda: not any(_alive(pid) for pid in workers))


def _children(gateway: Gateway, module: str) -> list[int]:
    pid = gateway.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(c) for c in children if module.encode() in Path(f"/proc/{c}/cmdline").read_bytes()]


def _processes() -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(entry.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue  # it ended while we looked
    return found


def _alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def _portal_answers(gateway: Gateway) -> bool:
    try:
        with urllib.request.urlopen(f"http://{gateway.portal}/healthz", timeout=2) as answer:
            return bool(json.load(answer))
    except (OSError, urllib.error.URLError):
        return False


def _until(condition: Callable[[], bool], seconds: float = 15) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come about in time"
        time.sleep(0.05)
