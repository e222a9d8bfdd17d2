"""A little web for the table of evasions: every name leads to one origin that writes all down.

In: which way the gateway goes (with a name server of ours, or by a parent proxy), which lane.
Out: a running gateway, and the place where rows are sent. Must never: answer for the gateway.
"""

from __future__ import annotations

import os
import struct
import time
from contextlib import ExitStack
from ipaddress import ip_address
from itertools import count
from typing import TYPE_CHECKING, Any, Self

from proxy_addons.selftest.judge import judge
from proxy_addons.selftest.origin import Origin
from proxy_addons.selftest.run import Result, run
from proxy_addons.selftest.send import Place
from proxy_addons.selftest.table import spellings
from proxy_addons.settings.table import BY_NAME
from support.certificates import WebAuthority
from support.gateway import Gateway
from support.names import NameServer
from support.scene import working_time

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from proxy_addons.selftest.table import Row

PEOPLE = {
    "addresses": [
        {"network": "127.0.0.1/32", "person": "pc1234", "profile": "standard"},
        {"network": "127.0.0.2/32", "person": "dc5678", "profile": "unrestricted"},
        {"network": "127.0.0.3/32", "person": "ps9999", "profile": "withdrawn"},
    ]
}
LANES = ("relay", "generic") if "network.relay_lane" in BY_NAME else ("generic",)
# Names that lead inside, in every way that a name can.
INSIDE = {
    "loopback.rebound.test": ["127.0.0.1"],
    "private.rebound.test": ["10.1.2.3"],
    "metadata.rebound.test": ["169.254.169.254"],
    "unspecified.rebound.test": ["0.0.0.0"],
    "one-of-two.rebound.test": ["127.0.77.1", "10.1.2.3"],
    "six.rebound.test": ["::1"],
    "mapped.rebound.test": ["::ffff:169.254.169.254"],
    "translated.rebound.test": ["64:ff9b::a9fe:a9fe"],
    "unique-local.rebound.test": ["fd00:ec2::254"],
    "alias.rebound.test": ["10.1.2.3"],
}
ALIASES = {"alias.rebound.test": "inner.elsewhere.test"}
_CNAME = 5
_numbers = count(os.getpid() // 100 % 200)


class AnyName(NameServer):
    """Answers for every name: those of INSIDE as it says, blocked ones and all others with ours."""

    def __init__(self, address: str, ours: str, blocked: str) -> None:
        super().__init__({})
        self.address = address
        self._ours, self._blocked = ours, blocked

    def _answer(self, question: bytes) -> bytes:
        labels, place = [], 12
        while length := question[place]:
            labels.append(question[place + 1 : place + 1 + length].decode("latin-1"))
            place += 1 + length
        kind = struct.unpack(">H", question[place + 1 : place + 3])[0]
        name = ".".join(labels).lower()
        ours = self._blocked if name.endswith(("hotmail.com", "blocked.test")) else self._ours
        answers, count, owner = b"", 0, b"\xc0\x0c"
        if alias := ALIASES.get(name):
            target = b"".join(bytes([len(p)]) + p.encode() for p in alias.split(".")) + b"\0"
            answers += owner + struct.pack(">HHIH", _CNAME, 1, 5, len(target)) + target
            owner = target
            count += 1
        for text in INSIDE.get(name, [ours]):
            address = ip_address(text)
            if kind == (1 if address.version == 4 else 28):
                answers += owner + struct.pack(">HHIH", kind, 1, 5, len(address.packed))
                answers += address.packed
                count += 1
        return (
            question[:2] + struct.pack(">HHHHH", 0x8180, 1, count, 0, 0)
            + question[12 : place + 5] + answers
        )  # fmt: skip


class World:
    """A gateway, an origin behind every name, and the place to send to.

    Args:
        folder: for the gateway.
        index: compiled starter lists.
        lane: `relay` or `generic`.
        direct: the gateway asks a name server of ours and connects itself (needs root); else it
            goes through a parent proxy.
        policy: replaces the default one.
    """

    def __init__(
        self,
        folder: Path,
        index: Path,
        *,
        lane: str = "generic",
        direct: bool = False,
        policy: str | None = None,
    ) -> None:
        self._folder, self._index = folder, index
        self._lane, self._direct, self._policy = lane, direct, policy
        self._closing = ExitStack()
        number = next(_numbers)
        # Of this process alone: several runs of the tests may share a machine.
        net = f"127.{100 + os.getpid() % 100}.{number}"
        self.ours, self.blocked, self._names = (f"{net}.{each}" for each in (1, 2, 3))

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True)
        authority = WebAuthority(self._folder)  # of its own: worlds run at the same time
        context = authority.server_context()
        if self._direct:
            addresses = [(ip, port) for ip in (self.ours, self.blocked) for port in (80, 443)]
            self.origin = self._closing.enter_context(Origin(addresses, context))
            names = self._closing.enter_context(AnyName(self._names, self.ours, self.blocked))
            network: dict[str, Any] = {
                "dns_servers": [names.address],
                "intranet": [self.ours, self.blocked],
                "connect_timeout": 10,
            }
        else:
            self.origin = self._closing.enter_context(Origin([("127.0.0.1", 0)], context))
            network = {"upstream_proxy": f"http://127.0.0.1:{self.origin.ports[0]}"}
        settings: dict[str, Any] = {
            "network": network,
            "tls": {"trusted_ca_file": str(authority.file)},
            "identity": PEOPLE,
        }
        if "network.relay_lane" in BY_NAME:
            settings["network"]["relay_lane"] = self._lane == "relay"
        if "tls.http2" in BY_NAME:
            settings["tls"]["http2"] = True
        self.gateway = self._closing.enter_context(
            Gateway(
                self._folder / "gateway",
                settings,
                policy=self._policy,
                index=self._index,
                at=working_time("10:30:00"),
                exempt=("dc5678",),
            )
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    @property
    def at_hand(self) -> set[str]:
        """What rows may need and is here."""
        needs = {"origin", "origin-tls", "bank"}
        return needs | {"resolver", "people"} if self._direct else needs

    def place(self, **more: Any) -> Place:
        """Where rows are sent."""
        return Place(
            proxy=address_of(self.gateway.proxy),
            names=names(
                proxy=self.gateway.proxy, portal=self.gateway.portal, blocked_ip=self.blocked
            ),
            source="127.0.0.1",
            origin=self.origin,
            **{"patience": 15.0, "grace": 0.03, **more},
        )

    def run(self, rows: Iterable[Row]) -> list[Result]:
        """Run rows, each until the gateway had the time to look at it.

        A busy machine's disk may be a second late. Then the gateway refuses whatever comes, which
        says nothing of the row: it is tried again, at most twice.
        """
        results = {result.row.name: result for result in self._run(rows)}
        for _ in range(2):
            late = [each.row for each in results.values() if _is_late(each)]
            if not late:
                break
            time.sleep(1)
            results |= {result.row.name: result for result in self._run(late)}
        return list(results.values())

    def _run(self, rows: Iterable[Row]) -> list[Result]:
        """Run rows, then look up their records by the ports they came from, and judge again."""
        place = self.place()
        results = list(run(rows, place, self.at_hand))
        wanted = {port for result in results for port in result.seen.ports}
        by_port: dict[object, list[dict[str, Any]]] = {}
        for _ in range(250):
            by_port = {}
            for record in self.gateway.records(event="transaction"):
                by_port.setdefault(record["client_port"], []).append(record)
            if wanted <= by_port.keys():
                break
            time.sleep(0.02)  # the log is at most 200 ms behind
        judged = []
        for result in results:
            if not result.seen.ports:
                judged.append(result)
                continue
            result.seen.records = [
                record for port in result.seen.ports for record in by_port.get(port, [])
            ]
            verdict = judge(result.row, result.seen, place.names)
            judged.append(Result(result.row, result.seen, verdict))
        return judged


def _is_late(result: Result) -> bool:
    return any(record["rule"] == "log-unavailable" for record in result.seen.records or ())


def names(**more: str) -> dict[str, str]:
    """Names for the table's placeholders."""
    return spellings(
        {
            "blocked": "www.hotmail.com",
            "allowed": "www.gov.uk",
            "site": "www.gov.uk",
            "bank": "www.barclays.co.uk",
            "proxy_port": more["proxy"].rpartition(":")[2],
            **more,
        }
    )


def address_of(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)
