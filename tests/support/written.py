"""YAML files, by the C scanner where PyYAML has it: the other takes ten times as long.

In: a file, or data. Out: data, or text. Must never: be what reads a gateway's own settings.
"""

from __future__ import annotations

import copy
import pickle
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def read(path: Path) -> Any:
    """What a file holds."""
    return yaml.load(path.read_text("utf-8"), _LOADER)


_WRITTEN: dict[bytes, str] = {}
"""By what they hold: thousands of tests write the same few settings, at 20 ms each."""


def write(data: Any) -> str:
    """The text of a file that holds this."""
    key = pickle.dumps(data)
    if key not in _WRITTEN:
        _WRITTEN[key] = yaml.dump(data, Dumper=_DUMPER)
    return _WRITTEN[key]


@cache
def _main_file() -> dict[str, Any]:
    return read(ROOT / "config/watchhouse.yaml") or {}


def default_settings() -> dict[str, Any]:
    """The default watchhouse.yaml, to be changed at will.

    Without its alerts: they name rules of the default policy, and tests have policies of their own.
    """
    found = copy.deepcopy(_main_file())
    found.pop("alerts", None)
    return found
