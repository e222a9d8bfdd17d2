"""Requests of people who have signed in, against the same requests of clients known by address.

In: Squid and the gateway with a realm, connections that are open already. Out: CPU per request, on
inspected connections and in plain HTTP, and how much more a signed-in client's costs on the same
program.
Must never: let the sign-in itself be counted, or the noise be taken for a difference: connections
that are known by address are measured twice, as if the second half had signed in.

Browsers send a ticket once for each connection (RFC 4559 6), and nothing in the requests after it.
A password they send with each request in plain HTTP (RFC 7617 2.2), and in a tunnel's CONNECT.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean, median
from typing import TYPE_CHECKING, override

from benchlib import load
from benchlib.asking import (
    FIRST_KNOWN,
    FIRST_UNKNOWN,
    SquidNegotiate,
    WatchhouseNegotiate,
    login_by_password,
    signed_in,
    spent,
)
from benchlib.place import SideError
from benchlib.realm import Realm
from benchlib.scenarios import page
from benchlib.study import Bench, Figures, Study, shown, spread

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchlib.side import Side

# Requests of a kind in a round, and in how many turns.
REQUESTS, QUICK_REQUESTS = 4800, 1200
SLICES = 8
CONNECTIONS = 6
WARM_UP = 600
OURS, THEIRS = "watchhouse", "squid"
INSPECTED, PLAIN = "inspected", "plain"
# Clients known by address; others known by address; clients that have signed in by a ticket;
# clients that say their password each time.
KNOWN, AGAIN, SIGNED_IN, PASSWORD = "known", "known-again", "signed-in", "password"
KINDS = {INSPECTED: (KNOWN, AGAIN, SIGNED_IN), PLAIN: (KNOWN, AGAIN, SIGNED_IN, PASSWORD)}
SAID = {INSPECTED: "inspected", PLAIN: "plain HTTP"}

type Costs = dict[str, dict[str, list[float]]]


class SignedIn(Study):
    """Requests on connections that are open already."""

    name = "signed-in"
    title = "requests of people who have signed in"

    @override
    def measure(self, bench: Bench) -> Figures:
        place, origin = bench.place, bench.origin
        number = (QUICK_REQUESTS if bench.quick else REQUESTS) // SLICES
        found: dict[str, list[Costs]] = {THEIRS: [], OURS: []}
        with (
            Realm(place, self.name) as realm,
            bench.alone(SquidNegotiate(place, origin, realm)) as squid,
            bench.alone(WatchhouseNegotiate(place, origin, realm)) as ours,
        ):
            opened = {
                name: {what: Opened(bench, side, realm, tls=what == INSPECTED) for what in SAID}
                for name, side in ((THEIRS, squid), (OURS, ours))
            }
            for turn in range(bench.rounds):
                bench.doing(f"{self.name}: round {turn + 1}")
                for name, whole in _round(opened, number).items():
                    found[name].append(whole)
            for each in opened.values():
                for one in each.values():
                    one.close()
            _check_logs(opened)
        return {"requests": number * SLICES, **figures_of(found)}

    @override
    def lines(self, figures: Figures) -> Iterator[str]:
        yield (
            f"Requests of people who have signed in, {figures['requests']:,} of a kind a round,"
            " keep-alive (signed-in)"
        )
        for name, rows in figures["cpu_ms"].items():
            for what, costs in rows.items():
                more = figures["more_percent"][name][what]
                yield (
                    f"  {name}, {SAID[what]}: known by address {shown(costs[KNOWN], 3)} CPU ms,"
                    f" signed in {shown(costs[SIGNED_IN], 3)}: {shown(more[SIGNED_IN], 1)} % more;"
                    f"{_of_password(more)} noise: {shown(more[AGAIN], 1)} %"
                )


def _of_password(more: Figures) -> str:
    return f" with a password {shown(more[PASSWORD], 1)} %;" if PASSWORD in more else ""


def figures_of(found: Mapping[str, Sequence[Costs]]) -> Figures:
    """Spreads, and by how many per cent the others cost more than clients known by address.

    A round's difference is the median of those of its turns: what else the machine does comes in
    gusts, and one of them meets one kind's turn and not the other's.

    Args:
        found: by side, for each round by what is asked and by kind: CPU ms of each turn.
    """
    figures: Figures = {"cpu_ms": {}, "more_percent": {}}
    for name, rounds in found.items():
        costs, more = figures["cpu_ms"].setdefault(name, {}), {}
        for what in SAID:
            costs[what] = {
                kind: spread([fmean(one[what][kind]) for one in rounds]) for kind in KINDS[what]
            }
            more[what] = {
                kind: spread([100 * _excess(one[what][kind], one[what][KNOWN]) for one in rounds])
                for kind in KINDS[what]
                if kind != KNOWN
            }
        figures["more_percent"][name] = more
    return figures


def _excess(subject: Sequence[float], base: Sequence[float]) -> float:
    return median(mine / theirs for mine, theirs in zip(subject, base, strict=True)) - 1


class Opened:
    """One side's connections of all kinds, in plain HTTP or inspected."""

    def __init__(self, bench: Bench, side: Side, realm: Realm, *, tls: bool) -> None:
        self.side = side
        self.named = 0  # records that must name somebody
        target = page(bench.origin, side, tls=tls)
        known = replace(target, source=FIRST_KNOWN)
        unknown = replace(target, source=FIRST_UNKNOWN)
        self.kinds = KINDS[INSPECTED if tls else PLAIN]
        self._connections = {
            KNOWN: load.keep_alive(known, CONNECTIONS),
            AGAIN: load.keep_alive(known, CONNECTIONS),
            SIGNED_IN: _signed_in(unknown, realm.tokens(CONNECTIONS)),
        }
        if PASSWORD in self.kinds:
            said = replace(unknown, login=login_by_password())
            self._connections[PASSWORD] = load.keep_alive(said, CONNECTIONS)
        self.named += CONNECTIONS * (len(self.kinds) - 2)
        for kind in self.kinds:
            self.cost(kind, WARM_UP)

    def cost(self, kind: str, number: int) -> float:
        """CPU ms for a request of a kind, the mean of so many."""
        if kind in {SIGNED_IN, PASSWORD}:
            self.named += number
        return 1000 * spent(self.side, lambda: load.ask_all(self._connections[kind], number))

    def close(self) -> None:
        """Close all connections."""
        for connections in self._connections.values():
            for each in connections:
                each.close()


