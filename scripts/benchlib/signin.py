"""Signing in by Kerberos: what a new connection costs with a ticket to check, and without.

In: Squid and the gateway with one keytab, clients with real tickets of a real KDC. Out: CPU for a
connection with one request (of a client known by address; with a ticket; asked first and then with
a ticket, as browsers do), what the ticket adds to it, and what checking it costs by itself.
Must never: offer a token twice; count a sign-in that is not in the side's log under its name; call
equal what is not: each side must refuse a replayed token.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from itertools import cycle
from typing import TYPE_CHECKING, Self, override

from benchlib import cpu, load
from benchlib.asking import (
    FIRST_KNOWN,
    FIRST_UNKNOWN,
    SquidNegotiate,
    WatchhouseNegotiate,
    helper,
    signed_in,
    spent,
)
from benchlib.load import BadAnswerError
from benchlib.place import SideError
from benchlib.realm import Realm
from benchlib.scenarios import page
from benchlib.side import ROOT
from benchlib.study import Bench, Figures, Study, shown, spread, spread_of_ratios

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchlib.side import Side

# Sign-ins of a kind in a round, and in how many turns.
SIGN_INS, QUICK_SIGN_INS = 2000, 400
SLICES = 4
AT_ONCE = 6
WARM_UP = 60
OURS, THEIRS = "watchhouse", "squid"
# Clients known by address; with a ticket at once; asked first, and then with a ticket.
OPEN, TICKET, ASKED = "open", "ticket", "asked"
KINDS = (OPEN, TICKET, ASKED)
SAID = {
    OPEN: "known by address",
    TICKET: "with a ticket",
    ASKED: "asked first, then with a ticket",
}


class SignIn(Study):
    """New connections in plain HTTP, one request on each."""

    name = "sign-in"
    title = "signing in by Kerberos"

    @override
    def measure(self, bench: Bench) -> Figures:
        place, origin = bench.place, bench.origin
        number = (QUICK_SIGN_INS if bench.quick else SIGN_INS) // SLICES
        with (
            Realm(place, self.name) as realm,
            bench.alone(SquidNegotiate(place, origin, realm)) as squid,
            bench.alone(WatchhouseNegotiate(place, origin, realm)) as ours,
            Checkers(bench, realm) as checkers,
        ):
            sides: dict[str, Side] = {THEIRS: squid, OURS: ours}
            asked = {name: Asked(bench, side, realm) for name, side in sides.items()}
            refused = {name: each.refuses_replays() for name, each in asked.items()}
            rounds: list[dict[str, dict[str, float]]] = []
            tickets: list[dict[str, float]] = []
            for turn in range(bench.rounds):
                bench.doing(f"{self.name}: round {turn + 1}")
                rounds.append(_round(asked, number))
                tickets.append(checkers.round(number))
            for each in asked.values():
                each.check_log()
        return {
            "sign_ins": number * SLICES,
            "replays_refused": refused,
            "versions": {name: side.version for name, side in sides.items()},
            **figures_of(rounds, tickets),
        }

    @override
    def lines(self, figures: Figures) -> Iterator[str]:
        yield (
            f"Signing in by Kerberos, {figures['sign_ins']:,} of a kind a round, CPU µs for a new"
            " connection with one request (sign-in)"
        )
        for name, costs in figures["cpu_us"].items():
            kinds = "; ".join(f"{SAID[kind]} {shown(costs[kind], 0)}" for kind in KINDS)
            yield f"  {name}: {kinds}"
        for name, added in figures["added_us"].items():
            yield (
                f"  {name}: the ticket adds {shown(added[TICKET], 0)}, with the question before it"
                f" {shown(added[ASKED], 0)}; checking a ticket in a process that does nothing else"
                f" takes {shown(figures['check_us'][name], 0)}"
            )
        added, whole = figures["ratio"]["added"], figures["ratio"]["whole"]
        yield (
            f"  {OURS}/{THEIRS}: sign-in {shown(added[TICKET])}, with the question"
            f" {shown(added[ASKED])}; the whole connection {shown(whole[TICKET])}, with the"
            f" question {shown(whole[ASKED])}; the check alone {shown(figures['ratio']['check'])}"
        )
        for name, refused in figures["replays_refused"].items():
            yield f"  {name}: a token offered twice is {'refused' if refused else 'TAKEN'}"


def figures_of(
    rounds: Sequence[dict[str, dict[str, float]]], tickets: Sequence[dict[str, float]]
) -> Figures:
    """Spreads and ratios, each taken round by round.

    Args:
        rounds: CPU µs by side and kind.
        tickets: CPU µs of a check alone, by side.
    """
    added = [
        {
            name: {kind: row[kind] - row[OPEN] for kind in (TICKET, ASKED)}
            for name, row in one.items()
        }
        for one in rounds
    ]

    def each(found: Sequence[dict[str, dict[str, float]]], name: str, kind: str) -> list[float]:
        return [one[name][kind] for one in found]

    def ratios(found: Sequence[dict[str, dict[str, float]]], kinds: Sequence[str]) -> Figures:
        return {
            kind: spread_of_ratios(each(found, OURS, kind), each(found, THEIRS, kind))
            for kind in kinds
        }

    names = (THEIRS, OURS)
    return {
        "cpu_us": {n: {k: spread(each(rounds, n, k)) for k in KINDS} for n in names},
        "added_us": {n: {k: spread(each(added, n, k)) for k in (TICKET, ASKED)} for n in names},
        "check_us": {n: spread([one[n] for one in tickets]) for n in names},
        "ratio": {
            "added": ratios(added, (TICKET, ASKED)),
            "whole": ratios(rounds, KINDS),
            "check": spread_of_ratios([o[OURS] for o in tickets], [o[THEIRS] for o in tickets]),
        },
    }


class Asked:
    """A side that asks who is there, and what its clients do."""

    def __init__(self, bench: Bench, side: Side, realm: Realm) -> None:
        self.side = side
        self._realm = realm
        self._signed_in = 0
        example = page(bench.origin, side, tls=False)
        self._open = replace(example, source=FIRST_KNOWN)
        self._unknown = replace(example, source=FIRST_UNKNOWN)
        for kind in KINDS:
            self.cost(kind, WARM_UP)

    def cost(self, kind: str, number: int) -> float:
        """CPU µs for a connection of a kind, the mean of so many."""
        return 1e6 * spent(self.side, self._work(kind, number))

    def refuses_replays(self) -> bool:
        """Whether a token that was taken once is refused the second time."""
        (target,) = self._targets(1)
        load.connect_each([target], 1)
        self._signed_in += 1
        try:
            load.connect_each([target], 1)
        except BadAnswerError as error:
            if " 407 " not in str(error):
                raise
            return True
        self._signed_in += 1
        return False

    def check_log(self) -> None:
        """Raise unless each sign-in is in the log under its name, and nothing else is."""
        if (found := signed_in(self.side)) != self._signed_in:
            raise SideError(
                f"{self.side.name}: {found} records name somebody, after {self._signed_in} sign-ins"
            )

    def _targets(self, number: int) -> list[load.Target]:
        return [
            replace(self._unknown, login=f"Negotiate {token}")
            for token in self._realm.tokens(number)
        ]

    def _work(self, kind: str, number: int) -> Callable[[], int]:
        if kind == OPEN:
            return lambda: load.connect_each([self._open] * number, AT_ONCE)
        self._signed_in += number
        targets = self._targets(number)
        if kind == TICKET:
            return lambda: load.connect_each(targets, AT_ONCE)
        made = [(AskedFirst(self._unknown), target.request) for target in targets]
        return lambda: load.drive(((each, each.sign_in(said)) for each, said in made), AT_ONCE)


class AskedFirst(load.Connection):
    """A client as browsers are: credentials only when it is asked for them."""

    def sign_in(self, request: bytes) -> load.Steps:
        """Open, ask without credentials, ask with them, close."""
        try:
            yield from self.open()
            self.sock.sendall(self.request)
            yield
            yield from self.read_challenge()
            self.sock.sendall(request)
            yield
            yield from self.read_answer()
        finally:
            self.close()

    def read_challenge(self) -> load.Steps:
        """Read a 407 that offers Negotiate, with its page."""
        answer = b""
        while True:
            try:
                chunk = self.sock.recv(load.READ_SIZE)
            except load.WOULD_BLOCK:
                yield
                continue
            answer += chunk
            head, end, body = answer.partition(b"\r\n\r\n")
            if not chunk or not b"HTTP/1.1 407 ".startswith(answer[:13]):
                raise BadAnswerError(f"{self.target.host}: no 407: {answer[:300]!r}")
            if end:
                fields = head.lower().split(b"\r\n")
                if b"proxy-authenticate: negotiate" not in fields:
                    raise BadAnswerError(f"{self.target.host}: no Negotiate: {answer[:300]!r}")
                if len(body) >= _length(fields):
                    return


def _length(fields: Sequence[bytes]) -> int:
    for field in fields:
        name, _, value = field.partition(b":")
        if name == b"content-length":
            return int(value)
    raise BadAnswerError("a 407 without a Content-Length")


def _round(asked: dict[str, Asked], number: int) -> dict[str, dict[str, float]]:
    """All kinds of all sides, in turns; CPU µs."""
    whole: dict[str, dict[str, float]] = {name: dict.fromkeys(KINDS, 0.0) for name in asked}
    turns = [(name, kind) for kind in KINDS for name in asked]
    for turn in range(SLICES):
        # Another begins each time: nobody always follows the same neighbour.
        for name, kind in (*turns[turn:], *turns[:turn]):
            whole[name][kind] += asked[name].cost(kind, number) / SLICES
    return whole


class Checkers:
    """Squid's helper and our acceptor, each in a process that does nothing but check tickets."""

    def __init__(self, bench: Bench, realm: Realm) -> None:
        self._bench = bench
        self._realm = realm
        self._started: dict[str, subprocess.Popen[str]] = {}

    def __enter__(self) -> Self:
        python = [sys.executable, "-m", "benchlib.ticketcheck", str(self._realm.keytab)]
        for name, command in ((THEIRS, helper(self._realm)), (OURS, python)):
            environ = self._realm.environ(f"{name}-alone")
            environ["PYTHONPATH"] = f"{ROOT / 'scripts'}:{ROOT}"
            said = self._bench.place.folder / f"{name}-alone.out"
            with (
                said.open("wb") as errors,
                self._bench.place.on(self._bench.place.proxy_cores),
            ):
                self._started[name] = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env=environ,
                    text=True,
                    bufsize=1,
                    start_new_session=True,
                )
            self._check(name, WARM_UP)
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._started.values():
            each.kill()
            each.communicate()

    def round(self, number: int) -> dict[str, float]:
        """CPU µs for a check, by side."""
        whole = dict.fromkeys(self._started, 0.0)
        turns = cycle(self._started)
        for _ in range(SLICES * len(whole)):
            name = next(turns)
            whole[name] += self._check(name, number) / SLICES
        return whole

    def _check(self, name: str, number: int) -> float:
        process, tokens = self._started[name], self._realm.tokens(number)
        assert process.stdin is not None
        assert process.stdout is not None
        before = cpu.read(process.pid)
        for token in tokens:
            process.stdin.write(f"YR {token}\n")
            # Squid's helper: `OK token=… user=…`, of old `AF …`.
            answer = process.stdout.readline()
            if not answer.startswith(("OK ", "AF ")) or "person-" not in answer:
                raise BadAnswerError(f"{name}: a good ticket is answered by {answer[:200]!r}")
        return 1e6 * cpu.between(before, cpu.read(process.pid)) / number
