"""Checkpoints are stamped by a real authority (openssl ts); what does not hold is not kept."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from support.tsa import Tsa

from proxy_addons.accesslog.keeper.seals import SealAccess
from proxy_addons.accesslog.keeper.stamps import Stamps
from proxy_addons.accesslog.seal.adding import add_signatures
from proxy_addons.accesslog.seal.checking import Checked, Others, check
from proxy_addons.accesslog.seal.notes import COSIGNATURE, Signer, parts_of
from proxy_addons.accesslog.seal.stamping import StampCheck, StampError, read_stamp, request
from proxy_addons.settings.log import TimeStamps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.keeping import Room

_TYPE = "application/timestamp-reply"


@pytest.fixture(scope="module")
def tsa(tmp_path_factory: pytest.TempPathFactory) -> Tsa:
    return Tsa(tmp_path_factory.mktemp("tsa") / "files")


@pytest.fixture(scope="module")
def served(tsa: Tsa) -> Iterator[str]:
    with tsa.serving() as url:
        yield url


@pytest.fixture
def sealed(room: Room, tsa: Tsa, served: str) -> Room:
    room.fill(2)
    room.run(SealAccess())
    room.set(timestamps=TimeStamps(served, tsa.root))
    return room


def checked(room: Room, root: Path | None) -> Checked:
    others = Others(stamps=StampCheck.of(root))
    return check(room.access.seals, [room.key], others=others)


def test_each_checkpoint_is_stamped_once(sealed: Room, tsa: Tsa) -> None:
    asked = tsa.asked
    done = sealed.run(Stamps())
    assert (done.problems, done.known["access"]["size"]) == ((), 4)
    assert sealed.run(Stamps()).known == done.known
    sealed.fill(3)
    sealed.run(SealAccess())
    sealed.run(Stamps())
    assert tsa.asked - asked == 2
    folder = sealed.access.sealed / "timestamps"
    assert sorted(path.name for path in folder.iterdir()) == ["4.tsr", "6.tsr"]
    found = checked(sealed, tsa.root)
    assert found.faults == ()
    assert [(each.size, each.proved) for each in found.stamps] == [(4, True), (6, True)]
    assert [each.proved for each in checked(sealed, None).stamps] == [False, False]


def test_signatures_of_witnesses_do_not_undo_it(sealed: Room, tsa: Tsa) -> None:
    sealed.run(Stamps())
    text = parts_of(sealed.access.seals.note())[0]
    witness = Signer("witness.example", bytes(32), COSIGNATURE)
    add_signatures(sealed.access.seals, 4, text, [witness.sign(text, 5)])
    assert checked(sealed, tsa.root).faults == ()


CHANGES: dict[str, Callable[[Path], object]] = {
    "a bit": lambda path: path.write_bytes(_flipped(path.read_bytes())),
    "its end": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "all of it": lambda path: path.write_bytes(b""),
    "its name": lambda path: path.rename(path.with_name("5.tsr")),
    "its name, to nothing": lambda path: path.rename(path.with_name("04.tsr")),
}


def _flipped(octets: bytes) -> bytes:
    return octets[:-20] + bytes([octets[-20] ^ 1]) + octets[-19:]


@pytest.mark.parametrize("change", CHANGES)
def test_one_that_was_changed_is_named(sealed: Room, tsa: Tsa, change: str) -> None:
    sealed.run(Stamps())
    path = sealed.access.sealed / "timestamps/4.tsr"
    path.chmod(0o600)
    CHANGES[change](path)
    (fault,) = checked(sealed, tsa.root).faults
    assert fault.path.parent == path.parent


def test_that_of_another_checkpoint_is_named(sealed: Room, tsa: Tsa) -> None:
    sealed.run(Stamps())
    folder = sealed.access.sealed / "timestamps"
    sealed.fill(3)
    sealed.run(SealAccess())
    shutil.copy(folder / "4.tsr", folder / "6.tsr")
    for root in (tsa.root, None):
        (fault,) = checked(sealed, root).faults
        assert (fault.path.name, "something else" in fault.what) == ("6.tsr", True)


def test_that_of_another_authority_does_not_hold(sealed: Room, tmp_path: Path) -> None:
    other = Tsa(tmp_path / "other")
    sealed.run(Stamps())
    (fault,) = checked(sealed, other.root).faults
    assert "signature does not hold" in fault.what
    sealed.set(timestamps=TimeStamps(sealed.settings.log.timestamps.url, other.root))
    sealed.fill(3)
    sealed.run(SealAccess())
    (problem,) = sealed.run(Stamps()).problems
    assert "signature does not hold" in problem
    assert not (sealed.access.sealed / "timestamps/6.tsr").exists()


ANSWERS: dict[str, tuple[Callable[[bytes], tuple[int, str, bytes]], str]] = {
    "a fault": (lambda octets: (500, _TYPE, octets), "answered 500"),
    "another type": (lambda octets: (200, "text/html", octets), "text/html"),
    "a bit": (lambda octets: (200, _TYPE, _flipped(octets)), ""),
    "half": (lambda octets: (200, _TYPE, octets[: len(octets) // 2]), "cannot be read"),
    "nothing": (lambda _: (200, _TYPE, b""), "cannot be read"),
    "a refusal": (lambda _: (200, _TYPE, bytes.fromhex("30053003020102")), "not granted"),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_an_answer_that_does_not_hold_is_not_kept(sealed: Room, tsa: Tsa, what: str) -> None:
    spoil, said = ANSWERS[what]
    before, tsa.spoil = tsa.spoil, spoil
    try:
        (problem,) = sealed.run(Stamps()).problems
    finally:
        tsa.spoil = before
    assert said in problem
    assert not (sealed.access.sealed / "timestamps").exists()
    assert sealed.run(Stamps()).problems == (), "the next time it is"


def test_an_answer_to_another_request_is_none(tsa: Tsa) -> None:
    text = "force.example/log\n0\n\n"
    asked, other = request(text), request(text)
    answer = tsa.answer(other.as_bytes())
    by = StampCheck.of(tsa.root)
    assert read_stamp(0, answer, text, by, other).proved
    with pytest.raises(StampError, match="nonce"):
        read_stamp(0, answer, text, by, asked)


def test_an_authority_that_is_down_is_asked_next_time(sealed: Room, tsa: Tsa) -> None:
    sealed.set(timestamps=TimeStamps("http://127.0.0.1:9/", tsa.root))
    (problem,) = sealed.run(Stamps()).problems
    assert "no time-stamp for the log access" in problem


def test_none_configured_is_none_asked(sealed: Room, tsa: Tsa) -> None:
    asked = tsa.asked
    sealed.set(timestamps=TimeStamps())
    assert (sealed.run(Stamps()).problems, tsa.asked) == ((), asked)
    found = checked(sealed, tsa.root)
    assert (found.faults, found.stamps) == ((), ())
