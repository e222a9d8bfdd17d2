"""What a witness signs: each status of C2SP's tlog-witness, and never a log that went back."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.accesslog.seal.merkle import EMPTY, Leaves, consistency_proof, leaf_hash, root_at
from proxy_addons.accesslog.seal.notes import (
    COSIGNATURE,
    Checkpoint,
    Signer,
    note_of,
    parts_of,
    signatures_of,
)
from proxy_addons.accesslog.witness.message import MessageError, parse, written
from proxy_addons.accesslog.witness.rules import SIZE, Verdict, decide

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "force.example/access-log"
LOG = Signer(NAME, bytes(range(32)))
OLDER = Signer(NAME, bytes(range(1, 33)))
WITNESS = Signer("witness.example/w1", bytes(32), COSIGNATURE)
NOW = 1_795_262_700
LEAVES = Leaves([leaf_hash(b"%d" % at) for at in range(70)])
FORKED = Leaves([leaf_hash(b"%d" % (at if at != 3 else 99)) for at in range(70)])


def note(size: int, *signers: Signer, leaves: Leaves = LEAVES) -> str:
    text = str(Checkpoint(NAME, size, root_at(leaves.subtree, size)))
    return note_of(text, [each.sign(text) for each in signers or (LOG,)])


def body(old: int, size: int, leaves: Leaves = LEAVES) -> bytes:
    proof = consistency_proof(leaves.subtree, old, size) if old <= size else []
    return written(old, proof, note(size, leaves=leaves))


class Witness:
    """A witness, as the server has it."""

    def __init__(self) -> None:
        self.last: dict[str, str] = {}

    def ask(self, body: bytes) -> Verdict:
        found = decide(body, self.last, [OLDER.verifier, LOG.verifier], WITNESS, NOW)
        if found.keep:
            self.last[found.origin] = found.keep
        return found


@pytest.fixture
def witness() -> Witness:
    """One that has signed 5 entries."""
    made = Witness()
    assert made.ask(body(0, 5)).status == 200
    return made


def test_a_log_that_grows_is_signed(witness: Witness) -> None:
    for old, size in ((5, 5), (5, 6), (6, 8), (8, 64), (64, 70), (70, 70)):
        found = witness.ask(body(old, size))
        assert found.status == 200
        text = parts_of(note(size))[0]
        (signed,) = signatures_of(note_of(text, [found.body]), [WITNESS.verifier])
        assert signed.at == NOW
        assert witness.last[NAME] == note(size) + found.body


def test_what_is_kept_has_no_signatures_of_strangers() -> None:
    stranger = Signer("other.example", bytes(32))
    fresh = Witness()
    fresh.ask(written(0, [], note(5, LOG, stranger, OLDER)))
    held = parts_of(fresh.last[NAME])[1]
    assert len(held) == 3
    assert not any("other.example" in each for each in held)


def _resigned() -> bytes:
    text = parts_of(note(6))[0]
    return written(5, [], note_of(text, parts_of(note(7))[1]))


def _half_signed() -> bytes:
    text = parts_of(note(6))[0]
    return written(5, [], note_of(text, [LOG.sign(text), OLDER.sign("another\n")]))


WRONG: dict[str, tuple[Callable[[], bytes], int]] = {
    "nothing": (lambda: b"", 400),
    "no checkpoint": (lambda: b"old 5\n\n", 400),
    "no old size": (lambda: note(6).encode(), 400),
    "an old size with a zero": (lambda: body(5, 6).replace(b"old 5", b"old 05"), 400),
    "a negative one": (lambda: body(5, 6).replace(b"old 5", b"old -5"), 400),
    "a space more": (lambda: body(5, 6).replace(b"old 5", b"old  5"), 400),
    "digits of elsewhere": (lambda: body(5, 6).replace(b"old 5", "old \u0665".encode()), 400),
    "no UTF-8": (lambda: body(5, 6) + b"\xff", 400),
    "a proof that is no base64": (lambda: body(5, 6).replace(b"old 5\n", b"old 5\n!!\n"), 400),
    "a hash that is too short": (lambda: body(5, 6).replace(b"old 5\n", b"old 5\nAAAA\n"), 400),
    "64 lines": (lambda: written(5, [bytes(32)] * 64, note(6)), 400),
    "an old size beyond": (lambda: written(7, [], note(6)), 400),
    "another log": (
        lambda: body(5, 6).replace(NAME.encode(), b"other.example/log"),
        404,
    ),
    "signed by a stranger": (
        lambda: written(5, [], note(6, Signer(NAME, bytes(32)))),
        403,
    ),
    "a signature of another text": (_resigned, 403),
    "one good, one bad signature of known keys": (_half_signed, 403),
    "an old size before": (lambda: body(4, 6), 409),
    "an old size of nothing": (lambda: body(0, 6), 409),
    "smaller": (lambda: body(3, 4), 409),
    "smaller, by the size that was seen": (lambda: written(5, [], note(4)), 400),
    "another log of one size": (lambda: body(5, 5, FORKED), 422),
    "a larger one that was another": (lambda: body(5, 9, FORKED), 422),
    "no proof": (lambda: written(5, [], note(6)), 422),
    "a proof of the same": (lambda: written(5, [bytes(32)], note(5)), 422),
    "the proof of another": (
        lambda: written(5, consistency_proof(LEAVES.subtree, 4, 7), note(7)),
        422,
    ),
    "a proof that is longer": (
        lambda: written(5, [*consistency_proof(LEAVES.subtree, 5, 7), bytes(32)], note(7)),
        422,
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_does_not_fit_is_refused_and_changes_nothing(witness: Witness, what: str) -> None:
    before = dict(witness.last)
    make, status = WRONG[what]
    found = witness.ask(make())
    assert (found.status, found.keep) == (status, "")
    assert witness.last == before
    if status == 409:
        assert (found.body, found.content_type) == ("5\n", SIZE)


def test_of_nothing_seen_nothing_is_proved() -> None:
    assert Witness().ask(written(0, [bytes(32)], note(5))).status == 422
    found = Witness().ask(body(2, 5))
    assert (found.status, found.body) == (409, "0\n")


def test_a_log_without_entries_has_one_root_only() -> None:
    for root, status in ((EMPTY, 200), (bytes(32), 422)):
        text = str(Checkpoint(NAME, 0, root))
        assert Witness().ask(written(0, [], note_of(text, [LOG.sign(text)]))).status == status


def test_a_key_that_was_replaced_is_known_beside_the_new_one(witness: Witness) -> None:
    proof = consistency_proof(LEAVES.subtree, 5, 6)
    assert witness.ask(written(5, proof, note(6, OLDER, LOG))).status == 200
    assert len(parts_of(witness.last[NAME])[1]) == 3


@given(st.lists(st.tuples(st.integers(0, 70), st.integers(0, 70), st.booleans()), max_size=12))
def test_what_it_has_signed_only_ever_grows(asked: list[tuple[int, int, bool]]) -> None:
    witness = Witness()
    signed = 0
    forked: set[bool] = set()
    for old, size, fork in asked:
        found = witness.ask(body(old, size, FORKED if fork else LEAVES))
        if found.status == 200:
            assert old == signed <= size
            signed = size
            if size > 3:
                forked.add(fork)
    assert len(forked) < 2, "two logs that differ were both signed"


@given(st.integers(0, 10**18), st.lists(st.binary(min_size=32, max_size=32), max_size=63))
def test_a_body_is_read_as_it_was_written(old: int, proof: list[bytes]) -> None:
    found = parse(written(old, proof, note(6)))
    assert (found.old, list(found.proof), found.note) == (old, proof, note(6))


@given(st.integers(0, 400), st.integers(0, 255))
def test_no_octet_that_is_changed_ends_in_anything_but_an_answer(at: int, octet: int) -> None:
    octets = bytearray(body(0, 6))
    octets[at % len(octets)] = octet
    found = Witness().ask(bytes(octets))
    if found.status == 200:
        # Nothing but what does not count was changed.
        asked = parse(bytes(octets))
        assert asked.text == parts_of(note(6))[0]


def test_a_hash_has_one_way_to_be_written() -> None:
    proper = base64.b64encode(bytes(31) + b"\1").decode()
    odd = proper[:-2] + chr(ord(proper[-2]) + 1) + "="
    with pytest.raises(MessageError):
        parse(f"old 5\n{odd}\n\n{note(6)}".encode())
