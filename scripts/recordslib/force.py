"""A made-up force: people with habits, and the sites that they go to.

In: how many, a seed. Out: people, sites, and the parts of lines that depend on them alone.
Must never: name a site or a person that there is.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from proxy_addons.accesslog.record import empty_record
from proxy_addons.accesslog.render import dump

if TYPE_CHECKING:
    from collections.abc import Sequence

SITES = 20_000
HABITS = 256
"""Places in a person's table of habits: a power of two, so that bits of chance are an index."""
_SHIFTS = ((7, 17), (14, 24), (22, 31), (8, 17), (9, 17))
_WORDS = (
    *("north", "river", "market", "daily", "open", "blue", "county", "first", "stone", "bright"),
    *("harbour", "green", "silver", "union", "castle", "garden", "bridge", "summit", "forest"),
)
_MARK = 987_654_321


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of site.

    Attributes:
        category: what it is in; "" where in none.
        share: of all sites.
        action: what is decided.
        rule: that decides.
        handling: of the connection.
        background: whether programs go there by themselves.
        content: type of what comes back.
    """

    category: str
    share: float
    action: str = "allow"
    rule: str = "everything-else"
    handling: str = "inspected"
    background: bool = False
    content: str = "text/html; charset=utf-8"


KINDS = (
    Kind("", 0.30),
    Kind("news", 0.14, rule="personal-use"),
    Kind("shopping", 0.12, rule="personal-use"),
    Kind("government", 0.08, rule="public-service"),
    Kind("police", 0.02, rule="public-service"),
    Kind("reference", 0.08),
    Kind("social", 0.05, "coach", "personal-social"),
    Kind("banking", 0.04, handling="spliced"),
    Kind("health", 0.04, handling="spliced"),
    Kind("religion", 0.01, handling="spliced"),
    Kind("software-update", 0.03, rule="software-update", background=True, content="application/x"),
    Kind("telemetry", 0.02, background=True, content="application/json"),
    Kind("webmail", 0.02, "block", "webmail", "none"),
    Kind("games", 0.02, "block", "games", "none"),
    Kind("gambling", 0.01, "block", "offensive-or-illegal", "none"),
    Kind("adult", 0.01, "block", "offensive-or-illegal", "none"),
    Kind("filehosting", 0.01, "block", "file-sharing", "none"),
)


class Site:
    """One of them, with its parts of a line ready."""

    __slots__ = ("after", "before", "kind", "method", "middle")

    def __init__(self, number: int, kind: Kind, chance: random.Random) -> None:
        self.kind = kind
        words = "-".join(chance.sample(_WORDS, 2))
        host = f"{chance.choice(('www', 'www', 'api', 'img'))}.{words}{number}.test"
        spliced, refused = kind.handling == "spliced", kind.action == "block"
        said: dict[str, Any] = empty_record() | {
            "kind": "tunnel" if spliced else "https",
            "method": "CONNECT" if spliced else chance.choice(("GET", "GET", "GET", "POST")),
            "url": f"{host}:443" if spliced else f"https://{host}/PATH",
            "host": host,
            "port": 443,
            "sni": None if refused else host,
            "categories": [kind.category] if kind.category else [],
            "list_version": "9f31c2aa",
            "action": kind.action,
            "rule": kind.rule,
            "clause": "Inf/27 2.10.1" if refused else "Inf/27 2.9.1",
            "reason": f"{kind.rule}: as the policy says." if refused else None,
            "profile": "standard",
            "handling": kind.handling,
            "status": _MARK,
            "content_type": None if spliced else kind.content,
            "server_ip": None if refused else f"198.51.{chance.randrange(100)}.{number % 250}",
            "server_port": None if refused else 443,
            "policy_version": "c02b7d14",
            "states": ["on-duty"],
            "counted": False if kind.action == "allow" else None,
            "findings": ["file_type=zip"] if kind.category == "filehosting" else [],
        }
        line = dump(said)
        url, _, rest = line[line.index(b'"kind"') :].partition(b"PATH")
        if spliced:
            url, rest = rest or url, b""
        head, _, tail = (rest or url).partition(b"%d" % _MARK)
        self.before = b"," + (head if spliced else url)
        self.middle = b"" if spliced else head
        self.after = tail[tail.index(b',"content_type"') :]


class Person:
    """Somebody, with their habits: tables that chance is looked up in."""

    __slots__ = ("habits", "known", "shift", "weight")

    def __init__(self, number: int, chance: random.Random, force: Force) -> None:
        name = f"{chance.choice('abcdefgh')}{chance.choice('klmnpqrs')}{number:05d}"
        unknown = number % 400 == 399
        said = empty_record() | {
            "person": None if unknown else name,
            "person_how": "unidentified" if unknown else "kerberos",
            "client_ip": f"10.{number >> 14}.{number >> 6 & 255}.{number % 64 + 1}",
            "client_port": _MARK,
        }
        line = dump(said)
        self.known = b"," + line[line.index(b'"person"') : line.index(b"%d" % _MARK)]
        self.shift = chance.choice(_SHIFTS)
        self.weight = min(30.0, chance.paretovariate(1.6))
        own = [force.popular(chance) for _ in range(24)]
        usual = chance.choices(own, [1 / rank for rank in range(1, 25)], k=HABITS * 7 // 10)
        background = chance.choices(force.background, k=HABITS * 2 // 10)
        seldom = [force.popular(chance) for _ in range(HABITS - len(usual) - len(background))]
        self.habits = [*usual, *background, *seldom]

    def on_duty(self, hour: int) -> bool:
        """Whether they work at that hour."""
        first, end = self.shift
        return first <= hour < end or first <= hour + 24 < end


class Force:
    """People and sites.

    Args:
        people: how many.
        seed: the same one gives the same force.
    """

    def __init__(self, people: int, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 (it must repeat itself)
        kinds = chance.choices(KINDS, [kind.share for kind in KINDS], k=SITES)
        self.sites = [Site(number, kind, chance) for number, kind in enumerate(kinds)]
        self.background = [n for n, kind in enumerate(kinds) if kind.background][:40]
        self._weights = [1 / (rank + 4) for rank in range(SITES)]
        self._drawn = chance.choices(range(SITES), self._weights, k=1 << 16)
        self.people = [Person(number, chance, self) for number in range(people)]

    def popular(self, chance: random.Random) -> int:
        """A site, the popular ones more often."""
        return self._drawn[chance.getrandbits(16)]

    @cached_property
    def weights(self) -> Sequence[list[float]]:
        """How much of each hour is everybody's."""
        return [
            [each.weight * (1 if each.on_duty(hour) else 0.04) for each in self.people]
            for hour in range(24)
        ]
