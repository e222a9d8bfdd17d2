"""Checkpoints are shown to real witnesses; what they sign is kept, what they refuse is said."""

from __future__ import annotations

import shutil
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from support.keeping import NOON, Room
from support.witness import NAME, WitnessCommand

from proxy_addons.accesslog.keeper.cosigning import Witnesses
from proxy_addons.accesslog.keeper.seals import SealAccess, SealTrail
from proxy_addons.accesslog.seal.checking import Others, check
from proxy_addons.accesslog.seal.keyring import rotate
from proxy_addons.accesslog.seal.notes import (
    COSIGNATURE,
    Signer,
    Verifier,
    parts_of,
    signatures_of,
)
from proxy_addons.settings.log import Witness

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FUTURE = NOON + 86400 * 3650  # the witness's own clock is the real one


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> WitnessCommand:
    return WitnessCommand(tmp_path_factory.mktemp("witness") / "files")


@pytest.fixture
def witness(command: WitnessCommand, tmp_path: Path) -> WitnessCommand:
    """One that has signed nothing."""
    shutil.copytree(command.key_file.parent, tmp_path / "witness")
    made = object.__new__(WitnessCommand)
    made.key = command.key
    made.key_file = tmp_path / "witness" / command.key_file.name
    made.state = tmp_path / "witness" / command.state.name
    return made


@pytest.fixture
def sealed(room: Room) -> Room:
    room.fill(2)
    room.run(SealAccess())
    room.now = FUTURE
    return room


def more(room: Room, count: int) -> None:
    room.fill(count)
    room.run(SealAccess())


def test_checkpoints_are_signed_hour_by_hour(sealed: Room, witness: WitnessCommand) -> None:
    key = Verifier.parse(witness.key)
    with witness.serving(str(sealed.key)) as url:
        sealed.set(witnesses=(Witness(url, witness.key),))
        done = sealed.run(Witnesses())
        assert done.problems == ()
        assert done.said == f"{NAME} has signed checkpoint 4 of access"
        (known,) = done.known.values()
        assert known["size"] == 4
        again = sealed.run(Witnesses())
        assert (again.said, again.known) == ("", done.known), "it has signed this one"
        more(sealed, 3)
        assert sealed.run(Witnesses()).problems == ()
        # Who has forgotten what was signed asks, and is told.
        sealed.known.clear()
        more(sealed, 4)
        assert sealed.run(Witnesses()).problems == ()
    for size in (4, 6, 8):
        note = sealed.access.seals.signed(size).read_text()
        assert len(parts_of(note)[1]) == 2
        assert [each.by for each in signatures_of(note, [key])] == [key]
    copy = sealed.access.sealed / "checkpoint"
    assert copy.read_text() == sealed.access.seals.signed(8).read_text()
    found = check(sealed.access.seals, [sealed.key], others=Others((key,), oldest=FUTURE))
    assert found.faults == ()
    assert [each.size for each in found.witnessed] == [8]
    more(sealed, 5)
    assert check(sealed.access.seals, [sealed.key]).faults == (), "and the log goes on"


def test_what_no_witness_has_signed_lately_is_a_fault_when_it_is_demanded(
    sealed: Room, witness: WitnessCommand
) -> None:
    key = Verifier.parse(witness.key)

    def faults(oldest: float, *, demanded: bool = True) -> list[str]:
        others = Others((key,), oldest=oldest, demanded=demanded)
        return [
            str(each) for each in check(sealed.access.seals, [sealed.key], others=others).faults
        ]

    (never,) = faults(0)
    assert "has signed no checkpoint at all" in never
    assert faults(0, demanded=False) == []
    with witness.serving(str(sealed.key)) as url:
        sealed.set(witnesses=(Witness(url, witness.key),))
        sealed.run(Witnesses())
    more(sealed, 3)
    assert faults(0) == []
    (late,) = faults(FUTURE)
    assert "nor any lately: the last was that of 4 entries" in late


def test_a_witness_that_is_down_is_asked_next_time(sealed: Room, witness: WitnessCommand) -> None:
    with witness.serving(str(sealed.key)) as url:
        down = Witness("http://127.0.0.1:9", str(Signer("down", bytes(32), COSIGNATURE).verifier))
        sealed.set(witnesses=(down, Witness(url, witness.key)))
        done = sealed.run(Witnesses())
        assert (len(done.problems), len(done.known)) == (1, 1)
        assert "witness down" in done.problems[0]


