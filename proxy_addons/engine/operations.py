"""The operational log of a process (not the access log), and the overrides it was started with.

In: structlog and logging calls. Out: one line each on standard error, for journald or a terminal.
Must never: hold a URL, a name of a person or a credential; that is what the access log is for.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Mapping

_overrides: dict[str, str] = {}


def overrides() -> Mapping[str, str]:
    """The settings that the command line gave, by dotted key."""
    return _overrides


def set_up(process: str, given: Mapping[str, str]) -> None:
    """Set up the operational log of this process.

    Args:
        process: its name in each line, e.g. `worker-1`.
        given: settings from the command line, by dotted key.
    """
    _overrides.clear()
    _overrides.update(given)
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _named(process),
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=True)
        if sys.stderr.isatty()
        else structlog.processors.LogfmtRenderer(
            key_order=["timestamp", "level", "process", "event"]
        )
    )
    structlog.configure(
        processors=[*shared, renderer],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("watchhouse").setLevel(logging.INFO)


def _named(process: str) -> structlog.typing.Processor:
    def name(
        _logger: object, _method: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        event["process"] = process
        return event

    return name
