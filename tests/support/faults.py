"""Faults inside the gateway's workers: a function of theirs that raises.

In: `module:object.name`. Out: a folder for PYTHONPATH whose sitecustomize plants the fault in
workers only, before they begin. Must never: be importable by the gateway itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.gateway import ROOT

if TYPE_CHECKING:
    from pathlib import Path

_PLANT = """
import sys
if "proxy_addons.engine.worker" in sys.orig_argv:
    import importlib
    import proxy_addons.engine.worker  # all of its modules, before anything is replaced
    module, _, place = {target!r}.partition(":")
    *holders, name = place.split(".")
    holder = importlib.import_module(module)
    for part in holders:
        holder = getattr(holder, part)
    def fault(*_args, **_kwargs):
        raise RuntimeError("a fault planted by the tests, quoting secret-token")
    assert hasattr(holder, name), (holder, name)
    setattr(holder, name, fault)
"""


SECRET = "hunter2"
"""What a planted failure quotes: no log may hold it."""


def failing(*_: object, **__: object) -> None:
    """In place of a part of the gateway in this process."""
    raise RuntimeError(SECRET)


def plant(folder: Path, target: str) -> dict[str, str]:
    """Environment in which `target` raises in every worker."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_PLANT.format(target=target))
    return {"PYTHONPATH": f"{folder}:{ROOT}"}
