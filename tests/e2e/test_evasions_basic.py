"""Ways past the rules, raw, through the real gateway: refused, recorded, and nothing gets out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from support.client import Client

if TYPE_CHECKING:
    from support.gateway import Gateway
    from support.web import Web

CASES = yaml.safe_load((Path(__file__).parents[1] / "cases/evasions.yaml").read_text())


def host_of(case: dict[str, Any]) -> str:
    """The Host field that a browser would send for the target."""
    return str(case.get("host", case["target"].split("://")[-1].split("/")[0]))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
async def test_an_evasion(case: dict[str, Any], standard: Gateway, web: Web) -> None:
    before = len(standard.records())
    client = await Client.connect(int(standard.proxy.rpartition(":")[2]))
    if "tunnel" in case:
        assert (await client.connect_to(f"{case['tunnel']}:443")).status == 200
        sni = case.get("sni", case["tunnel"])
        await client.start_tls(None if sni == "none" else sni, standard.authority)
    method = case.get("method", "GET")
    line = f"{method} {case['target']} {case.get('version', 'HTTP/1.1')}"
    client.send("\r\n".join([line, f"Host: {host_of(case)}", *case.get("more", ()), "", ""]))
    reply = await client.answer(method)
    assert reply.status in case["want"]
    assert "watchhouse" in reply.headers["proxy-status"]
    client.close()
    assert not web.seen, "nothing of it may get out"
    assert not web.asked
    (record,) = standard.records(before + 1)[before:]
    assert (record["action"], record["status"]) == ("block", reply.status)
    if method != "HEAD":
        assert record["id"] in reply.text


def test_every_case_is_another() -> None:
    names = [case["name"] for case in CASES]
    assert len(names) == len(set(names)) > 50
