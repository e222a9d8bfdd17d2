"""Memory: what a worker uses and may use, and when it sheds load or ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from proxy_addons.engine import memory
from proxy_addons.engine.memory import MIB, Shedding

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_used_grows_by_what_is_allocated() -> None:
    before = memory.used()
    held = bytearray(64 * MIB)
    held[::4096] = b"x" * len(range(0, len(held), 4096))
    grown = memory.used() - before
    assert 60 * MIB < grown < 100 * MIB
    del held
    memory.give_back()
    assert memory.used() < before + 30 * MIB


def test_a_number_is_what_was_said() -> None:
    assert memory.limit_of(100, 7) == 100 * MIB


def test_auto_is_a_share_of_the_least_that_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_MEMINFO", "_CGROUP", "_CGROUPS"):
        monkeypatch.setattr(memory, name, tmp_path / name)
    (tmp_path / "_MEMINFO").write_text(f"MemTotal:  {1024 * 1024} kB\nMemFree: 1 kB\n")
    assert memory.limit_of(0, 2) == int(1024 * MIB * 0.6) // 2
    (tmp_path / "_CGROUP").write_text("0::/system.slice/watchhouse.service\n")
    own = tmp_path / "_CGROUPS/system.slice/watchhouse.service"
    own.mkdir(parents=True)
    (own / "memory.max").write_text("max\n")
    assert memory.limit_of(0, 2) == int(1024 * MIB * 0.6) // 2
    (own / "memory.max").write_text(f"{512 * MIB}\n")
    assert memory.limit_of(0, 2) == int(512 * MIB * 0.6) // 2 > 128 * MIB
    (tmp_path / "_CGROUPS/memory.max").write_text(f"{256 * MIB}\n")
    assert memory.limit_of(0, 1) == int(256 * MIB * 0.6)


def test_auto_has_an_upper_bound_and_no_need_of_proc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_MEMINFO", "_CGROUP", "_CGROUPS"):
        monkeypatch.setattr(memory, name, tmp_path / "missing")
    assert memory.limit_of(0, 1) == 2048 * MIB


def test_auto_is_never_less_than_a_worker_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    (tmp_path / "meminfo").write_text("MemTotal: 131072 kB\n")
    assert memory.limit_of(0, 8) == 128 * MIB


@pytest.mark.parametrize(
    ("uses", "states"),
    [
        ([99, 100, 101, 100, 91, 90, 89], [0, 0, 1, 1, 1, 0, 0]),
        ([101, 89, 100, 101], [1, 0, 0, 1]),
    ],
)
def test_it_sheds_above_the_limit_and_until_it_is_well_below(
    uses: list[int], states: list[int]
) -> None:
    shedding = Shedding(100)
    seen, before = [], False
    for now in uses:
        changed = shedding.look(now)
        seen.append(int(shedding.on))
        assert changed is (shedding.on != before)
        before = shedding.on
    assert seen == states
    assert not shedding.over


def test_it_ends_when_it_grows_on_all_the_same() -> None:
    shedding = Shedding(100)
    shedding.look(124)
    assert (shedding.on, shedding.over) == (True, False)
    assert shedding.look(125)
    assert shedding.over
    shedding.look(1)
    assert shedding.over, "it has begun to end"


def test_it_ends_when_nothing_is_given_back_for_long() -> None:
    """Else a worker whose memory is in pieces would refuse its share of requests for ever."""
    shedding = Shedding(100)
    looks = tries = 0
    while not shedding.over:
        shedding.look(101)
        looks += 1
        tries += shedding.should_give_back
    assert looks == 61
    assert tries == 13, "at once, and again every few seconds"
    assert not Shedding(100).should_give_back
    shedding = Shedding(100)
    for _ in range(5):
        for _ in range(60):
            shedding.look(101)
        shedding.look(50)
    assert not shedding.over
