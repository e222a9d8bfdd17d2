"""The type of what commands register with: argparse has no public name for it.

In: nothing. Out: a name.
Must never: be more than a name.
"""

from __future__ import annotations

import argparse

type Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - the only name that it has
