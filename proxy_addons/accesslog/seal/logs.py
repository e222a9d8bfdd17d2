"""The sealed logs of one gateway: which there are, and where each has its parts.

In: settings. Out: a `SealedLog` for each.
Must never: make a folder or a key.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy_addons.accesslog.seal.sealing import Seals

if TYPE_CHECKING:
    from pathlib import Path

    from proxy_addons.settings.model import Settings

ACCESS: Final = "access"
TRAIL: Final = "trail"


@dataclass(frozen=True, slots=True)
class SealedLog:
    """One.

    Attributes:
        name: `access` or `trail`.
        segments: the folder of the segments.
        sealed: the folder of the seals.
        key: file of the key.
        origin: for a key that is made; "": after the host name.
        suffix: what is added to a name that is made.
    """

    name: str
    segments: Path
    sealed: Path
    key: Path
    origin: str
    suffix: str

    @property
    def seals(self) -> Seals:
        """The folder of the seals."""
        return Seals(self.sealed)

    def named(self) -> str:
        """The name for a key that is made. May ask the resolver for that of the host."""
        return (self.origin or f"{socket.getfqdn()}/access-log") + self.suffix


def access_of(settings: Settings) -> SealedLog:
    """The access log."""
    paths, names = settings.paths, settings.listen.certificate.names
    origin = settings.log.origin or (f"{names[0]}/access-log" if names else "")
    return SealedLog(ACCESS, paths.access_log_dir, paths.sealed_dir, paths.seal_key, origin, "")


def trail_of(settings: Settings) -> SealedLog:
    """The trail of who has looked at it: a log of the same form, with a key of its own."""
    access = access_of(settings)
    folder = settings.paths.data_dir / "log"
    return SealedLog(
        TRAIL,
        folder / TRAIL,
        folder / f"{TRAIL}-sealed",
        access.key.with_name(TRAIL),
        access.origin,
        f"/{TRAIL}",
    )


def logs_of(settings: Settings) -> tuple[SealedLog, ...]:
    """All of them."""
    return access_of(settings), trail_of(settings)
