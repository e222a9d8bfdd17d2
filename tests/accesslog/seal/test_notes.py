"""Signed notes: by the vector of the specification, and by whatever may be changed in one."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.accesslog.seal.merkle import leaf_hash
from proxy_addons.accesslog.seal.notes import (
    COSIGNATURE,
    Checkpoint,
    NoteError,
    Signature,
    Signer,
    Verifier,
    note_of,
    parts_of,
    signatures_of,
)

# The example of C2SP's signed-note.
KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
NOTE = """This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
"""  # noqa: E501 - a line of the specification

LOG = Signer("force.example/access-log", bytes(range(32)))
WITNESS = Signer("other.example/witness", bytes(range(1, 33)), COSIGNATURE)
CHECKPOINT = Checkpoint("force.example/access-log", 42, leaf_hash(b"x"))
SIGNED = note_of(str(CHECKPOINT), [LOG.sign(str(CHECKPOINT))])


def test_the_example_of_the_specification() -> None:
    key = Verifier.parse(KEY)
    assert str(key) == KEY
    assert signatures_of(NOTE, [key]) == [Signature(key)]
    assert parts_of(NOTE)[0] == "This is an example message.\n"


def test_a_checkpoint_is_signed_and_read_again() -> None:
    assert signatures_of(SIGNED, [LOG.verifier]) == [Signature(LOG.verifier)]
    assert Checkpoint.parse(parts_of(SIGNED)[0]) == CHECKPOINT
    assert Verifier.parse(str(LOG.verifier)) == LOG.verifier
    assert str(CHECKPOINT).split("\n")[:2] == ["force.example/access-log", "42"]


def test_a_witness_says_when() -> None:
    note = SIGNED + WITNESS.sign(str(CHECKPOINT), 1_700_000_000)
    keys = [LOG.verifier, WITNESS.verifier]
    assert signatures_of(note, keys) == [
        Signature(LOG.verifier),
        Signature(WITNESS.verifier, 1_700_000_000),
    ]
    # Another time under the same signature.
    line = note.rpartition("— ")[2]
    name, said = line.split()
    octets = bytearray(base64.b64decode(said))
    octets[11] ^= 1
    forged = note.replace(said, base64.b64encode(octets).decode())
    with pytest.raises(NoteError, match=r"other\.example/witness does not hold"):
        signatures_of(forged, keys)
    assert name == WITNESS.name


def test_the_two_kinds_are_not_taken_for_each_other() -> None:
    """One key for both: what a log signs is no word of a witness."""
    both = Signer(LOG.name, LOG.seed, COSIGNATURE)
    assert both.verifier.id != LOG.verifier.id
    assert signatures_of(SIGNED, [both.verifier]) == []


def test_who_is_not_known_does_not_count() -> None:
    assert signatures_of(SIGNED, []) == []
    assert signatures_of(SIGNED, [Verifier.parse(KEY)]) == []
    stranger = Signer(LOG.name, bytes(32))
    note = note_of(str(CHECKPOINT), [stranger.sign(str(CHECKPOINT))])
    assert signatures_of(note, [LOG.verifier]) == []


@given(st.data())
def test_whatever_is_changed_is_found(data: st.DataObject) -> None:
    text = SIGNED.encode()
    at = data.draw(st.integers(0, len(text) - 1))
    kind = data.draw(st.sampled_from(["other", "fewer", "more"]))
    octet = data.draw(st.integers(0, 255).filter(lambda each: each != text[at]))
    changed = {
        "other": text[:at] + bytes([octet]) + text[at + 1 :],
        "fewer": text[:at] + text[at + 1 :],
        "more": text[:at] + bytes([octet]) + text[at:],
    }[kind]
    if changed == text:
        return  # the same twice: one of them was taken
    try:
        held = signatures_of(changed.decode(), [LOG.verifier])
        read = Checkpoint.parse(parts_of(changed.decode())[0])
    except (NoteError, UnicodeDecodeError):
        return
    assert not held or read == CHECKPOINT, "signed, and says something else"


@pytest.mark.parametrize(
    "note",
    [
        "",
        "text\n",
        "text\n\n",
        "text\n\n— a",
        "text\n\n- a b\n",
        "te\txt\n\n— a b\n",
        "te\rxt\n\n— a b\n",
        "text\n\n— a b\nmore\n",
        "text\n\n" + "— a b\n" * 65,
        "x" * (1 << 20) + "\n\n— a b\n",
    ],
)
def test_what_is_no_note(note: str) -> None:
    with pytest.raises(NoteError):
        parts_of(note)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\n1\n",
        "a\n1\nAAAA\n",
        "a\n01\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "a\n-1\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "a\n1\n" + base64.b64encode(bytes(32)).decode(),
        "a\n1\n" + base64.b64encode(bytes(32)).decode() + "\n\nmore\n",
        "\n1\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "a\n١\n" + base64.b64encode(bytes(32)).decode() + "\n",  # noqa: RUF001 - another script's one
    ],
)
def test_what_is_no_checkpoint(text: str) -> None:
    with pytest.raises(NoteError):
        Checkpoint.parse(text)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "a+b+c",
        KEY[:-1],
        KEY.replace("530d903a", "530d903b"),
        KEY.replace("example.com/foo", "example.com/bar"),
        KEY.replace("example.com/foo", "example com/foo"),
        "a+00000000+" + base64.b64encode(b"\2" + bytes(32)).decode(),
    ],
)
def test_what_is_no_key(key: str) -> None:
    with pytest.raises(NoteError):
        Verifier.parse(key)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb"])
def test_a_name_that_cannot_be(name: str) -> None:
    with pytest.raises(NoteError):
        Signer(name, bytes(32)).sign("text\n")


def test_a_secret_is_not_shown() -> None:
    assert LOG.seed.hex() not in repr(LOG)
    assert repr(LOG.seed) not in repr(LOG)
