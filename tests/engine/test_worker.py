"""A worker: it drains, keeps house whatever fails, and takes new settings and indexes into use."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
from support.client import client_hello
from support.stage import answering, request_head
from support.waiting import until

from proxy_addons.accesslog import AccessLog
from proxy_addons.engine import worker as module
from proxy_addons.settings.load import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

    from support.stage import Stage

HOST = "Host: allowed.test"


async def test_housekeeping_survives_what_fails_in_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Otherwise no opening records would be written, and no index or policy taken into use."""
    ticks: list[int] = []

    def tick(_log: AccessLog) -> None:
        ticks.append(1)
        if len(ticks) < 3:
            msg = "quoting a password"
            raise RuntimeError(msg)

    monkeypatch.setattr(module, "_HOUSEKEEPING", 0.001)
    monkeypatch.setattr(AccessLog, "tick", tick)
    with caplog.at_level(logging.ERROR):
        keeper = asyncio.ensure_future(stage.worker._keep_house())
        await until(lambda: len(ticks) > 5)
    keeper.cancel()
    await asyncio.gather(keeper, return_exceptions=True)
    said = [each.getMessage() for each in caplog.records]
    assert len(said) == 2
    assert said[0].startswith("housekeeping failed (RuntimeError at test_worker.py:")
    assert "password" not in str(said)


async def test_an_index_that_cannot_be_read_leaves_the_one_in_use(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    before = stage.gate.basis.index
    path = stage.settings.paths.index_file
    await asyncio.to_thread(path.mkdir)
    with caplog.at_level(logging.ERROR):
        await stage.worker._look_at_index()
    assert stage.gate.basis.index is before
    assert str(path) in caplog.text


async def test_a_new_index_is_taken_into_use_between_two_requests_of_one_connection(
    stage: Stage, tmp_path: Path
) -> None:
    await stage.origin("allowed.test", "blocked.test", script=answering())
    client = await stage.client()
    assert (await client.get("http://blocked.test/", "Host: blocked.test")).status == 403
    await asyncio.to_thread(swap_lists, tmp_path, stage.settings.paths.index_file)
    await stage.worker._look_at_index()
    assert (await client.get("http://blocked.test/", "Host: blocked.test")).status == 200
    assert (await client.get("http://allowed.test/", HOST)).status == 403
    records = await stage.end()
    assert [record["action"] for record in records] == ["block", "allow", "block"]
    versions = [record["list_version"] for record in records]
    assert versions[0] != versions[1] == versions[2]


def swap_lists(folder: Path, target: Path) -> None:
    """An index in which blocked.test is government, and allowed.test webmail."""
    from support import stage as support  # noqa: PLC0415 - its lists are changed for a moment

    kept = support.LISTS
    support.LISTS = {"webmail": "allowed.test\n", "government": "blocked.test\n"}
    try:
        support.make_index(folder / "swapped").replace(target)
    finally:
        support.LISTS = kept


async def test_a_new_policy_and_new_people_are_in_force_at_the_next_request(
    stage: Stage,
) -> None:
    await stage.origin("allowed.test", script=answering())
    client = await stage.client()
    assert (await client.get("http://allowed.test/", HOST)).status == 200
    config = stage.settings.paths.config_dir
    settings = config / "watchhouse.yaml"
    text = settings.read_text()
    settings.write_text(text.replace("pc1234", "pc4321").replace("standard", "withdrawn", 1))
    policy = config / "policy.yaml"
    policy.write_text(policy.read_text().replace("id: business\n", "id: for-the-job\n"))
    await asyncio.to_thread(reload_, stage)
    assert (await client.get("http://allowed.test/", HOST)).status == 200
    first, second = await stage.end()
    assert (first["rule"], first["person"]) == ("business", "pc1234")
    assert second["person"] == "pc4321"
    assert (second["rule"], second["profile"]) in {
        ("for-the-job", "standard"),
        ("withdrawn-public-service", "withdrawn"),
    }
    assert first["policy_version"] != second["policy_version"]


def reload_(stage: Stage) -> None:
    """As the supervisor has it done; the data folder comes from the command line."""
    module.operations._overrides["data_dir"] = str(stage.settings.paths.data_dir)
    try:
        stage.worker.take(stage.worker.prepare())
    finally:
        module.operations._overrides.clear()


async def test_bad_settings_leave_everything_as_it_was(stage: Stage) -> None:
    before = stage.gate.basis
    policy = stage.settings.paths.config_dir / "policy.yaml"
    policy.write_text(policy.read_text().replace("action: block", "action: perhaps", 1))
    with pytest.raises(SettingsError, match=r"policy\.yaml"):
        await asyncio.to_thread(reload_, stage)
    assert stage.gate.basis is before


async def test_draining_ends_what_is_idle_and_waits_for_the_rest(
    stage: Stage,
) -> None:
    go = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        await go.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")

    await stage.origin("allowed.test", script=slow)
    idle, busy = await stage.client(), await stage.client()
    tunnel = await stage.client()
    await tunnel.connect_to("allowed.test:443")
    busy.send(f"GET http://allowed.test/ HTTP/1.1\r\n{HOST}\r\n\r\n")
    await until(lambda: stage.roads.taken)
    draining = asyncio.ensure_future(stage.worker._drain())
    assert await idle.ended() == b""
    assert await tunnel.ended() == b""
    assert not draining.done()
    go.set()
    assert (await busy.answer()).text == "late"
    await draining
    records = {record["rule"]: record for record in await stage.end()}
    assert records.keys() == {"business", "tunnel-without-request"}
    assert records["business"]["error"] is None


async def test_what_does_not_end_is_cut_off_and_recorded(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    monkeypatch.setattr(module, "_DRAIN", 0.05)
    await stage.origin("allowed.test", "bank.test", script=never)
    client = await stage.client()
    client.send(f"GET http://allowed.test/ HTTP/1.1\r\n{HOST}\r\n\r\n")
    bank = await stage.client()
    await bank.connect_to("bank.test:443")
    hello = client_hello("bank.test")
    bank.send(hello)
    await until(lambda: len(stage.roads.taken) == 2)
    await until(lambda: any(driver._joined for driver in stage.drivers))
    await until(lambda: any(len(driver._wires) == 2 for driver in stage.drivers))
    await until(lambda: all(t.bytes_up for d in stage.drivers for t in opened(stage, d) if t.sni))
    await stage.worker._drain()
    records = {record["kind"]: record for record in await stage.end()}
    assert records["http"]["error"] == records["tunnel"]["error"] == "the gateway stopped"
    assert records["tunnel"]["bytes_up"] == len(hello), "what passed is counted all the same"


def opened(stage: Stage, driver: Any) -> list[Any]:
    return list(stage.worker._visitors[driver.client].open.values())


async def test_a_client_that_was_never_taken_in_does_not_stop_the_drain(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(type(stage.gate), "connected", fail)
    client = await stage.client()
    await until(lambda: stage.drivers or client.reader.at_eof())
    await stage.worker._drain()
    await client.ended()
