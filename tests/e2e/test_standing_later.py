"""A database that is away when the gateway starts for the first time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from support.postgres import PASSWORD, Postgres, binaries
from support.scene import through, working_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.gateway import Gateway
    from support.web import Web


@pytest.mark.skipif(binaries() is None, reason="needs PostgreSQL (Debian: postgresql)")
def test_nothing_passes_until_the_database_is_there_and_then_all_does(
    start: Callable[..., Gateway], web: Web
) -> None:
    with Postgres() as server:
        place = server.database()
        server.stop()
        gateway = start(
            through(web) | {"standing": {"url": place.url, "password_env": "STANDING_PASSWORD"}},
            at=working_time("10:30:00"),
            environ={"STANDING_PASSWORD": PASSWORD},
        )
        refused = gateway.curl("http://www.gov.uk/")
        assert refused.status == 503
        assert web.seen == []
        (record,) = gateway.records(1, host="www.gov.uk")
        assert (record["action"], record["rule"]) == ("block", "standing-unavailable")
        # The tables are made when it answers: nobody has to start the gateway again.
        server.start()
        limit = time.monotonic() + 60
        while gateway.curl("http://www.gov.uk/").status != 200:
            assert time.monotonic() < limit, gateway.output.read_text()
            time.sleep(0.2)
        assert PASSWORD not in gateway.output.read_text()
