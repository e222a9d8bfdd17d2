"""The step that shows the last checkpoint of each log to the witnesses, and keeps what they sign.

In: settings, checkpoints. Out: checkpoints with the signatures of witnesses.
Must never: keep a signature that does not hold; let one witness that is down keep another from
being asked; pass over what a witness says of a log that it remembers otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy_addons.accesslog.keeper.asking import AskError, post
from proxy_addons.accesslog.keeper.step import ALARM, Outcome
from proxy_addons.accesslog.seal.adding import add_signatures
from proxy_addons.accesslog.seal.logs import logs_of
from proxy_addons.accesslog.seal.merkle import consistency_proof
from proxy_addons.accesslog.seal.notes import (
    Checkpoint,
    NoteError,
    Verifier,
    note_of,
    parts_of,
    signatures_of,
)
from proxy_addons.accesslog.seal.sealing import SealError
from proxy_addons.accesslog.seal.tiles import TileError
from proxy_addons.accesslog.witness.message import written
from proxy_addons.accesslog.witness.rules import (
    CONFLICT,
    FORBIDDEN,
    INCONSISTENT,
    OK,
    SIZE,
    UNKNOWN,
)

if TYPE_CHECKING:
    from proxy_addons.accesslog.keeper.asking import Answer
    from proxy_addons.accesslog.keeper.step import Context
    from proxy_addons.accesslog.seal.logs import SealedLog
    from proxy_addons.settings.log import Witness

_BODY = "text/plain; charset=utf-8"
_FUTURE = 300  # seconds that a witness's clock may be ahead


class WitnessError(Exception):
    """A witness does not sign. The text says why, and what to look at."""


class Witnesses:
    """Asks the witnesses."""

    name = "witnesses"

    def run(self, context: Context) -> Outcome:
        """Have the last checkpoints signed."""
        known: dict[str, Any] = {}
        problems, said = [], []
        for log in logs_of(context.settings) if context.settings.log.witnesses else ():
            note = log.seals.note()
            if not note:
                continue
            for witness in context.settings.log.witnesses:
                verifier = Verifier.parse(witness.key)
                place = f"{log.name} {witness.key}"
                asking = _Asking(log, note, witness, verifier, context)
                try:
                    size, at = asking.signed(int(context.known.get(place, {}).get("size", 0)))
                except (AskError, WitnessError, SealError, NoteError, TileError) as problem:
                    # The checkpoint counts without it, and the witness is asked again next time.
                    problems.append(f"witness {verifier.name}, log {log.name}: {problem}")
                    if place in context.known:
                        known[place] = context.known[place]
                    continue
                known[place] = {"size": size, "at": at}
                if asking.asked:
                    said.append(f"{verifier.name} has signed checkpoint {size} of {log.name}")
        return Outcome("; ".join(said), known, tuple(problems))


class _Asking:
    """One witness, asked about one log.

    Attributes:
        asked: whether it had to be.
    """

    def __init__(
        self, log: SealedLog, note: str, witness: Witness, verifier: Verifier, context: Context
    ) -> None:
        self._log = log
        self._note = note
        self._text, self._lines = parts_of(note)
        self._checkpoint = Checkpoint.parse(self._text)
        self._url = f"{witness.url}/add-checkpoint"
        self._verifier = verifier
        self._context = context
        self.asked = False

    def signed(self, seen: int) -> tuple[int, int]:
        """See that the checkpoint bears the witness's signature. Gives its size, and when.

        Args:
            seen: the size that it has signed before, as far as is known.
        """
        size = self._checkpoint.size
        there = signatures_of(self._note, [self._verifier])
        if there:
            return size, there[-1].at or 0
        self.asked = True
        answer = self._ask(min(seen, size))
        if answer.status == CONFLICT:
            remembered = self._remembered(answer)
            if remembered > size:
                raise WitnessError(
                    f"it has seen {remembered} entries, and this log has only {size}: IT"
                    f" {ALARM} PUT BACK to an earlier state. Compare it with a copy before anything"
                    " else is done."
                )
            answer = self._ask(remembered)
        if answer.status == INCONSISTENT:
            raise WitnessError(
                "what it has seen is not how this log begins: PART OF THE LOG"
                f" {ALARM} REPLACED. `watchhouse log verify` and a copy say more ({_said(answer)})"
            )
        if answer.status == UNKNOWN:
            raise WitnessError(
                f"it does not know the log {self._checkpoint.origin}; its operator starts it with"
                " --log and the public key"
            )
        if answer.status == FORBIDDEN:
            raise WitnessError(
                "it knows this log by another key; after a rotation its operator adds the new one"
            )
        if answer.status != OK:
            raise WitnessError(f"it answers {answer.status}: {_said(answer)}")
        return size, self._keep(answer)

    def _ask(self, old: int) -> Answer:
        size, tiles = self._checkpoint.size, self._log.seals.tiles
        proof = consistency_proof(lambda level, at: tiles.subtree(level, at, size), old, size)
        return post(
            self._url,
            written(old, proof, self._note),
            _BODY,
            self._context.settings.tls.trusted_ca_file,
        )

    def _remembered(self, answer: Answer) -> int:
        text = answer.body.decode(errors="replace").removesuffix("\n")
        if answer.content_type != SIZE or not (text.isascii() and text.isdecimal()):
            raise WitnessError("it refuses, and does not say what it has seen (409)")
        return int(text)

    def _keep(self, answer: Answer) -> int:
        """Check a signature and put it to the checkpoint. Gives when it was made."""
        try:
            _, lines = parts_of(self._text + "\n" + answer.body.decode())
        except (UnicodeDecodeError, NoteError) as problem:
            raise WitnessError("it answers something that is no signature") from problem
        for line in lines:
            # Those of other keys are ignored.
            held = signatures_of(note_of(self._text, [line]), [self._verifier])
            at = held[0].at if held else None
            if at is None:
                continue
            if not 0 < at <= self._context.clock() + _FUTURE:
                raise WitnessError(f"its clock is wrong: it signs at {at}")
            add_signatures(self._log.seals, self._checkpoint.size, self._text, [line])
            return at
        raise WitnessError("it answers without a signature by its key")


def _said(answer: Answer) -> str:
    """What it says, in printable characters."""
    text = answer.body[:200].decode(errors="replace").strip()
    return "".join(char if char.isprintable() else "?" for char in text)
