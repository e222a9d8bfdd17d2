"""The console with a real desk: a portal that is served, records, an authorisation that holds.

In: a folder. Out: a `House` (support/portal.py), whose desk reads segments of a working day.
Must never: stand in for the desk, the engine or the register.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from proxy_addons.accesslog.compact.compacting import compact
from proxy_addons.accesslog.seal.keyring import signer_of
from proxy_addons.accesslog.seal.logs import access_of
from proxy_addons.accesslog.seal.sealing import seal
from proxy_addons.audit.authority.register import Authorisations
from proxy_addons.settings.audit import Audit, Office
from proxy_addons.settings.audit_build import with_categories
from proxy_addons.standing import Actor, open_store
from support import authority, segments
from support.desk import consoled
from support.portal import NOON, Clock, House, roles, settings_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from proxy_addons.audit.authority.colleagues import Unit
    from proxy_addons.audit.authority.model import Authorisation, Wanted
    from proxy_addons.settings.model import Settings

AUDIT = Audit(
    offices=(
        Office("head-of-acu", people=("acu",)),
        Office("head-of-hr", people=("hr",)),
        Office("deputy-chief-constable", people=("dcc",)),
        Office("head-of-psd", people=("hpsd",)),
        Office("data-protection-officer", people=("dpo",)),
    )
)
NAMES = ("jane", "paul", "petra", "acu", "hr", "dcc", "hpsd", "dpo", "audrey", "ines")
ROLES = roles(psd="paul petra hpsd", auditor="audrey", information_security="ines")
MORNING = datetime(2026, 11, 23, 8, tzinfo=UTC)

_SITES: tuple[tuple[str, list[str], str, str, str], ...] = (
    ("www.gov.uk", ["government"], "allow", "government", "guidance"),
    ("news.test", ["news"], "allow", "news", "today?story=7"),
    ("webmail.test", ["webmail"], "block", "webmail", "inbox"),
    ("clinic.test", ["health"], "allow", "health", "appointment?who=jane"),
    ("shop.test", ["shopping"], "allow", "personal-use-in-booked-breaks", "basket"),
)


def records(begins: datetime = MORNING, count: int = 120) -> list[dict[str, Any]]:
    """A morning of jane and john, a request a minute each; every third was opened by them."""
    found = []
    for number in range(count):
        host, categories, action, rule, path = _SITES[number // 7 % len(_SITES)]
        found.append(
            segments.record(
                number + 1,
                1,
                begins + timedelta(seconds=60 * number),
                person="jane" if number % 2 == 0 else "john",
                client_ip="192.0.2.1" if number % 2 == 0 else "192.0.2.2",
                host=host,
                url=f"https://{host}/{path}&n={number}",
                categories=categories,
                action=action,
                rule=rule,
                opened=number % 3 == 0,
                status=403 if action == "block" else 200,
                bytes_up=500,
                bytes_down=20_000,
                method="GET",
                kind="https",
            )
        )
    return found


def unit_records(names: Sequence[str], days: int = 14) -> list[dict[str, Any]]:
    """Two weeks of jane and her unit: shopping, news and maps, of some more than of others."""
    chance, made = random.Random(4), list[dict[str, Any]]()
    for day in range(days):
        for place, name in enumerate(("jane", *names)):
            many = {"shopping": 40 if name == "jane" else place // 2, "news": 6, "maps": place % 4}
            if name == "jane" and day % 7 == 0:
                many["streaming"] = 1
            for category, number in many.items():
                made.extend(
                    segments.record(
                        0,
                        1,
                        MORNING - timedelta(days=days - day, minutes=-chance.randrange(50)),
                        person=name,
                        host=f"{category}.test",
                        url=f"https://{category}.test/",
                        categories=[category],
                        action="allow",
                        bytes_up=900,
                        bytes_down=chance.randrange(400_000),
                    )
                    for _ in range(number)
                )
    made.sort(key=lambda each: str(each["start"]))
    return [each | {"seq": seq, "id": f"{seq:04d}-TEST-0000"} for seq, each in enumerate(made, 1)]


def by_hour(given: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Records by the hour of their segment."""
    found: dict[str, list[dict[str, Any]]] = {}
    for record in given:
        hour = str(record["start"])[:13].replace("-", "")
        found.setdefault(hour, []).append(record)
    return found


@dataclass
class Console:
    """A served portal with its desk.

    Attributes:
        house: the portal.
        settings: of both.
        clock: of both.
    """

    house: House
    settings: Settings
    clock: Clock

    def authorised(
        self,
        wanted: Wanted | None = None,
        *,
        by: str = "acu",
        office: str = "head-of-acu",
        unit: Unit | None = None,
    ) -> Authorisation:
        """An authorisation for paul that another person has approved."""
        return authorised(self.settings, self.clock, wanted, by=by, office=office, unit=unit)


def asked(**changes: Any) -> Wanted:
    """An application for jane's records of the last month."""
    given: dict[str, Any] = {
        "investigators": frozenset({"petra"}),
        "begins": NOON - timedelta(days=30),
        "ends": NOON,
        "valid_from": NOON - timedelta(hours=1),
        "valid_until": NOON + timedelta(days=28),
    }
    return authority.wanted(**given | changes)


def authorised(
    settings: Settings,
    clock: Clock,
    wanted: Wanted | None = None,
    *,
    by: str = "acu",
    office: str = "head-of-acu",
    unit: Unit | None = None,
) -> Authorisation:
    """As `Console.authorised`."""
    store = open_store(settings.standing, settings.paths)
    register = Authorisations(
        store, settings.audit, expanded=settings.policy.expanded, clock=lambda: clock.now
    )
    paul = Actor("paul", frozenset({"psd"}), "accounts")
    made = register.apply(paul, wanted or asked(), unit=unit)
    other = Actor(by, frozenset({"staff"}), "accounts", offices=frozenset({office}))
    made = register.approve(other, made.reference, seen=made.revision)
    store.close()
    return made


def write(settings: Settings, given: Sequence[dict[str, Any]]) -> None:
    """Write records as segments that have ended."""
    for hour, several in by_hour(given).items():
        segments.write(settings.paths.access_log_dir, hour, several)


def seal_all(settings: Settings, now: datetime = NOON) -> str:
    """Seal what has ended, and make Parquet of it. Gives the public key."""
    log, chance = access_of(settings), random.Random(1)
    signer = signer_of(log.seals, log.key, lambda: "force.example/access-log", chance.randbytes)
    seal(
        log.segments,
        log.seals,
        signer,
        now=now.timestamp(),
        entropy=chance.randbytes,
        software="0",
    )
    compact(log.segments, log.seals, settings.paths.parquet_dir, now=now.timestamp())
    return str(signer.verifier)


@asynccontextmanager
async def console(
    folder: Path, given: Sequence[dict[str, Any]] | None = None, **changes: Any
) -> AsyncIterator[Console]:
    """A console that is served.

    Args:
        folder: for everything.
        given: records, `records()` unless said.
        changes: of the settings.
    """
    changes = {"names": NAMES, "given": ROLES} | changes
    settings = await asyncio.to_thread(lambda: settings_for(folder, **changes))
    settings = replace(settings, audit=with_categories(AUDIT, settings.policy.expanded))
    settings.paths.run_dir.mkdir(parents=True, exist_ok=True)
    write(settings, records() if given is None else given)
    clock = Clock()
    async with consoled(settings, clock) as (house, _):
        yield Console(house, settings, clock)
