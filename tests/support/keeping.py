"""A data folder with a log, and the keeper's steps on it, without a gateway.

In: a folder, settings of the log. Out: what steps come to.
Must never: stand in for a step.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proxy_addons.accesslog.keeper.step import Context, Outcome
from proxy_addons.accesslog.seal.keyring import public_of
from proxy_addons.accesslog.seal.logs import access_of, trail_of
from proxy_addons.accesslog.seal.notes import Verifier
from proxy_addons.settings.load import load
from proxy_addons.settings.log import Log
from support.segments import hours

if TYPE_CHECKING:
    from proxy_addons.accesslog.keeper.step import Step
    from proxy_addons.accesslog.seal.logs import SealedLog
    from proxy_addons.settings.model import Settings

ROOT = Path(__file__).parents[2]
NOON = datetime(2026, 11, 21, 12, 5, tzinfo=UTC).timestamp()
ORIGIN = "force.example/access-log"


@cache
def _shipped() -> Settings:
    return load(ROOT / "config", environ={})


@dataclass
class Room:
    """One data folder."""

    data: Path
    now: float = NOON
    known: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        loaded = _shipped()
        paths = replace(loaded.paths, data_dir=self.data)
        self.settings = replace(loaded, log=Log(origin=ORIGIN), paths=paths)
        self._random = random.Random(1)
        self.settings.paths.run_dir.mkdir(parents=True, exist_ok=True)

    def set(self, **changes: Any) -> None:
        """Change settings of the log."""
        self.settings = replace(self.settings, log=replace(self.settings.log, **changes))

    @property
    def access(self) -> SealedLog:
        return access_of(self.settings)

    @property
    def trail(self) -> SealedLog:
        return trail_of(self.settings)

    @property
    def key(self) -> Verifier:
        """The public key of the access log."""
        return Verifier.parse(public_of(self.access.key).read_text())

    def entropy(self, count: int) -> bytes:
        return self._random.randbytes(count)

    def fill(self, count: int = 2, each: int = 10, *, log: SealedLog | None = None) -> list[Path]:
        """So many hours of two workers."""
        return hours((log or self.access).segments, count, each)

    def run(self, step: Step) -> Outcome:
        """Run a step, with what it knew the last time."""
        known = self.known.get(step.name, {})
        done = step.run(Context(self.settings, lambda: self.now, self.entropy, known))
        self.known[step.name] = dict(done.known)
        return done
