"""Name servers that are dead, broken or gone, while people browse."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from support import procfs
from support.load import Load
from support.names import NameServer
from support.waiting import come_about

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from support.gateway import Gateway
    from support.web import Web

# Times are looked at: nothing else may run beside it.
pytestmark = pytest.mark.apart

AT_A_TIME = 12
THREADS = 40  # that a worker may add for look-ups (the resolver's own limit, and some room)


@pytest.mark.root
def test_a_name_server_that_fails_under_load(
    start: Callable[..., Gateway], web: Web, closing: ExitStack
) -> None:
    """Names that are known go on; others get a page and a record; it recovers by itself."""
    names = {f"{word}-{n}.test": ["127.0.0.1"] for word in "abcd" for n in range(AT_A_TIME)}
    server = NameServer(names | {"known.test": ["127.0.0.1"]}, ttl=600)
    with server:
        gateway = start(
            {
                "network": {
                    "dns_servers": server.address,
                    "connect_timeout": 1,
                    "intranet": ["127.0.0.1/32"],
                }
            }
        )
        (worker,) = gateway.workers()
        load = closing.enter_context(Load(gateway.proxy, (f"known.test:{web.http}",), clients=2))
        load.wait(5)
        before = procfs.threads(worker)
        for word, fault in zip("abc", ("silent", "servfail", "garbage"), strict=True):
            server.fault = fault
            unresolved(gateway, word, web.http)
            load.wait(3)
            assert procfs.threads(worker) <= before + THREADS
        server.fault = ""
        # A failure is not remembered; a question without an answer is asked anew after 10 s.
        come_about(lambda: gateway.curl(f"http://a-0.test:{web.http}/again").status == 200)
    unresolved(gateway, "d", web.http)
    load.wait(3)
    assert procfs.threads(worker) <= before + THREADS
    assert set(load.counts()) == {200}, "a name that is known goes on"
    assert gateway.workers() == [worker]
    assert "Traceback" not in gateway.output.read_text()


def unresolved(gateway: Gateway, word: str, port: int) -> None:
    """Many unknown names at a time: each gets a page that says so, and a record."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        replies = list(
            pool.map(
                lambda n: gateway.curl(f"http://{word}-{n}.test:{port}/", timeout=15),
                range(AT_A_TIME),
            )
        )
    assert {reply.status for reply in replies} <= {502, 504}, replies
    for number in range(AT_A_TIME):
        (record,) = gateway.records(1, host=f"{word}-{number}.test", event="transaction")[:1]
        assert record["status"] in {502, 504}
        assert record["error"]
