"""What a worker knows people by: directory, tickets, passwords, what stands for them today.

In: settings. Out: the parts in the gate's hands, renewed with the settings, closed at the end.
Must never: serve with a part that the settings name and that cannot be used; ask the directory the
same question over and over while it does not answer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy_addons.engine.deeds import StoreDeeds
from proxy_addons.engine.outcomes import where
from proxy_addons.engine.pseudonym import secret_of
from proxy_addons.gate.people import NOTHING_READ
from proxy_addons.gate.today import NOTHING_TODAY
from proxy_addons.gate.tokens import Tokens
from proxy_addons.identity.basic import BasicCheck
from proxy_addons.identity.directory import Directory
from proxy_addons.identity.kerberos import Acceptor
from proxy_addons.standing import Watch, open_store
from proxy_addons.standing.statement import Statement
from proxy_addons.standing.today import Today

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from proxy_addons.gate.facts import Visitor
    from proxy_addons.gate.gate import Gate
    from proxy_addons.settings.model import Settings
    from proxy_addons.standing import Store

logger = logging.getLogger("watchhouse.engine")

_KEY = "buttons.key"
_JOURNALS = "minutes"
_STATEMENT = "statement.md"
_AGAIN = 5.0  # seconds before the directory is asked again about somebody


class Knowing:
    """The parts of one worker.

    Args:
        gate: gets them.
        settings: what they are made from.

    Raises:
        ValueError: one that the settings name cannot be made (KerberosError and its kin).
        StandingError: the statement cannot be read.
    """

    def __init__(self, gate: Gate, settings: Settings) -> None:
        self._gate = gate
        self._settings = settings
        self._store: Store | None = None
        self._watch: Watch | None = None
        self._today: Today | None = None
        self._deeds: StoreDeeds | None = None
        self._asked: dict[str, float] = {}  # name → when the directory was last asked
        self._asking: set[asyncio.Task[None]] = set()
        self._take(_Parts(settings))
        self._gate.personal.statement = _statement_of(settings)

    async def start(self, changed: Callable[[], None]) -> None:
        """Read what stands, and go on watching it.

        Args:
            changed: called whenever it has changed.
        """
        settings = self._settings
        self._store = await asyncio.to_thread(open_store, settings.standing, settings.paths)
        self._watch = Watch(self._store)
        self._watch.on_change = changed
        await self._watch.start()
        self._gate.people.standing = self._watch
        await self._begin_day(self._store, changed)

    async def _begin_day(self, store: Store, changed: Callable[[], None]) -> None:
        """Read people's duty days, and go on watching them; pages have buttons from now on."""
        settings, gate = self._settings, self._gate
        run_dir = settings.paths.run_dir
        zone = settings.policy.time_zone
        self._today = Today(store, settings.shifts, zone, journals=run_dir / _JOURNALS)
        self._today.on_change = changed
        await self._today.start()
        gate.people.today = self._today
        self._deeds = StoreDeeds(store, lambda: self._settings, lambda: gate.personal.statement)
        consequence = "a button works only by the worker that made its page"
        secret = await asyncio.to_thread(secret_of, run_dir / _KEY, consequence)
        gate.offer(Tokens(secret, time.time), self._deeds)

    @staticmethod
    def prepare(settings: Settings) -> Prepared:
        """Make the parts for other settings; nothing changes until they are taken.

        Blocks: it reads files.

        Raises:
            ValueError: one of them cannot be made.
            StandingError: the statement cannot be read.
        """
        statement = _statement_of(settings)
        return Prepared(settings, _Parts(settings), statement)

    def take(self, prepared: Prepared) -> None:
        """Go by other settings from now on.

        What stands goes on being read from where it was: another database needs a restart.
        """
        before, settings = self._parts, prepared.settings
        self._take(prepared.parts)
        self._settings = settings
        self._gate.personal.statement = prepared.statement
        if self._today is not None:
            self._today.use(settings.shifts, settings.policy.time_zone)
        before.close()

    def tend(self, visitors: Iterable[Visitor]) -> None:
        """Ask the directory anew about those who are here, where what it said has grown old."""
        directory = self._parts.directory
        if directory is None:
            return
        now = asyncio.get_running_loop().time()
        names = {visitor.proof.name for visitor in visitors if visitor.proof is not None}
        self._asked = {name: at for name, at in self._asked.items() if name in names}
        for name in names:
            found = directory.cached(name)
            if found is not None and found.fresh:
                continue
            if now - self._asked.get(name, now - _AGAIN) >= _AGAIN:
                self._asked[name] = now
                task = asyncio.create_task(self._ask(directory, name))
                self._asking.add(task)
                task.add_done_callback(self._asking.discard)

    @staticmethod
    async def _ask(directory: Directory, name: str) -> None:
        try:
            await directory.look_up(name)
        except Exception as problem:  # noqa: BLE001 - no request is in hand; what is known stays
            # No request is in hand: whoever it is keeps what is known of them, or the strictest
            # profile. The directory itself says once that it does not answer.
            logger.debug("not looked up (%s at %s)", type(problem).__name__, where(problem))

    async def close(self) -> None:
        """End everything that was begun here."""
        for task in list(self._asking):
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)
        self._parts.close()
        if self._watch is not None:
            self._gate.people.standing = NOTHING_READ
            await self._watch.stop()
        if self._today is not None:
            self._gate.people.today = NOTHING_TODAY
            await self._today.stop()  # what was counted is written down
        if self._deeds is not None:
            self._deeds.close()
        if self._store is not None:
            await asyncio.to_thread(self._store.close)

    def _take(self, parts: _Parts) -> None:
        self._parts = parts
        self._gate.people.directory = parts.directory
        self._gate.signing_in.kerberos = parts.kerberos
        self._gate.signing_in.basic = parts.basic


@dataclass(frozen=True, slots=True)
class Prepared:
    """The parts for settings that are not in force yet.

    Attributes:
        settings: these.
        parts: what they name.
        statement: that people are asked to acknowledge.
    """

    settings: Settings
    parts: _Parts
    statement: Statement | None

    def close(self) -> None:
        """They are not wanted after all."""
        self.parts.close()


def _statement_of(settings: Settings) -> Statement | None:
    """The acceptable-use statement, where people are asked to acknowledge it.

    Raises:
        StatementError: it cannot be read.
    """
    asked = settings.shifts.acknowledgement
    if not asked.required:
        return None
    return Statement.load(asked.statement or settings.paths.config_dir / _STATEMENT)


class _Parts:
    """What the settings name: made all or not at all.

    Args:
        settings: in force from now on.

    Raises:
        ValueError: one of them cannot be made.
    """

    def __init__(self, settings: Settings) -> None:
        identity = settings.identity
        self.kerberos: Acceptor | None = None
        self.directory: Directory | None = None
        self.basic: BasicCheck | None = None
        try:
            if settings.directory.servers:
                self.directory = Directory(settings.directory)
            if "kerberos" in identity.order:
                self.kerberos = Acceptor(identity.kerberos)
            if "basic" in identity.order:
                self.basic = BasicCheck(identity.basic, self.directory)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End their threads; what waits for them is refused."""
        for part in (self.kerberos, self.basic, self.directory):
            if part is not None:
                part.close()
