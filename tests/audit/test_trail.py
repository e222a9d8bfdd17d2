"""The trail: on the disk before anything is shown, numbered without gaps, sealed like the log."""

from __future__ import annotations

import errno
import os
import stat
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from proxy_addons.accesslog.seal.checking import check
from proxy_addons.accesslog.seal.notes import Signer
from proxy_addons.accesslog.seal.packing import who_of
from proxy_addons.accesslog.seal.sealing import Sealed, Seals, seal
from proxy_addons.accesslog.segment import segments_in
from proxy_addons.audit.trail import LOOK, RECOVERY, STEP, Trail, TrailError
from proxy_addons.audit.trailreader import TrailFilter, TrailReader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START = datetime(2026, 11, 23, 9, 59, tzinfo=UTC)
SIGNER = Signer("force.example/trail", bytes(range(32)))


class Disk:
    """The calls to the system, of which the next ones can fail; says which were made."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.failing: dict[str, list[OSError | int]] = {}

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            self.calls.append(name)
            faults = self.failing.get(name)
            if faults:
                fault = faults.pop(0)
                if isinstance(fault, OSError):
                    raise fault
                arguments = (arguments[0], arguments[1][:fault])
            return getattr(os, name)(*arguments)

        return call


class Desk:
    """A trail with a clock and a disk of the test's."""

    def __init__(self, folder: Path) -> None:
        self.now = START
        self.disk = Disk()
        self.folder = folder / "trail"
        self.seals = Seals(folder / "sealed")
        self.trail = self.new()
        self.trail.start()

    def new(self) -> Trail:
        return Trail(
            self.folder,
            clock=self.time,
            entropy=os.urandom,
            syscalls=self.disk,  # type: ignore[arg-type] - by __getattr__
        )

    def time(self) -> float:
        return self.now.timestamp()

    def look(self, person: str = "pat", number: int = 0) -> str:
        return self.trail.write(
            LOOK,
            person=person,
            how="kerberos",
            roles={"staff", "psd"},
            authorisation=f"AU-2026-{number:04}",
            question={"host": "example.test"},
            outcome={"rows": number},
        )

    def restart(self) -> None:
        self.trail.close()
        self.trail = self.new()
        self.trail.start()

    def kill(self) -> None:
        """As a crash: the lock goes, nothing else happens."""
        self.trail._folder.release()
        self.trail = self.new()
        self.trail.start()

    def records(self) -> list[dict[str, Any]]:
        return [
            orjson.loads(line)
            for _, path in segments_in(self.folder)
            for line in path.read_bytes().splitlines()
        ]

    def seal(self) -> Sealed:
        return seal(
            self.folder,
            self.seals,
            SIGNER,
            now=self.now.timestamp(),
            entropy=os.urandom,
            software="0.1.0",
        )


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.trail.close()


def test_a_record(desk: Desk):
    reference = desk.look(number=7)
    (record,) = desk.records()
    assert record == {
        "schema": 1,
        "event": "look",
        "id": reference,
        "worker": 1,
        "seq": 1,
        "start": "2026-11-23T09:59:00.000000Z",
        "person": "pat",
        "how": "kerberos",
        "roles": ["psd", "staff"],
        "authorisation": "AU-2026-0007",
        "question": {"host": "example.test"},
        "outcome": {"rows": 7},
    }
    assert who_of(record) == "person:pat"


def test_it_is_on_the_disk_before_the_caller_goes_on(desk: Desk):
    desk.disk.calls.clear()
    desk.look()
    desk.look()
    assert desk.disk.calls[-4:] == ["write", "fdatasync"] * 2


def test_numbers_have_no_gaps_over_hours_and_restarts(desk: Desk):
    for number in range(40):
        desk.look(number=number)
        desk.now += timedelta(minutes=17)
        if number % 7 == 3:
            desk.restart()
        if number % 11 == 5:
            desk.kill()
    records = desk.records()
    assert [record["seq"] for record in records] == list(range(1, 41))
    assert len({record["id"] for record in records}) == 40


def test_numbers_go_on_when_all_segments_were_taken_away(desk: Desk):
    desk.look()
    desk.trail.close()
    for _, path in segments_in(desk.folder):
        path.unlink()
    desk.trail = desk.new()
    desk.trail.start()
    desk.look()
    assert [record["seq"] for record in desk.records()] == [2]


