"""Parsers of others, where they are installed.

In: a module's name. Out: the module, or None. Must never: fail because one is missing.
"""

from __future__ import annotations

import importlib
from typing import Any


def optional(name: str) -> Any:
    """A module that need not be there."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None
