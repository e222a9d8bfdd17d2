"""Faults inside the gateway's workers: functions of theirs that raise, always or for a while.

In: `module:object.name`. Out: a folder for PYTHONPATH whose sitecustomize plants the faults in
workers only, before they begin. Must never: be importable by the gateway itself.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from support.gateway import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PLANT = """
import sys
if "proxy_addons.engine.worker" in sys.orig_argv:
    import functools
    import importlib
    import os
    import proxy_addons.engine.worker  # all of its modules, before anything is replaced
    def faulty(target, sound):
        switch = os.path.join(os.path.dirname(__file__), target)
        kind = type(named(target), (RuntimeError,), {{}})
        @functools.wraps(sound)
        def fault(*args, **kwargs):
            if os.path.exists(switch):
                raise kind("a fault planted by the tests, quoting secret-token")
            return sound(*args, **kwargs)
        return fault
    def named(target):
        return "RuntimeErrorOf" + target.rpartition(":")[2].replace(".", "_")
    for target in {targets!r}:
        module, _, place = target.partition(":")
        *holders, name = place.split(".")
        holder = importlib.import_module(module)
        for part in holders:
            holder = getattr(holder, part)
        setattr(holder, name, faulty(target, getattr(holder, name)))
"""


SECRET = "hunter2"
"""What a planted failure quotes: no log may hold it."""


def failing(*_: object, **__: object) -> None:
    """In place of a part of the gateway in this process."""
    raise RuntimeError(SECRET)


class Faults:
    """Functions that raise in every worker while they are switched on.

    Args:
        folder: is made.
        targets: the functions.

    Attributes:
        environ: environment in which the workers have these faults.
    """

    def __init__(self, folder: Path, *targets: str) -> None:
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(_PLANT.format(targets=targets))
        self._folder = folder
        self.environ = {"PYTHONPATH": f"{folder}:{ROOT}"}

    @contextlib.contextmanager
    def on(self, target: str) -> Iterator[str]:
        """While the function raises; gives the name of what it raises, a RuntimeError."""
        switch = self._folder / target
        switch.touch()
        try:
            yield f"RuntimeErrorOf{target.rpartition(':')[2].replace('.', '_')}"
        finally:
            switch.unlink()


def plant(folder: Path, target: str) -> dict[str, str]:
    """Environment in which `target` raises in every worker, from its start on."""
    faults = Faults(folder, target)
    (folder / target).touch()
    return faults.environ
