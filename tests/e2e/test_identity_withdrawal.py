"""Access that is withdrawn by the command line: in force on every worker within 2 s of the commit,
also on what is open. On SQLite (relay lane) and PostgreSQL (generic lane), two workers each.

The bound is the requirement (Inf/27 2.3.2, docs/exemptions.md); what was measured is printed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.waiting import come_about
from support.withdrawing import ASKING, KINDS, Desk

if TYPE_CHECKING:
    from collections.abc import Collection

    from support.force import Force
    from support.identity import Site
    from support.web import Web

# Times are looked at: nothing else may run beside it.
pytestmark = pytest.mark.alone

WITHIN = 2.0  # seconds
REASON = ["--reason", "for tests of withdrawals"]


@pytest.mark.parametrize("lane", ["relay", "generic"])
async def test_a_withdrawal_is_in_force_everywhere_within_two_seconds(
    lane: str,
    sites: dict[str, Site],
    force: Force,
    web: Web,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    site = sites[lane]
    force.ticket("wendy")
    async with Desk(site, force, "wendy") as desk:
        try:
            found = await desk.after(["withdraw", "wendy", *REASON])
            reached = len(web.seen)
            for each in desk.idle:
                target = "/" if "tunnel" in each.kind else f"http://{each.host}/"
                assert (await each.client.get(target, f"Host: {each.host}")).status == 403
            assert len(web.seen) == reached
            for each in desk.staying:  # police, government and health sites are open to everybody
                assert await each.client.reader.read(10)
        finally:
            site.registers.lift("wendy")
        again = await desk.given_back()
        ended = {each.port: each.kind for each in desk.ending}
        idle = {each.port for each in desk.idle}
    told = ", ".join(f"{kind} {seconds:.2f} s" for kind, seconds in found.items())
    report = request.config.pluginmanager.get_plugin("terminalreporter")
    with capsys.disabled():
        report.write_line(
            f"\nwithdrawn ({lane}): {told}; given back {again:.2f} s;"
            f" when it was committed is known to {desk.doubt * 1000:.0f} ms"
        )
    assert set(found) == {*KINDS, *ASKING}
    assert not {kind: seconds for kind, seconds in found.items() if seconds > WITHIN}
    assert again <= WITHIN
    come_about(lambda: len(closing(site, ended)) == len(ended))
    for record in closing(site, ended):
        why = (ended[record["client_port"]], record["error"])
        assert why[1] == "access withdrawn: now refused by withdrawn", why
        assert (record["person"], record["action"]) == ("wendy", "allow")
    refused = [each for each in closing(site, idle) if each["action"] == "block"]
    assert {each["rule"] for each in refused} == {"withdrawn"}
    assert {each["worker"] for each in refused} == {1, 2}


def closing(site: Site, ports: Collection[int]) -> list[dict[str, Any]]:
    """Closing records of some connections."""
    found = site.gateway.records(event="transaction", person="wendy")
    return [record for record in found if record["client_port"] in ports]