def test_an_hour_that_is_over_ends_its_segment(desk: Desk):
    desk.look()
    ((_, path),) = segments_in(desk.folder)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    desk.trail.tick()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    desk.now += timedelta(minutes=1)
    desk.trail.tick()
    assert stat.S_IMODE(path.stat().st_mode) == 0o440
    assert path.name == "access-w01-20261123T09Z-0001.jsonl"


def test_a_clock_that_is_set_back_makes_no_segment_before_others(desk: Desk):
    desk.look(number=1)
    desk.now -= timedelta(hours=3)
    desk.look(number=2)
    desk.restart()
    desk.look(number=3)
    desk.trail.tick()
    assert [record["outcome"]["rows"] for record in desk.records()] == [1, 2, 3]


def test_a_second_writer_is_refused(desk: Desk):
    with pytest.raises(TrailError, match="already written by process"):
        desk.new().start()


def test_what_is_not_open_records_nothing(desk: Desk):
    desk.trail.close()
    with pytest.raises(TrailError, match="not open"):
        desk.look()


@pytest.mark.parametrize(
    ("call", "faults"),
    [
        ("write", [OSError(errno.ENOSPC, "full")]),
        ("write", [9, OSError(errno.ENOSPC, "full")]),
        ("write", [OSError(errno.EIO, "broken")]),
        ("fdatasync", [OSError(errno.EIO, "broken")]),
        ("open", [OSError(errno.ENOSPC, "full")]),
    ],
    ids=["full", "short write", "broken", "not synced", "no segment"],
)
@pytest.mark.parametrize("before", [0, 2])
def test_what_cannot_be_recorded_raises_and_leaves_nothing(
    desk: Desk, call: str, faults: list[OSError | int], before: int
):
    for number in range(before):
        desk.look(number=number)
    if call == "open":
        desk.now += timedelta(hours=1)  # a new segment
    desk.disk.failing[call] = list(faults)
    desk.disk.calls.clear()
    with pytest.raises(TrailError, match="is not shown"):
        desk.look(number=99)
    assert desk.disk.calls.count("fdatasync") == (call == "fdatasync"), "never asked again"
    assert not desk.disk.failing[call]
    desk.look(number=before)
    found = TrailReader(desk.folder).page()
    assert [each.record["outcome"]["rows"] for each in found.records] == [*range(before, -1, -1)]
    assert [each.record["seq"] for each in found.records] == [*range(before + 1, 0, -1)]
    desk.kill()
    desk.look(number=before + 1)
    assert desk.records()[-1]["seq"] == before + 2


def test_nothing_is_written_until_what_failed_could_be_marked(desk: Desk):
    """Else a line that perhaps is on the disk and the next would have one number."""
    desk.look(number=1)
    broken = OSError(errno.EIO, "broken")
    desk.disk.failing = {"fdatasync": [broken], "ftruncate": [broken] * 2, "fsync": [broken] * 2}
    for _ in range(2):
        with pytest.raises(TrailError):
            desk.look(number=99)
    desk.look(number=2)
    found = TrailReader(desk.folder).page()
    assert [each.record["outcome"]["rows"] for each in found.records] == [2, 1]


def test_a_torn_tail_is_cut_off_and_told(desk: Desk):
    desk.look(number=1)
    ((_, path),) = segments_in(desk.folder)
    with path.open("ab") as file:
        file.write(b'{"schema":1,"event":"lo')
    desk.kill()
    desk.look(number=2)
    events = [record["event"] for record in desk.records()]
    assert events == [LOOK, RECOVERY, LOOK]
    told = desk.records()[1]
    (torn,) = told["outcome"]["torn"]
    assert (torn["segment"], torn["octets"]) == (path.name, 23)
    assert (desk.folder / torn["kept_as"]).read_bytes() == b'{"schema":1,"event":"lo'
    assert [record["seq"] for record in desk.records()] == [1, 2, 3]