def test_a_log_that_was_put_back_is_said_aloud(
    sealed: Room, witness: WitnessCommand, tmp_path: Path
) -> None:
    with witness.serving(str(sealed.key)) as url:
        sealed.set(witnesses=(Witness(url, witness.key),))
        shutil.copytree(sealed.access.sealed, tmp_path / "before")
        more(sealed, 3)
        assert sealed.run(Witnesses()).problems == ()
        shutil.rmtree(sealed.access.sealed)
        shutil.copytree(tmp_path / "before", sealed.access.sealed)
        assert check(sealed.access.seals, [sealed.key]).faults == (), "sound in itself"
        (problem,) = sealed.run(Witnesses()).problems
        assert "has seen 6 entries, and this log has only 4: IT MAY HAVE BEEN PUT BACK" in problem
        # The same size with other content.
        sealed.known.clear()
        (sealed.access.segments / "access-w02-20261121T10Z-0001.jsonl").unlink()
        more(sealed, 4)
        (problem,) = sealed.run(Witnesses()).problems
        assert "PART OF THE LOG MAY HAVE BEEN REPLACED" in problem


def test_a_log_and_a_key_that_it_does_not_know(sealed: Room, witness: WitnessCommand) -> None:
    sealed.fill(1, log=sealed.trail)
    sealed.run(SealTrail())
    old = str(sealed.key)
    with witness.serving(old) as url:
        sealed.set(witnesses=(Witness(url, witness.key),))
        (problem,) = sealed.run(Witnesses()).problems
        assert "does not know the log force.example/access-log/trail" in problem
        log = sealed.access
        rotate(log.seals, log.key, now=NOON, entropy=sealed.entropy, reason="a test")
        assert len(sealed.run(Witnesses()).problems) == 1, "signed by both, and so by the old one"
        more(sealed, 3)
        assert any(
            "knows this log by another key" in each for each in sealed.run(Witnesses()).problems
        )
    with witness.serving(old, str(sealed.key)) as url:
        sealed.set(witnesses=(Witness(url, witness.key),))
        assert not any("another key" in each for each in sealed.run(Witnesses()).problems)


@contextmanager
def answering(status: int, content_type: str, body: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Location", "http://127.0.0.1:9/")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


KEY = Signer("liar.example", bytes(32), COSIGNATURE)
ANSWERS = {
    "nothing": (200, "text/plain", b"", "no signature"),
    "a page": (200, "text/html", b"<html>\x1b[1m", "no signature"),
    "no UTF-8": (200, "text/plain", b"\xff", "no signature"),
    "the signature of another text": (200, "text/plain", KEY.sign("x\n", 5).encode(), "not hold"),
    "somebody else's": (
        200,
        "text/plain",
        Signer("other", bytes(32), COSIGNATURE).sign("x\n", 5).encode(),
        "without a signature by its key",
    ),
    "a conflict without a size": (409, "text/plain", b"4\n", "does not say"),
    "a size that is none": (409, "text/x.tlog.size", b"-1\n", "does not say"),
    "a conflict again and again": (409, "text/x.tlog.size", b"2\n", "answers 409"),
    "a redirect": (302, "text/plain", b"", "answers 302"),
    "a fault": (500, "text/plain", b"\x1b[31mno", "answers 500: ?[31mno"),
    "too much": (200, "text/plain", b"x" * (1 << 19), "more than"),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_an_answer_that_is_none_changes_nothing(sealed: Room, what: str) -> None:
    status, content_type, body, said = ANSWERS[what]
    before = sealed.access.seals.note()
    with answering(status, content_type, body) as url:
        sealed.set(witnesses=(Witness(url, str(KEY.verifier)),))
        done = sealed.run(Witnesses())
    assert len(done.problems) == 1
    assert said in done.problems[0]
    assert sealed.access.seals.note() == before


@pytest.mark.parametrize("at", [0, int(FUTURE) + 3600])
def test_a_signature_of_no_time_is_none(sealed: Room, at: int) -> None:
    text = parts_of(sealed.access.seals.note())[0]
    with answering(200, "text/plain", KEY.sign(text, at).encode()) as url:
        sealed.set(witnesses=(Witness(url, str(KEY.verifier)),))
        (problem,) = sealed.run(Witnesses()).problems
    assert "its clock is wrong" in problem


def test_a_seal_in_the_meantime_is_waited_for(sealed: Room, witness: WitnessCommand) -> None:
    with witness.serving(str(sealed.key)) as url:
        sealed.set(witnesses=(Witness(url, witness.key),))
        with sealed.access.seals.locked():
            (problem,) = sealed.run(Witnesses()).problems
        assert "another process" in problem
        assert sealed.run(Witnesses()).problems == ()


def test_without_witnesses_nobody_is_asked(sealed: Room) -> None:
    assert sealed.run(Witnesses()).known == {}
    sealed.set(witnesses=(Witness("http://127.0.0.1:9", str(KEY.verifier)),))
    shutil.rmtree(sealed.access.sealed)
    assert sealed.run(Witnesses()).problems == (), "nothing was signed yet"
