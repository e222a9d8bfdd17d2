"""Erasing lines: they are gone, and all that was signed is still proved."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.alone import alone
from support.erasing import (
    LATER,
    NOW,
    SIGNER,
    checked,
    erased,
    names,
    octets_of,
    seal_again,
    sealed,
)
from support.segments import hours

from proxy_addons.accesslog.seal.erasing import finish
from proxy_addons.accesslog.seal.merkle import leaf_hash
from proxy_addons.accesslog.seal.packing import record_of, who_of
from proxy_addons.accesslog.seal.salted import Salt, tag_of
from proxy_addons.accesslog.seal.sealing import Known, SealError, Seals
from proxy_addons.accesslog.segment import SegmentName
from proxy_addons.accesslog.unpacked import sealed_in, unpacked

TESTS = Path(__file__).parents[2]

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("erasing")
    sealed(folder)
    return folder


@pytest.fixture
def log(original: Path, tmp_path: Path) -> Path:
    """A copy to be changed."""
    shutil.copytree(original, tmp_path / "log")
    return tmp_path / "log"


def seals_of(log: Path) -> Seals:
    return Seals(log / "seals")


def by_alone(*logs: Path) -> list[tuple[object, str]]:
    found = alone([each / "seals" for each in logs])
    return [found[str(each / "seals")] for each in logs]


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_lines_of_any_segments_in_any_steps(original: Path, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as place:
        log = Path(place) / "log"
        shutil.copytree(original, log)
        before = {name: (log / "access" / name).read_bytes().splitlines() for name in names(log)}
        secrets = {n: seals_of(log).salt(SegmentName.parse(n)).read_bytes() for n in before}  # type: ignore[arg-type]
        left = {name: set(range(len(lines))) for name, lines in before.items()}
        seen: list[Known | None] = [None]  # also what was overtaken meanwhile
        for _ in range(data.draw(st.integers(1, 3))):
            some = data.draw(st.sets(st.sampled_from(sorted(before)), min_size=1))
            wanted = {
                name: data.draw(st.none() | st.frozensets(st.integers(0, 12), max_size=12))
                for name in sorted(some)
            }
            done = erased(log, wanted, known=data.draw(st.sampled_from(seen)))
            seen.append(done.known)
            for name, lines in wanted.items():
                left[name] -= left[name] if lines is None else lines
        found = checked(log)
        assert found.faults == ()
        assert found.records == sum(map(len, left.values()))
        assert by_alone(log)[0][0] == 0, by_alone(log)
        everything = octets_of(log)
        stays = {str(name): list(unpacked(path)) for name, path in sealed_in(log / "seals")}
        for name, lines in before.items():
            assert stays.get(name, []) == [lines[n] for n in sorted(left[name])]
            whole = len(left[name]) == len(lines)
            salt = Salt(secrets[name])
            assert (salt.octets in everything) == whole
            assert salt.tag_key not in everything
            for number, line in enumerate(lines):
                if number in left[name]:
                    continue
                assert line not in everything
                assert salt.of_line(number) not in everything
                assert salt.of_place(number) not in everything
            if not whole:
                here = {who_of(record_of(lines[n])) for n in left[name]}
                gone = {who_of(record_of(line)) for line in lines} - here
                assert not any(tag_of(salt.tag_key, who) in everything for who in gone)


def test_what_was_overtaken_is_read_again(log: Path) -> None:
    records, name = checked(log).records, names(log)[0]
    known = erased(log, {name: frozenset({0})}).known
    erased(log, {name: frozenset({1})})
    erased(log, {name: frozenset({2})}, known=known)
    found = checked(log)
    assert found.faults == ()
    assert found.records == records - 3


def test_what_is_known_is_compared_with_the_tiles_again(log: Path) -> None:
    one, other, *_ = names(log)
    known = erased(log, {one: frozenset({0})}).known
    assert known is not None
    tile = log / f"seals/tile/0/000.p/{known.checkpoint.size}"
    tile.write_bytes(bytes(32) + tile.read_bytes()[32:])
    with pytest.raises(SealError, match="not what was signed"):
        erased(log, {other: frozenset({0})}, known=known)


def test_nothing_of_a_person_is_left(log: Path) -> None:
    wanted = {
        name: frozenset(
            n
            for n, line in enumerate((log / "access" / name).read_bytes().splitlines())
            if b'"AB1234"' in line
        )
        for name in names(log)
    }
    assert b"AB1234" in octets_of(log)
    assert (done := erased(log, wanted).erasure) is not None
    assert done.records == sum(map(len, wanted.values())) == 18
    assert b"AB1234" not in octets_of(log)
    assert b"CD5678" in octets_of(log)
    assert checked(log).faults == ()


def test_sealing_goes_on(log: Path) -> None:
    erased(log, {names(log)[0]: None, names(log)[1]: frozenset({1})})
    hours(log / "access", 4, 12)
    finish(log / "access", seals_of(log), SIGNER)  # hours() wrote the erased ones again
    seal_again(log, 2, LATER)
    found = checked(log)
    assert (found.faults, found.size) == ((), 9)
    assert by_alone(log)[0][0] == 0


def test_what_a_worker_may_need_waits(log: Path) -> None:
    *_, last = names(log)
    done = erased(log, {last: None, "access-w07-20261121T08Z-0001.jsonl": None}, now=NOW)
    assert done.erasure is None
    assert set(done.waiting) == {last, "access-w07-20261121T08Z-0001.jsonl"}
    assert (log / "access" / last).exists()


def test_who_is_asked_last_may_keep_it(log: Path) -> None:
    before = octets_of(log)
    assert erased(log, {names(log)[0]: frozenset({2})}, still=lambda: False).erasure is None
    assert octets_of(log) == before


def test_a_segment_that_is_not_what_was_sealed_is_not_signed_for(log: Path) -> None:
    path = seals_of(log).salt(SegmentName.parse(names(log)[0]))  # type: ignore[arg-type]
    path.chmod(0o600)
    path.write_bytes(bytes(32))
    with pytest.raises(SealError, match="not what was sealed"):
        erased(log, {names(log)[0]: frozenset({2})})
    assert checked(log).size == 6


def rest(log: Path, ending: str) -> Path:
    return next((log / "seals/rest").rglob(f"*{ending}"))


def flip(path: Path, at: int) -> None:
    octets = bytearray(path.read_bytes())
    octets[at] ^= 1
    path.chmod(0o600)
    path.write_bytes(octets)


def anew(path: Path, change: Callable[[bytes], bytes]) -> None:
    octets = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(change(octets))


def hidden(kept: bytes) -> bytes:
    """The hash of the first place in its stead: both trees hold."""
    at = 12 * 33
    assert kept[at] == 1
    return kept[:at] + b"\0" + leaf_hash(kept[at + 1 : at + 81]) + kept[at + 81 :]


def put_back(log: Path, original: Path, what: str) -> None:
    for path in (original / "seals" / what).rglob("*"):
        if path.is_file():
            target = log / path.relative_to(original)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)


CHANGES: dict[str, Callable[[Path, Path], object]] = {
    "a nonce": lambda log, _: flip(rest(log, ".kept"), 5),
    "a flag": lambda log, _: flip(rest(log, ".kept"), 0),
    "the hash of a line that is gone": lambda log, _: flip(rest(log, ".kept"), 2 * 33 + 1),
    "the last octet of the places": lambda log, _: flip(rest(log, ".kept"), -1),
    "the first place": lambda log, _: flip(rest(log, ".kept"), 12 * 33 + 40),
    "a line that stays": lambda log, _: flip(rest(log, ".gz"), 30),
    "the end of the lines": lambda log, _: flip(rest(log, ".gz"), -1),
    "the lines are gone": lambda log, _: rest(log, ".gz").unlink(),
    "the same lines packed again": lambda log, _: anew(
        rest(log, ".gz"), lambda octets: gzip.compress(gzip.decompress(octets), 1, mtime=5)
    ),
    "a place is hidden": lambda log, _: anew(rest(log, ".kept"), hidden),
    "the proof is gone": lambda log, _: rest(log, ".kept").unlink(),
    "the proof is empty": lambda log, _: (
        rest(log, ".kept").chmod(0o600), rest(log, ".kept").write_bytes(b"")
    ),
    "the proof goes on": lambda log, _: (
        rest(log, ".kept").chmod(0o600),
        rest(log, ".kept").write_bytes(rest(log, ".kept").read_bytes() + b"\0"),
    ),
    "another number": lambda log, _: rest(log, ".gz").rename(
        rest(log, ".gz").with_name(rest(log, ".gz").name.replace(".1.gz", ".7.gz"))
    ),
    "salts put back": lambda log, original: put_back(log, original, "salts"),
    "lines put back": lambda log, original: put_back(log, original, "segments"),
    "a segment that no erasure names is gone": lambda log, _: seals_of(log).packed(
        SegmentName.parse(names(log)[-1])  # type: ignore[arg-type]
    ).unlink(),
    "a salt that no erasure names is gone": lambda log, _: seals_of(log).salt(
        SegmentName.parse(names(log)[-1])  # type: ignore[arg-type]
    ).unlink(),
}  # fmt: skip


def test_each_change_to_what_is_left_is_found_by_both(
    original: Path, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    logs = {}
    for number, (what, change) in enumerate(CHANGES.items()):
        log = logs[what] = tmp_path / str(number)
        shutil.copytree(original, log)
        first, second, *_ = names(log)
        erased(log, {first: None, second: frozenset({2, 3, 7})})
        change(log, original)
    said = dict(zip(logs, by_alone(*logs.values()), strict=True))
    for what, log in logs.items():
        with subtests.test(what):
            assert checked(log).faults != ()
            code, told = said[what]
            assert code == 1, told
            assert "WRONG" in told


def test_a_plain_segment_that_is_put_back_is_named_and_goes(original: Path, log: Path) -> None:
    first = names(log)[0]
    erased(log, {first: None})
    shutil.copy(original / "access" / first, log / "access" / first)
    assert [fault.path for fault in checked(log).faults] == [log / "access" / first]
    finish(log / "access", seals_of(log), SIGNER)
    assert checked(log).faults == ()
    assert not (log / "access" / first).exists()


@pytest.mark.heavy
def test_an_erasure_that_is_killed_at_any_call_is_undone_or_ended(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "support.erasekill", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": f"{TESTS}:{TESTS.parent}", "PATH": "/usr/bin:/bin"},
        timeout=300,
    )
    *killed, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(killed) >= 60, "points"
    assert all(each["killed"] for each in killed)
    assert not last["killed"]
    for each in (*killed, last):
        where = f"{each['number']}: {each['call']}"
        signed = each["size_then"] == 6
        assert each["held"], where
        assert all("is not destroyed" in what for what in each["faults_then"]), where
        assert signed or each["faults_then"] == [], where
        assert each["finished"][:3] == ([6, 19, 0] if signed else [5, 31, 0]), where
        assert (each["finished"][3] == 0) == signed, where
        assert each["after"] == [6, 19, 0], where
        assert (each["left"], each["lines"]) == (0, True), where
    assert {each["size_then"] for each in killed} == {5, 6}, "before and after the signature"