def test_a_start_that_cannot_tell_it_lets_go(desk: Desk):
    desk.look()
    ((_, path),) = segments_in(desk.folder)
    with path.open("ab") as file:
        file.write(b"torn")
    desk.trail._folder.release()
    desk.disk.failing["fdatasync"] = [OSError(errno.EIO, "broken")]
    with pytest.raises(TrailError):
        desk.new().start()
    desk.trail = desk.new()
    desk.trail.start()
    desk.look()
    assert [record["seq"] for record in desk.records()] == [1, 2]


# --- sealing and reading --------------------------------------------------------------------------


def filled(desk: Desk, count: int = 30) -> None:
    for number in range(count):
        if number % 3:
            desk.look("pat" if number % 2 else "sam", number)
        else:
            desk.trail.write(STEP, person="acu", how="oidc", authorisation="AU-2026-0001")
        desk.now += timedelta(minutes=12)
    desk.now += timedelta(hours=1)
    desk.trail.tick()


def test_it_is_sealed_and_checked_as_the_access_log_is(desk: Desk):
    filled(desk)
    done = desk.seal()
    assert not done.waiting
    assert sum(each.records for each in done.manifests) == 30
    assert all(a.last_seq + 1 == b.first_seq for a, b in pairwise(done.manifests))
    assert all(each.missing == () for each in done.manifests)
    checked = check(desk.seals, [SIGNER.verifier], access=desk.folder)
    assert (checked.faults, checked.records) == ((), 30)
    _, path = segments_in(desk.folder)[1]
    content = path.read_bytes()
    path.chmod(0o640)
    path.write_bytes(content.replace(b'"person":"', b'"person":"x', 1))
    assert check(desk.seals, [SIGNER.verifier], access=desk.folder).faults


def test_the_reader_gives_all_newest_first_in_pages(desk: Desk):
    filled(desk)
    desk.seal()
    reader = TrailReader(desk.folder, desk.seals.folder)
    written = [record["seq"] for record in desk.records()][::-1]
    for step, most in ((None, 7), (3, 1), (None, 30), (None, 100)):
        for _, path in segments_in(desk.folder)[:step] if step else ():
            path.unlink()  # the sealed copy is read instead
        seqs, after = [], ""
        while True:
            page = reader.page(most=most, after=after)
            assert len(page.records) <= most
            seqs += [each.record["seq"] for each in page.records]
            after = page.after
            if not after:
                break
        assert seqs == written


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (TrailFilter(person="pat"), 10),
        (TrailFilter(person="pa"), 0),
        (TrailFilter(event=STEP), 10),
        (TrailFilter(authorisation="AU-2026-0001"), 11),
        (TrailFilter(event=LOOK, authorisation="AU-2026-0001"), 1),
        (TrailFilter(since=START + timedelta(minutes=12)), 29),
        (TrailFilter(until=START + timedelta(minutes=12)), 1),
        (TrailFilter(since=START + timedelta(hours=1), until=START + timedelta(hours=2)), 5),
    ],
)
def test_the_reader_filters(desk: Desk, wanted: TrailFilter, count: int):
    filled(desk)
    records = TrailReader(desk.folder).page(wanted, most=100).records
    assert len(records) == count
    assert all(wanted.wants(each.record) for each in records)


def test_what_cannot_be_read_is_told(desk: Desk):
    filled(desk)
    desk.seal()
    first, second = (path for _, path in segments_in(desk.folder)[:2])
    first.unlink()
    sealed = next(desk.seals.folder.rglob(f"{first.name}.gz"))
    sealed.chmod(0o640)
    sealed.write_bytes(sealed.read_bytes()[:40])
    second.chmod(0o640)
    second.write_bytes(b"nonsense\n" + second.read_bytes())
    page = TrailReader(desk.folder, desk.seals.folder).page(most=100)
    assert len(page.records) == 29
    assert [problem.partition(" ")[0].partition(",")[0] for problem in page.problems] == [
        second.name,
        f"{first.name}.gz",
    ]


@pytest.mark.parametrize("after", ["x", "x:1", "access-w01-20261123T09Z-0001.jsonl:-1", ":"])
def test_a_place_that_is_none(desk: Desk, after: str):
    with pytest.raises(ValueError, match="no place"):
        TrailReader(desk.folder).page(after=after)


def test_a_trail_that_is_not_there_is_empty(tmp_path: Path):
    assert TrailReader(tmp_path / "none", tmp_path / "no").page().records == ()
