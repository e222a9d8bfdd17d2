"""What is measured: the same work for each side, in interleaved rounds.

In: running sides and an origin. Out: `Sample`s: CPU of a side for a number of operations.
Must never: count what is not the operation's (opening connections in a keep-alive scenario, the
first making of a certificate), or keep a sample of which one answer was wrong.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, override

from benchlib import cpu, load
from benchlib.origin import BODY, LAST_PAGE, PAGE
from benchlib.place import SideError

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchlib.origin import Contacts, Origin
    from benchlib.side import Side

# After its last answer a side still logs and tears down; that is part of the cost.
SETTLE_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Sample:
    """One round of one scenario on one side.

    Attributes:
        operations: how many were done.
        cpu_seconds: user and system time of all processes of the side.
        wall_seconds: from the first operation to the last answer.
        load_seconds: CPU of the load generator in that time.
        contacts: what the origin was asked meanwhile.
        records: lines that the side's access log gained; None without a log.
        log_octets: by how much that log grew.
    """

    operations: int
    cpu_seconds: float
    wall_seconds: float
    load_seconds: float
    contacts: Contacts
    records: int | None
    log_octets: int = 0

    def __add__(self, other: Sample) -> Sample:
        """Both together, as one round."""
        mine, theirs = self.contacts, other.contacts
        return Sample(
            self.operations + other.operations,
            self.cpu_seconds + other.cpu_seconds,
            self.wall_seconds + other.wall_seconds,
            self.load_seconds + other.load_seconds,
            replace(
                mine,
                requests=mine.requests + theirs.requests,
                connections=mine.connections + theirs.connections,
                resumed=mine.resumed + theirs.resumed,
            ),
            None if self.records is None or other.records is None else self.records + other.records,
            self.log_octets + other.log_octets,
        )

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds per operation."""
        return 1000 * self.cpu_seconds / self.operations


class Scenario(ABC):
    """One kind of operation.

    Attributes:
        name: as in the report and for `--only`.
        title: what one operation is.
        count: operations in a round; warm_up: operations before the first round, not counted.
        connections: how many are in hand at a time.
        needs_names: it needs many names for the origin.
        tls: it is HTTPS.
        path: what is asked for.
        without: sides that it would tell nothing about.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    count: ClassVar[int]
    warm_up: ClassVar[int]
    connections: ClassVar[int] = 6
    needs_names: ClassVar[bool] = False
    tls: ClassVar[bool] = True
    path: ClassVar[str] = PAGE
    without: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, origin: Origin) -> None:
        self.origin = origin

    def takes(self, side: Side) -> bool:
        """Whether a side can do this."""
        return (side.inspects or not self.tls) and side.name not in self.without

    def target(self, side: Side) -> load.Target:
        """The origin's page through a side."""
        return page(self.origin, side, tls=self.tls and side.inspects, path=self.path)

    @abstractmethod
    def sample(self, side: Side, operations: int) -> Sample:
        """Do so many operations through a side and measure it."""

    def measure(self, side: Side, work: Callable[[], int]) -> Sample:
        """Measure a side while `work` runs; it returns how many operations it did."""
        contacts, logged, octets = self.origin.contacts(), side.logged(), side.log_octets()
        before, own, start = cpu.read(side.program.pid), time.process_time(), time.monotonic()
        operations = work()
        wall, own = time.monotonic() - start, time.process_time() - own
        time.sleep(SETTLE_SECONDS)
        after = cpu.read(side.program.pid)
        side.program.check()
        records = None
        if logged is not None:
            records = (side.logged() or 0) - logged
            if side.log_is_prompt and records < operations:
                raise SideError(f"{operations} requests, but {records} records in the log")
        return Sample(
            operations,
            cpu.between(before, after),
            wall,
            own,
            self.origin.contacts().since(contacts),
            records,
            side.log_octets() - octets,
        )


def page(origin: Origin, side: Side, *, tls: bool, path: str = PAGE) -> load.Target:
    """The origin's page through a side, as a browser asks for it."""
    return load.Target(
        proxy=side.address,
        host=origin.host,
        port=origin.https_port if tls else origin.http_port,
        path=path,
        body=BODY,
        tls=load.client_context(str(side.ca_file)) if tls else None,
    )


class KeepAlive(Scenario):
    """Requests on inspected connections that are open already.

    A side that does not inspect is given plain HTTP here, for it is in the same round that our
    inspected request has to be held against its plain one.
    """

    name = "keep-alive"
    title = "inspected HTTPS request, keep-alive"
    count = 6000
    warm_up = 600

    @override
    def takes(self, side: Side) -> bool:
        return True

    @override
    def sample(self, side: Side, operations: int) -> Sample:
        opened = load.keep_alive(self.target(side), self.connections)
        try:
            time.sleep(SETTLE_SECONDS)
            return self.measure(side, lambda: load.ask_all(opened, operations))
        finally:
            for connection in opened:
                connection.close()


class Plain(KeepAlive):
    """Requests in plain HTTP."""

    name = "plain"
    title = "plain HTTP request, keep-alive"
    tls = False


class Connect(Scenario):
    """New connections to one host: CONNECT, TLS handshake, one request, close.

    The origin closes too, so that each side must open one connection to it for each of ours;
    Squid would otherwise hand one that is open already from client to client.
    """

    name = "connect"
    title = "new inspected connection and one to the origin, one request"
    count = 480
    warm_up = 60
    path = LAST_PAGE

    @override
    def sample(self, side: Side, operations: int) -> Sample:
        targets = [self.target(side)] * operations
        return self.measure(side, lambda: load.connect_each(targets, self.connections))


class ConnectKept(Connect):
    """The same, but the origin leaves its connections open to whoever can use them again."""

    name = "connect-kept"
    title = "new inspected connection, origin's kept open, one request"
    path = PAGE
    without = frozenset({"watchhouse-generic"})  # `connect` shows what the lane matters


class Distinct(Scenario):
    """New connections, each to a host never seen before: a certificate is made for each."""

    name = "connect-new-host"
    title = "new inspected connection to a host never seen before, one request"
    count = 240
    warm_up = 12
    needs_names = True
    without = frozenset({"watchhouse-generic"})

    def __init__(self, origin: Origin) -> None:
        super().__init__(origin)
        self._next: Counter[str] = Counter()

    @override
    def sample(self, side: Side, operations: int) -> Sample:
        sites = self.origin.sites(self._next[side.name], operations)
        self._next[side.name] += operations
        example = self.target(side)
        targets = [replace(example, host=site) for site in sites]
        return self.measure(side, lambda: load.connect_each(targets, self.connections))


class SpliceConnect(Connect):
    """New tunnels that stay encrypted end to end, one request through each.

    The client trusts the origin's authority only: a side that decrypts is not mistaken for one that
    splices.
    """

    name = "splice-connect"
    title = "new spliced tunnel, one request through it"
    needs_names = True
    without = frozenset({"watchhouse-generic"})  # no lane reads what is spliced

    @override
    def takes(self, side: Side) -> bool:
        return side.splices and super().takes(side)

    @override
    def target(self, side: Side) -> load.Target:
        tls = load.client_context(str(self.origin.ca_file))
        example = page(self.origin, side, tls=True, path=self.path)
        return replace(example, host=self.origin.splice_host, tls=tls)


# New connections come last: what they leave behind (idle connections, cached certificates) would
# be carried through the requests of the others.
SCENARIOS: dict[str, type[Scenario]] = {
    scenario.name: scenario
    for scenario in (KeepAlive, Plain, Connect, ConnectKept, Distinct, SpliceConnect)
}
