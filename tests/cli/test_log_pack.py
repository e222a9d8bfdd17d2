"""`watchhouse log verify --pack`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support import packs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = ("--key", str(packs.SIGNER.verifier))


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    packs.sealed_log(folder)
    (folder / "pack.zip").write_bytes(packs.packed(folder).octets)
    return folder / "pack.zip"


def test_a_pack(watchhouse: Callable[..., Any], pack: Path, tmp_path: Path) -> None:
    done = watchhouse("log", "verify", "--pack", str(pack), *KEY)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "28 lines, 0 withheld; log of 10 entries: all as it was sealed",
        (
            "complete for AB1234, from 2026-11-21T09:10:00.000000Z"
            " until before 2026-11-21T11:30:00.000000Z"
        ),
    ]
    said = json.loads(watchhouse("log", "verify", "--pack", str(pack), *KEY, "--json").out)
    assert (said["faults"], said["lines"]) == ([], 28)
    wrong = watchhouse("log", "verify", "--pack", str(pack), "--key", str(packs.STRANGER.verifier))
    assert wrong.code == 1
    assert "WRONG  manifest.sig: not signed by the key that counts" in wrong.out
    (tmp_path / "x.zip").write_bytes(pack.read_bytes()[:-30])
    cut = watchhouse("log", "verify", "--pack", str(tmp_path / "x.zip"), *KEY)
    assert cut.code == 2
    assert "x.zip: not a whole zip" in cut.err
