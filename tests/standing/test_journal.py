"""The journal: what was added whole is there after the end of its worker, and nothing else."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.standing.journal import Entry, Journal, leftovers

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ENTRIES = st.lists(
    st.builds(
        Entry,
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60),
        st.integers(0, 5000).map(lambda each: NOON + each * timedelta(minutes=1)),
        st.booleans(),
    ),
    max_size=20,
)


def added(journal: Journal, entries: list[Entry]) -> int:
    return sum(journal.add(each.person, each.minute, social=each.social) for each in entries)


def left_in(folder: Path) -> list[Entry]:
    found = []
    for each in leftovers(folder):
        with each:
            found += each.entries()
    return found


@given(before=ENTRIES, kept=ENTRIES, after=ENTRIES)
def test_what_was_added_is_there(
    tmp_path_factory: pytest.TempPathFactory,
    before: list[Entry],
    kept: list[Entry],
    after: list[Entry],
) -> None:
    folder = tmp_path_factory.mktemp("journals")
    journal = Journal(folder / "a.journal", half=1 << 14)
    assert added(journal, before) == len(before)
    journal.keep_only(kept)
    assert added(journal, after) == len(after)
    journal.close(remove=False)
    assert left_in(folder) == kept + after


def test_a_living_worker_keeps_its_own(tmp_path: Path) -> None:
    journal, other = Journal.new(tmp_path), Journal.new(tmp_path)
    journal.add("jane", NOON, social=False)
    other.add("john", NOON, social=True)
    assert left_in(tmp_path) == []
    journal.close(remove=False)
    # Whoever has one in hand has it alone; left without a drop, it is there for the next.
    first = next(leftovers(tmp_path))
    with first:
        assert left_in(tmp_path) == []
    with next(leftovers(tmp_path)) as again:
        assert again.entries() == [Entry("jane", NOON, social=False)]
        again.drop()
    assert left_in(tmp_path) == []
    other.close(remove=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["flock", "posix_fallocate"])
def test_a_journal_that_is_being_made_is_nobodys_leftover(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Another worker looks in that very moment: it must not take it for that of a dead one."""
    module: Any = fcntl if call == "flock" else os
    real = getattr(module, call)
    looked: list[int] = []

    def looking(*args: Any) -> Any:
        if not looked:
            looked.append(1)
            for each in leftovers(tmp_path):
                with each:
                    each.drop()
        return real(*args)

    monkeypatch.setattr(module, call, looking)
    journal = Journal.new(tmp_path)
    assert looked
    journal.add("jane", NOON, social=False)
    journal.close(remove=False)
    assert left_in(tmp_path) == [Entry("jane", NOON, social=False)]


def test_what_was_never_named_goes_after_a_while(tmp_path: Path) -> None:
    old, new = tmp_path / "minutes-1.journal.new", tmp_path / "minutes-2.journal.new"
    for path in (old, new):
        path.write_bytes(b"")
    os.utime(old, (0, 0))
    assert left_in(tmp_path) == []
    assert not old.exists()
    assert new.exists()


def test_only_the_gateways_user_reads_it(tmp_path: Path) -> None:
    journal = Journal.new(tmp_path / "minutes")
    assert (tmp_path / "minutes").stat().st_mode & 0o777 == 0o700
    assert journal.path.stat().st_mode & 0o777 == 0o600
    journal.close(remove=True)


def test_a_full_journal_takes_no_more_and_loses_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "a.journal", half=100)
    entries = [Entry(f"p{number}", NOON, social=False) for number in range(20)]
    taken = added(journal, entries)
    assert 0 < taken < 20
    journal.keep_only(entries[5:])
    journal.close(remove=False)
    assert left_in(tmp_path) == entries[5 : 5 + taken]


@pytest.mark.parametrize("damage", [b"", b"WHM1", bytes(2000), b"WHM1\1" + b"\xff" * 2000])
def test_rubbish_is_no_minute(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "a.journal").write_bytes(damage)
    assert left_in(tmp_path) == []


@given(st.data())
def test_after_a_power_cut_what_is_whole_comes_first(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("journals")
    journal = Journal(folder / "a.journal", half=1 << 10)
    entries = [Entry(f"person-{number}", NOON, social=False) for number in range(9)]
    added(journal, entries)
    journal.close(remove=False)
    content = bytearray(journal.path.read_bytes())
    last = max(place for place, octet in enumerate(content) if octet)
    content[data.draw(st.integers(16, last))] ^= 0xFF
    journal.path.write_bytes(content)
    found = left_in(folder)
    assert found == entries[: len(found)]
    assert len(found) < len(entries)


ADDS_AND_ENDS = """
import sys, os, signal
from pathlib import Path
from datetime import datetime, timedelta, UTC
from proxy_addons.standing.journal import Journal
journal = Journal.new(Path(sys.argv[1]))
first = datetime(2026, 11, 23, 12, tzinfo=UTC)
number = 0
while True:
    journal.add(f"person-{number}", first, social=False)
    os.write(1, b"%d\\n" % number)
    number += 1
    if number % 7 == 0:
        journal.keep_only([])
        os.write(1, b"-\\n")
"""


@pytest.mark.parametrize("lines", [1, 40, 333])
def test_kill_9(tmp_path: Path, lines: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", ADDS_AND_ENDS, str(tmp_path)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(lines)]
    os.kill(process.pid, signal.SIGKILL)
    rest = process.stdout.read()
    process.wait()
    process.stdout.close()
    said += rest.splitlines(keepends=True)
    acknowledged: list[str] = []
    for line in said:
        if line == b"-\n":
            acknowledged.clear()
        elif line.endswith(b"\n"):
            acknowledged.append(f"person-{int(line)}")
    found = [each.person for each in left_in(tmp_path)]
    # It may have added one more, or dropped all, without having said so yet.
    full = len(acknowledged) % 7 == 0
    assert found[: len(acknowledged)] == acknowledged or (full and found == [])
    assert len(found) <= len(acknowledged) + 1
