"""The steps that seal: the access log, and the trail of who has looked at it.

In: settings. Out: sealed segments; how large the log is, and what still waits.
Must never: make a key where one was lost; take another process that seals just now for a fault of
the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy_addons import __version__
from proxy_addons.accesslog.keeper.step import Outcome
from proxy_addons.accesslog.seal.keyring import signer_of
from proxy_addons.accesslog.seal.logs import ACCESS, TRAIL, access_of, trail_of
from proxy_addons.accesslog.seal.sealing import seal

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.accesslog.keeper.step import Context
    from proxy_addons.accesslog.seal.logs import SealedLog
    from proxy_addons.settings.model import Settings

SEAL: Final = "seal-"
"""What the names of these steps begin with."""


@dataclass(frozen=True, slots=True)
class _Seal:
    name: str
    log: Callable[[Settings], SealedLog]

    def run(self, context: Context) -> Outcome:
        """Seal what has ended."""
        log = self.log(context.settings)
        if not log.segments.is_dir():
            return Outcome()  # nothing was ever written there
        signer = signer_of(log.seals, log.key, log.named, context.entropy)
        done = seal(
            log.segments,
            log.seals,
            signer,
            now=context.clock(),
            entropy=context.entropy,
            software=__version__,
        )
        records = sum(each.records for each in done.manifests)
        count = len(done.manifests)
        known = {
            "origin": signer.name,
            "key": str(signer.verifier),
            "size": done.checkpoint.size,
            "sealed": count,
            "waiting": [str(each) for each in done.waiting],
        }
        return Outcome(f"{count} segments sealed, {records} records" if count else "", known)


class SealAccess(_Seal):
    """Seals the access log."""

    def __init__(self) -> None:
        super().__init__(SEAL + ACCESS, access_of)


class SealTrail(_Seal):
    """Seals the trail."""

    def __init__(self) -> None:
        super().__init__(SEAL + TRAIL, trail_of)
