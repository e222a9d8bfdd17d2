"""The witness as it answers over HTTP, and what it remembers."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

import pytest
from aiohttp.test_utils import TestClient, TestServer

from proxy_addons.accesslog.seal.merkle import Leaves, consistency_proof, leaf_hash, root_at
from proxy_addons.accesslog.seal.notes import COSIGNATURE, Checkpoint, Signer, note_of
from proxy_addons.accesslog.witness.message import written
from proxy_addons.accesslog.witness.server import Witness
from proxy_addons.accesslog.witness.store import Store, StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NAME = "force.example/access-log"
LOG = Signer(NAME, bytes(range(32)))
SIGNER = Signer("witness.example/w1", bytes(32), COSIGNATURE)
NOW = 1_795_262_700.9
LEAVES = Leaves([leaf_hash(b"%d" % at) for at in range(20)])


def body(old: int, size: int) -> bytes:
    text = str(Checkpoint(NAME, size, root_at(LEAVES.subtree, size)))
    proof = consistency_proof(LEAVES.subtree, old, size)
    return written(old, proof, note_of(text, [LOG.sign(text)]))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    Store.make(tmp_path / "state.json")
    return tmp_path / "state.json"


@pytest.fixture
async def client(state: Path) -> AsyncIterator[TestClient]:
    with Store(state) as store:
        app = Witness(SIGNER, [LOG.verifier], store, lambda: NOW).app()
        async with TestClient(TestServer(app)) as client:
            yield client


async def test_it_signs_and_remembers(client: TestClient, state: Path) -> None:
    first = await client.post("/add-checkpoint", data=body(0, 5))
    assert (first.status, first.content_type) == (200, "text/plain")
    line = await first.text()
    assert line.startswith("\N{EM DASH} witness.example/w1 ")
    kept = await asyncio.to_thread(state.read_text)
    assert line.strip() in kept.replace("\\n", "\n")
    again = await client.post("/add-checkpoint", data=body(0, 7))
    assert (again.status, again.headers["Content-Type"]) == (409, "text/x.tlog.size")
    assert await again.text() == "5\n"
    assert (await client.post("/add-checkpoint", data=body(5, 7))).status == 200
    shown = await client.get(f"/{hashlib.sha256(NAME.encode()).hexdigest()}/checkpoint")
    assert (await shown.text()).startswith(f"{NAME}\n7\n")


async def test_what_was_never_signed_is_not_there(client: TestClient) -> None:
    assert (await client.get(f"/{'0' * 64}/checkpoint")).status == 404
    assert (await client.get("/add-checkpoint")).status == 405
    assert (await client.post("/add-checkpoint", data=b"x" * (1 << 18))).status == 400


async def test_two_at_a_time_are_one_after_the_other(client: TestClient) -> None:
    answers = await asyncio.gather(
        *(client.post("/add-checkpoint", data=body(0, size)) for size in range(5, 15))
    )
    assert sorted(each.status for each in answers) == [200] + [409] * 9


async def test_nothing_is_signed_once_it_could_not_remember(
    client: TestClient, state: Path
) -> None:
    half = state.with_name(state.name + ".half")
    half.mkdir()
    (half / "x").touch()  # nothing can be written there
    assert (await client.post("/add-checkpoint", data=body(0, 5))).status == 503
    (half / "x").unlink()
    half.rmdir()
    assert (await client.post("/add-checkpoint", data=body(0, 5))).status == 503, "till a restart"


def test_what_was_remembered_outlives_it(state: Path) -> None:
    with Store(state) as store:
        store.keep(NAME, body(0, 5).decode().partition("\n\n")[2])
        kept = dict(store.last)
    with Store(state) as store:
        assert store.last == kept
    assert state.stat().st_mode & 0o777 == 0o600


def test_only_one_uses_it(state: Path) -> None:
    with Store(state), pytest.raises(StoreError, match="another witness"):
        Store(state)
    Store(state).close()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"logs":[]}', '{"logs":{"a":"b"}}', '{"logs":{"a":"b\\n5\\n"}}']
)
def test_a_memory_that_is_damaged_is_not_begun_anew(state: Path, text: str) -> None:
    state.write_text(text)
    for _ in range(2):
        with pytest.raises(StoreError, match="cannot be used"):
            Store(state)
    assert state.read_text() == text


def test_nor_is_one_that_is_gone_or_there(state: Path) -> None:
    with pytest.raises(StoreError, match="there already"):
        Store.make(state)
    state.unlink()
    with pytest.raises(StoreError, match="is gone"):
        Store(state)
    assert not state.exists()
    assert [each.name for each in state.parent.iterdir()] == [state.name + ".lock"]


def test_the_checkpoint_of_another_log_is_none_of_this_one(state: Path) -> None:
    with Store(state) as store:
        store.keep("other.example/log", body(0, 5).decode().partition("\n\n")[2])
    with pytest.raises(StoreError, match="another log"):
        Store(state)
