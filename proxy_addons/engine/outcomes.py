"""How a connection to a server can fail, and where an exception came from.

In: reasons. Out: values that the driver, the connector and the layers hand on.
Must never: hold the text of an exception (it may quote what a client or server sent).
"""

from __future__ import annotations

import errno
from typing import Self

CUT_OFF = "cut off: refused for what was found in it"
"""Why an answer that had begun to go out ends there."""
# What the kernel says when this process, or the machine, has no descriptor or memory to give.
SPENT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class ConnectRefused(str):  # noqa: SLOT000 - a str that carries its kind through mitmproxy's layers
    """Why a server could not be reached: text for the log, and the kind of refusal for the page.

    The layers hand this very object on as their error, so that its kind arrives where the page
    is made.
    """

    kind: str

    def __new__(cls, text: str, kind: str) -> Self:
        """A reason `text` of a `kind` of gate/refusal.py."""
        made = super().__new__(cls, text)
        made.kind = kind
        return made


class ConnectFailed(Exception):  # noqa: N818 - it is the outcome of a connect, named as that
    """A server could not be connected to. `reason` says why, with its kind."""

    def __init__(self, reason: ConnectRefused) -> None:
        super().__init__(reason)
        self.reason = reason


def where(problem: BaseException) -> str:
    """The innermost place of an exception, as `file:line`, without any value."""
    trace = problem.__traceback__
    place = ""
    while trace is not None:
        place = f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
