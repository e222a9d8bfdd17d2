"""What a worker knows people by: taken up, watched, renewed and let go."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from support.signin import signing_in
from support.stage import make_settings
from support.standing import grant, withdraw
from support.waiting import until

from proxy_addons.accesslog import AccessLog
from proxy_addons.engine.knowing import Knowing
from proxy_addons.gate.gate import Gate, basis_of
from proxy_addons.identity.entries import DirectoryUnavailableError, Entry, Found
from proxy_addons.identity.keytab import KerberosError
from proxy_addons.identity.proof import Proof
from proxy_addons.standing.today import Today
from proxy_addons.standing.upgrade import migrate

if TYPE_CHECKING:
    from pathlib import Path

    from support.signin import SigningIn

    from proxy_addons.gate.facts import Visitor
    from proxy_addons.settings.model import Settings

__all__ = ["signing_in"]


def gate_of(settings: Settings, folder: Path) -> Gate:
    return Gate(basis_of(settings, None), AccessLog(folder / "log", 1))


@pytest.fixture
def settings(tmp_path: Path, signing_in: SigningIn) -> Settings:
    return make_settings(tmp_path, {"identity": signing_in.identity("kerberos", "basic")})


async def test_what_stands_is_watched(settings: Settings, tmp_path: Path) -> None:
    data = settings.paths.data_dir
    await asyncio.to_thread(data.mkdir, parents=True)
    await asyncio.to_thread(grant, data, "jane")
    gate, changes = await asyncio.to_thread(gate_of, settings, tmp_path), 0

    def changed() -> None:
        nonlocal changes
        changes += 1

    knowing = await asyncio.to_thread(Knowing, gate, settings)
    assert not gate.people.stands, "until it has been read"
    await knowing.start(changed)
    assert gate.people.standing.snapshot is not None
    assert list(gate.people.standing.snapshot.exemptions) == ["jane"]  # type: ignore[attr-defined]
    before = changes
    await asyncio.to_thread(withdraw, data, "jane")
    await until(lambda: changes > before)
    assert list(gate.people.standing.snapshot.withdrawn) == ["jane"]
    await knowing.close()
    assert not gate.people.stands, "nothing is let through any more"


async def test_without_a_store_nothing_stands(settings: Settings, tmp_path: Path) -> None:
    gate = await asyncio.to_thread(gate_of, settings, tmp_path)
    knowing = await asyncio.to_thread(Knowing, gate, settings)
    await knowing.start(lambda: None)
    assert not gate.people.stands
    await knowing.close()


async def test_parts_are_renewed_all_or_not_at_all(
    settings: Settings, tmp_path: Path, signing_in: SigningIn
) -> None:
    gate = await asyncio.to_thread(gate_of, settings, tmp_path)
    knowing = await asyncio.to_thread(Knowing, gate, settings)
    kerberos, basic = gate.signing_in.kerberos, gate.signing_in.basic
    assert kerberos is not None
    assert basic is not None
    identity = settings.identity
    bad = replace(identity.kerberos, keytab=tmp_path / "missing")
    with pytest.raises(KerberosError):
        await asyncio.to_thread(
            knowing.prepare, replace(settings, identity=replace(identity, kerberos=bad))
        )
    assert gate.signing_in.kerberos is kerberos
    token = signing_in.ticket.token()
    assert isinstance(await kerberos.accept(token), Proof), "it goes on"
    less = replace(settings, identity=replace(identity, order=("kerberos",)))
    knowing.take(await asyncio.to_thread(knowing.prepare, less))
    assert gate.signing_in.kerberos not in {None, kerberos}
    assert gate.signing_in.basic is None
    await knowing.close()


async def test_a_reload_changes_the_duty_day_with_the_policys_time_zone(
    settings: Settings, tmp_path: Path
) -> None:
    await asyncio.to_thread(settings.paths.data_dir.mkdir, parents=True)
    await asyncio.to_thread(migrate, settings.standing, settings.paths)
    gate = await asyncio.to_thread(gate_of, settings, tmp_path)
    knowing = await asyncio.to_thread(Knowing, gate, settings)
    await knowing.start(lambda: None)
    today = gate.people.today
    assert isinstance(today, Today)
    evening = datetime(2026, 11, 23, 23, tzinfo=UTC)
    assert today._day_at(evening).date == date(2026, 11, 23)
    policy = replace(settings.policy, time_zone=ZoneInfo("Asia/Tokyo"))
    knowing.take(await asyncio.to_thread(knowing.prepare, replace(settings, policy=policy)))
    assert today._day_at(evening).date == date(2026, 11, 24)
    await knowing.close()


def test_a_part_that_cannot_be_made_is_no_start(settings: Settings, tmp_path: Path) -> None:
    bad = replace(settings.identity.kerberos, keytab=tmp_path / "missing")
    broken = replace(settings, identity=replace(settings.identity, kerberos=bad))
    with pytest.raises(KerberosError, match="missing"):
        Knowing(gate_of(settings, tmp_path), broken)


class Directory:
    """Notes who is asked about, and has no answer but what it has cached."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.known: dict[str, Found] = {}

    def cached(self, name: str) -> Found | None:
        return self.known.get(name)

    async def look_up(self, name: str) -> Found:
        self.asked.append(name)
        raise DirectoryUnavailableError

    def close(self) -> None:
        pass


def somebody(gate: Gate, name: str) -> Visitor:
    visitor = gate.connected("192.0.2.1", 1)
    visitor.proof = Proof(name, "basic")
    return visitor


async def test_the_directory_is_asked_about_those_who_are_here_and_not_over_and_over(
    settings: Settings, tmp_path: Path
) -> None:
    gate = await asyncio.to_thread(gate_of, settings, tmp_path)
    knowing = await asyncio.to_thread(Knowing, gate, settings)
    directory: Any = Directory()
    knowing._parts.directory = directory
    entry = Entry("fresh", "", None, None, None, None, frozenset())
    directory.known = {"fresh": Found(entry, fresh=True), "stale": Found(entry, fresh=False)}
    here = [somebody(gate, name) for name in ("fresh", "stale", "unknown", "unknown")]
    for _ in range(3):
        knowing.tend([*here, gate.connected("192.0.2.2", 1)])
        await asyncio.sleep(0)
    assert sorted(directory.asked) == ["stale", "unknown"]
    knowing.tend([])
    knowing.tend(here[1:2])
    await asyncio.sleep(0)
    assert directory.asked.count("stale") == 2, "newly here"
    await knowing.close()
