"""What a witness signs (C2SP tlog-witness).

In: a submission, what was signed last, keys of logs. Out: an answer, and what is to be kept before
it is given.
Must never: sign a checkpoint that does not go on from the last one; do I/O.

The order of the checks is the specification's: who it is, then whether it fits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy_addons.accesslog.seal.merkle import EMPTY, ProofError, check_consistency
from proxy_addons.accesslog.seal.notes import (
    Checkpoint,
    NoteError,
    note_of,
    parts_of,
    signatures_of,
)
from proxy_addons.accesslog.witness.message import MessageError, parse

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from proxy_addons.accesslog.seal.notes import Signer, Verifier
    from proxy_addons.accesslog.witness.message import Submission

OK, BAD, FORBIDDEN, UNKNOWN, CONFLICT, INCONSISTENT = 200, 400, 403, 404, 409, 422
PLAIN: Final = "text/plain"
SIZE: Final = "text/x.tlog.size"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is answered.

    Attributes:
        status: of HTTP.
        body: of the answer.
        content_type: of it.
        origin: of the log, where it is known.
        keep: what must be durable before the answer is given: the checkpoint with the log's
            signatures and ours; "": nothing.
    """

    status: int
    body: str
    content_type: str = PLAIN
    origin: str = ""
    keep: str = ""


def decide(
    body: bytes,
    last: Mapping[str, str],
    logs: Collection[Verifier],
    signer: Signer,
    now: int,
) -> Verdict:
    """Decide on a request.

    Args:
        body: of it.
        last: by origin, the checkpoint that was signed last.
        logs: keys of the logs that are known.
        signer: the witness's key.
        now: seconds since 1970; more than 0.
    """
    try:
        asked = parse(body)
    except MessageError as problem:
        return Verdict(BAD, f"{problem}\n")  # nothing of it is kept
    checkpoint = asked.checkpoint
    origin = checkpoint.origin
    keys = [each for each in logs if each.name == origin]
    if not keys:
        return Verdict(UNKNOWN, "this log is not known here\n")
    try:
        held = signatures_of(asked.note, keys)
    except NoteError:
        held = []  # one of its keys is named, and has not signed this
    if not held:
        return Verdict(FORBIDDEN, "not signed with a key of this log\n", origin=origin)
    if asked.old > checkpoint.size:
        return Verdict(BAD, "the old size is larger than the checkpoint\n", origin=origin)
    before = Checkpoint.parse(parts_of(last[origin])[0]) if origin in last else None
    seen = before.size if before is not None else 0
    if asked.old != seen:
        return Verdict(CONFLICT, f"{seen}\n", SIZE, origin)
    if why := _inconsistent(asked, checkpoint, before):
        return Verdict(INCONSISTENT, f"{why}\n", origin=origin)
    line = signer.sign(asked.text, now)
    return Verdict(OK, line, origin=origin, keep=_kept(asked, keys, line))


def _inconsistent(asked: Submission, checkpoint: Checkpoint, before: Checkpoint | None) -> str:
    """Why a checkpoint does not go on from the last one; "": it does."""
    if checkpoint.size == 0 and checkpoint.root != EMPTY:
        return "a log without entries has another root"
    root = before.root if before is not None else EMPTY
    try:
        check_consistency(asked.old, root, checkpoint.size, checkpoint.root, asked.proof)
    except ProofError as problem:
        return str(problem)
    return ""


def _kept(asked: Submission, keys: Collection[Verifier], line: str) -> str:
    """The checkpoint with the signatures that were checked, and ours: anybody may have it."""
    text, lines = parts_of(asked.note)
    sound = [each for each in lines if signatures_of(note_of(text, [each]), keys)]
    return note_of(text, [*sound, line])
