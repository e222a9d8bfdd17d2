"""Evidence packs, made by the desk: the exact lines of what an authorisation covers, with proofs.

In: who asks, an authorisation, a question, why. Out: a pack in the folder of packs.
Must never: put a line into a pack that the authorisation does not cover, or show one that it masks;
claim that a pack is complete where a filter left records out; make one that is not recorded.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import duckdb

from proxy_addons import __version__
from proxy_addons.accesslog.record import NAMES
from proxy_addons.accesslog.seal.keys import read
from proxy_addons.accesslog.seal.notes import NoteError
from proxy_addons.audit.desk.calls import Made
from proxy_addons.audit.desk.desk import said
from proxy_addons.audit.desk.wire import Refused
from proxy_addons.audit.pack.about import About, Event, PackError, Redactions, Whole
from proxy_addons.audit.pack.making import make_pack, write_pack
from proxy_addons.audit.store import Bounds, Question, StoreError
from proxy_addons.audit.trail import EXPORT

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from proxy_addons.accesslog.seal.logs import SealedLog
    from proxy_addons.audit.authority.model import Authorisation
    from proxy_addons.audit.authority.register import Authorisations
    from proxy_addons.audit.desk.calls import FetchPack, MakePack
    from proxy_addons.audit.desk.desk import Desk
    from proxy_addons.audit.desk.wire import Who
    from proxy_addons.audit.store import RecordStore, Row

MOST: Final = 10_000
"""Lines of one pack: a panel reads none of more, and it is made in memory."""
_NAME: Final = re.compile(r"[a-z0-9-]{1,40}-\d{8}t\d{6}z\.zip", re.ASCII)
_IDENTITY: Final = (
    "Each record says in `person_how` how its name was proven: by a Kerberos ticket, by a password,"
    " or by the address of a computer that the configuration gives one person. A name that was only"
    " claimed stands in `claimed`, and is evidence of nothing."
)
_CLOCK: Final = (
    "Times are those of the gateway's clock, UTC. How it was kept right is the machine's business"
    " (NTP); the times at which others have signed or stamped a checkpoint bound it from outside."
)


class Packing:
    """Makes packs, and finds those that were made.

    Args:
        desk: bounds and records.
        store: answers questions.
        authorisations: the register.
        log: the sealed log.
        folder: of the packs.
        now: the time, aware.
    """

    def __init__(
        self,
        desk: Desk,
        store: RecordStore,
        authorisations: Authorisations,
        log: SealedLog,
        folder: Path,
        now: Callable[[], datetime],
    ) -> None:
        self._desk = desk
        self._store = store
        self._authorisations = authorisations
        self._log = log
        self._folder = folder
        self._now = now

    def make(self, who: Who, call: MakePack) -> Made:
        """A pack of all that a question finds.

        Raises:
            Refused: none was made.
        """
        bounds = self._desk.bounds(who, call.authorisation, call.question)
        if bounds.pseudonyms is not None:
            raise Refused("refused", "A pack names people, and this authorisation does not.")
        found = self._authorisations.find(call.authorisation)
        assert found is not None, "its bounds were made"
        rows = self._rows(bounds, call.question)
        at = self._now()
        name = f"{found.reference.lower()}-{at:%Y%m%dt%H%M%Sz}.zip"
        about = self._about(who, call, found, rows, name.removesuffix(".zip"), at)
        hidden = Redactions(
            lines=frozenset(row.at for row in rows if row.masked),
            fields=frozenset(NAMES) - bounds.fields,
        )
        try:
            pack = make_pack(
                self._log.seals,
                [row.at for row in rows],
                about,
                signer=read(self._log.key),
                at=at,
                # The same for a full and a redacted pack of one authorisation; told to nobody.
                secret=hmac.digest(found.pseudonym_key, b"pack", "sha256"),
                whole=_whole(bounds, call.question),
                redactions=hidden,
            )
            outcome = {"form": "pack", "name": name, "sha256": pack.sha256, "rows": len(rows),
                       "withheld": pack.withheld, "note": call.note[:2000]}  # fmt: skip
            self._desk.note(EXPORT, who, found.reference, call.question, outcome)
            write_pack(pack, self._folder / name)
        except PackError as problem:
            raise Refused("refused", f"No pack was made: {problem}.") from problem
        except (OSError, NoteError) as problem:
            raise Refused("unavailable", f"No pack was made: {problem}") from problem
        return Made(name, len(pack.octets), pack.sha256, pack.lines, pack.withheld, pack.statement)

    def fetch(self, who: Who, call: FetchPack) -> Made:
        """A pack that was made under an authorisation, for who may look by it still.

        Raises:
            Refused: there is none, or not for them.
        """
        self._desk.bounds(who, call.authorisation, None)
        path = self._folder / call.name
        mine = call.name.startswith(f"{call.authorisation.lower()}-")
        if not (_NAME.fullmatch(call.name) and mine and path.is_file()):
            raise Refused("unknown", "There is no such pack of this authorisation.")
        try:
            octets = path.stat().st_size
        except OSError as problem:
            raise Refused("unavailable", f"The pack cannot be read: {problem.strerror}") from (
                problem
            )
        self._desk.note(EXPORT, who, call.authorisation, None, {"form": "pack", "name": call.name})
        return Made(call.name, octets, "", 0, 0, "")

    # --- inside -----------------------------------------------------------------------------

    def _rows(self, bounds: Bounds, question: Question) -> list[Row]:
        """All lines; a transaction that was long has one that it was going on, and one of its end.

        Raises:
            Refused: there are none, or too many.
        """
        most = min(MOST, bounds.rows)
        rows: list[Row] = []
        try:
            for event in ("transaction", "open") if not question.event else (question.event,):
                asked = replace(question, event=event, newest_first=False)
                if len(rows) + self._store.total(bounds, asked).records > most:
                    raise Refused(
                        "refused",
                        f"A pack has at most {most} lines here: choose a shorter time. Several"
                        " packs, one after the other, are as good.",
                    )
                rows.extend(self._store.every(bounds, asked))
        except StoreError as problem:
            raise Refused("unavailable", f"No pack was made: {problem}") from problem
        if not rows:
            raise Refused("refused", "There is nothing to be packed: nothing fits the question.")
        return rows

    def _about(
        self, who: Who, call: MakePack, found: Authorisation, rows: list[Row], name: str,
        at: datetime,
    ) -> About:  # fmt: skip
        def versions(field: str) -> tuple[str, ...]:
            return tuple(sorted({str(v) for row in rows if (v := row.values.get(field))}))

        return About(
            id=name,
            title=f"Web records under {found.reference}",
            authorisation=found.reference,
            maker=who.name,
            software=__version__,
            engine=f"DuckDB {duckdb.__version__}",
            identity=_IDENTITY,
            clock=_CLOCK,
            details=_details(found),
            question=said(call.question),
            counts={"records": len(rows), "masked": sum(row.masked for row in rows)},
            list_versions=versions("list_version"),
            policy_versions=versions("policy_version"),
            custody=(
                Event(at.isoformat(), who.name, f"asked for under {found.reference}: {call.note}"),
                Event(at.isoformat(), "the desk", "read, compared with what was sealed, packed"),
            ),
        )


def _whole(bounds: Bounds, question: Question) -> Whole | None:
    """What a pack can be complete for: one person and a time, with no other filter."""
    others = (
        question.client, question.host, question.category, question.rule, question.action,
        question.file_type, question.text, question.event,
    )  # fmt: skip
    persons = bounds.persons or frozenset()
    person = question.person or (next(iter(persons)) if len(persons) == 1 else "")
    if any(others) or bounds.categories is not None or person not in persons:
        return None
    since = max(filter(None, (question.since, bounds.since)))
    until = min(filter(None, (question.until, bounds.until)))
    return Whole(since, until, person=person) if since < until else None


def _details(found: Authorisation) -> dict[str, Any]:
    """An authorisation, as a pack tells it; each can be withheld by itself."""
    return {
        "form": f"{found.form} {found.form_version}",
        "kind": str(found.kind),
        "applicant": found.applicant,
        "applied_at": found.applied_at.isoformat(),
        "subjects": {name: str(each) for name, each in sorted(found.subjects.items())},
        "approvals": [
            {"office": each.office, "person": each.person, "at": each.at.isoformat(),
             "word_of_mouth": each.oral}
            for each in found.approvals
        ],
        "purpose": str(found.purpose),
        "regime": str(found.regime),
        "allegation": found.allegation or "",
        "necessity": found.necessity,
        "proportionality": found.proportionality,
        "records_from": found.begins.isoformat(),
        "records_until": found.ends.isoformat(),
        "valid_from": found.valid_from.isoformat(),
        "valid_until": found.valid_until.isoformat(),
    }  # fmt: skip
