"""What this room reports to operators, by structlog.

In: a component's name. Out: a logger.
Must never: write to standard output where nobody has said where to: there a command's answer goes,
such as a CSV file that another program reads.

`operations.set_up` says where to in the gateway's processes; in a command, and in the portal, it is
standard error. (Set up here and not by each command: importing structlog takes a fifth of a second,
and most commands need nothing that reports.)
"""

from __future__ import annotations

import sys
from typing import Any

import structlog


def reporter(component: str | None = None) -> Any:
    """A logger of structlog.

    Args:
        component: is in each line, as `component`.
    """
    if not structlog.is_configured():
        structlog.configure(logger_factory=_to_standard_error)
    values = {} if component is None else {"component": component}
    return structlog.get_logger(**values)


def _to_standard_error(*_: object) -> structlog.PrintLogger:
    # As it is when a line is written: tests, and programs that become services, replace it.
    return structlog.PrintLogger(sys.stderr)
