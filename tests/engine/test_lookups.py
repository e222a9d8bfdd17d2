"""Look-ups in the background: refused names are resolved, a few at a time, and nobody waits."""

from __future__ import annotations

import asyncio
import time

from support.waiting import until

from proxy_addons.engine.lookups import Lookups
from proxy_addons.engine.resolver import ResolutionFailed
from proxy_addons.gate.resolved import Resolved


class Names:
    """Answers when it is let."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.most = self.now = 0
        self.go = asyncio.Event()

    async def addresses(self, host: str) -> tuple[str, ...]:
        self.asked.append(host)
        self.now += 1
        self.most = max(self.most, self.now)
        await self.go.wait()
        self.now -= 1
        if host.startswith("none"):
            raise ResolutionFailed(host)
        return ("192.0.2.7",)


async def test_refused_names_are_looked_up_a_few_at_a_time() -> None:
    names, resolved = Names(), Resolved(time.monotonic)
    lookups = Lookups(names, resolved)  # type: ignore[arg-type] # a resolver to those who ask it
    wanted = ["none.test", *(f"n{number}.test" for number in range(9))]
    for name in wanted:
        resolved.refused(name)
    await until(lambda: len(names.asked) == 4)
    names.go.set()
    await until(lambda: len(resolved.names("192.0.2.7")) == 9)
    assert names.asked == wanted
    assert names.most == 4
    assert set(resolved.names("192.0.2.7")) == set(wanted[1:]), "one that fails ends nothing"
    await until(lambda: not lookups._running)
    resolved.refused("later.test")
    await until(lambda: "later.test" in resolved.names("192.0.2.7"))
    lookups.stop()


async def test_what_is_under_way_ends_with_the_worker() -> None:
    names, resolved = Names(), Resolved(time.monotonic)
    lookups = Lookups(names, resolved)  # type: ignore[arg-type] # as above
    resolved.refused("a.test")
    await until(lambda: bool(names.asked))
    lookups.stop()
    await until(lambda: not lookups._running)
    resolved.refused("b.test")
    assert resolved.next_wanted() is None
