"""The secret behind what the gateway says of itself in `Via` (gate/loops.py).

In: the setting `network.via`, the folder of the running processes. Out: `Loops`, or None.
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
    return Loops(_secret(settings.paths.run_dir / _FILE), None, time.monotonic)


def _secret(file: Path) -> bytes:
    """The secret in a file, made by whoever comes first; all workers have the same."""
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
        # Requests are judged all the same; a loop over another worker would not be noticed.
        logger.warning("%s: %s; each worker marks requests by itself", file, problem.strerror)
        return secrets.token_bytes(_BYTES)
    if len(made) != _BYTES:
        logger.warning("%s: not a secret of this gateway; remove it and restart", file)
        return secrets.token_bytes(_BYTES)
    return made
