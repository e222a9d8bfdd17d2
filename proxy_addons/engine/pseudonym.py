"""Secrets that workers share: behind what is said of the gateway in `Via`, and behind buttons.

In: the setting `network.via`, the folder of the running processes. Out: `Loops` (gate/loops.py) or
None; a secret for tokens (gate/tokens.py).
Must never: hand the secret out, or keep a gateway from starting that can do without it.
"""

from __future__ import annotations

import logging
import os
import secrets
import time
from typing import TYPE_CHECKING

from proxy_addons.gate.loops import Loops

if TYPE_CHECKING:
    from pathlib import Path

    from proxy_addons.settings.model import Settings

logger = logging.getLogger("watchhouse.worker")

_FILE = "via.key"
_BYTES = 32


def loops_of(settings: Settings) -> Loops | None:
    """What marks requests and knows them again; None where the setting says `off`."""
    via = settings.network.via
    if via == "off":
        return None
    if via != "auto":
        return Loops(b"", via, time.monotonic)
    consequence = "each worker marks requests by itself"
    secret = secret_of(settings.paths.run_dir / _FILE, consequence)
    return Loops(secret, None, time.monotonic)


def secret_of(file: Path, consequence: str) -> bytes:
    """The secret in a file, made by whoever comes first; all workers have the same.

    Args:
        file: where it is kept.
        consequence: what it means when it cannot be, for the log: this process then has its own.
    """
    made = secrets.token_bytes(_BYTES)
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as new:
            new.write(made)
        try:
            os.link(draft, file)  # whole or not at all, and never over one that is there
        except FileExistsError:
            made = file.read_bytes()
        finally:
            draft.unlink()
    except OSError as problem:
        # Requests are judged all the same; a loop over another worker would not be noticed, and a
        # button of a page made by another worker does nothing.
        logger.warning("%s: %s; %s", file, problem.strerror, consequence)
        return secrets.token_bytes(_BYTES)
    if len(made) != _BYTES:
        logger.warning("%s: not a secret of this gateway; remove it and restart", file)
        return secrets.token_bytes(_BYTES)
    return made