def _signed_in(target: load.Target, tokens: Sequence[str]) -> list[load.Connection]:
    """Connections that have signed in once and send no credentials any more."""
    said = [replace(target, login=f"Negotiate {token}") for token in tokens]
    opened = [load.Connection(each) for each in said]
    load.drive(((each, each.open()) for each in opened), len(opened))
    load.drive(((each, each.ask()) for each in opened), len(opened))
    for each in opened:
        each.request = target.request
    return opened


def _round(opened: Mapping[str, Mapping[str, Opened]], number: int) -> dict[str, Costs]:
    """All kinds of all sides, in turns."""
    whole: dict[str, Costs] = {
        name: {what: {kind: [] for kind in KINDS[what]} for what in each}
        for name, each in opened.items()
    }
    turns = [(name, what) for name, each in opened.items() for what in each]
    for turn in range(SLICES):
        for name, what in turns:
            # Another begins each time: nobody always follows the same neighbour.
            kinds = KINDS[what]
            first = turn % len(kinds)
            for kind in (*kinds[first:], *kinds[:first]):
                whole[name][what][kind].append(opened[name][what].cost(kind, number))
    return whole


def _check_logs(opened: Mapping[str, Mapping[str, Opened]]) -> None:
    """Raise unless each request of somebody who had signed in is in the log under their name."""
    for each in opened.values():
        asked = sum(one.named for one in each.values())
        side = next(iter(each.values())).side
        if (found := signed_in(side)) < asked:
            raise SideError(f"{side.name}: {found} records name somebody, of {asked} that must")
