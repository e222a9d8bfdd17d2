"""What is left out of mitmproxy's own work, because it costs much and checks nothing for us.

In: mitmproxy's classes. Out: the same classes, quicker; a context that forks cheaply.
Must never: leave out a check of what comes from outside (those of the layers all stay).

Measured with `scripts/bench profile`; shares in docs/performance.md.
"""

from __future__ import annotations

# Python and cryptography would read these at the first request that needs them, when there may be
# no descriptor left to read a file with.
import encodings.idna  # noqa: F401 - see above
import gc
import itertools
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

import cryptography.hazmat.backends.openssl.backend  # noqa: F401 - as above
from mitmproxy import connection, flow, http
from mitmproxy.proxy import layer
from mitmproxy.proxy.context import Context

from proxy_addons.engine.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable

    from mitmproxy.connection import Client
    from mitmproxy.proxy.context import Context as AnyContext

    from proxy_addons.engine.egress import WayOut
    from proxy_addons.engine.options import EngineOptions

# Objects made between two collections of the youngest generation. Exchanges make cycles (layers
# and their contexts), so collections are needed; Python's default of 2,000 runs one every fourth
# request.
_GARBAGE_THRESHOLD = 50_000


class ForkingContext(Context):
    """A context whose forks do not each make, and throw away, a server connection.

    Attributes:
        pace: the waits of the client connection, shared by all forks.
        way_out: gives the way out of whose request is in hand; None for the usual one.
    """

    def __init__(
        self,
        client: Client,
        options: EngineOptions,
        way_out: Callable[[], WayOut | None] = lambda: None,
    ) -> None:
        # mitmproxy types its options as its own manager; the layers only read attributes.
        super().__init__(client, options)  # type: ignore[arg-type]
        self.pace = Pace(options)
        self.way_out = way_out

    def fork(self) -> Self:
        """A context with the same connections and a copy of the list of layers."""
        made = type(self).__new__(type(self))
        made.client = self.client
        made.server = self.server
        made.options = self.options
        made.pace = self.pace
        made.way_out = self.way_out
        made.layers = self.layers.copy()
        return made


def pace_of(context: AnyContext) -> Pace:
    """The waits of a context, which in the gateway is always one of ours."""
    assert isinstance(context, ForkingContext)
    return context.pace


def way_out_of(context: AnyContext) -> WayOut | None:
    """The way out of whose request is in hand, now; see `ForkingContext`."""
    assert isinstance(context, ForkingContext)
    return context.way_out()


def take_apart(outermost: layer.Layer) -> None:
    """Undo what the layers of an ended connection know of one another.

    They are then gone at once, with their TLS; left to the collector of garbage, which has to walk
    through all that is young to find them, they made up a seventh of a new connection's cost.

    Args:
        outermost: nothing may happen to it, or to any layer inside, any more.
    """
    waiting: list[Any] = [outermost]
    while waiting:
        known = vars(waiting.pop())
        for value in known.values():
            if isinstance(value, layer.Layer):
                waiting.append(value)
            elif isinstance(value, Context):
                waiting += value.layers
                value.layers.clear()
            elif type(value) is dict:
                waiting += [each for each in value.values() if isinstance(each, layer.Layer)]
        known.clear()


class _Waiting(list[Any]):
    """What a layer keeps events in while it waits.

    mitmproxy gives each layer a deque, of which the empty one has 760 octets: 10 kB for a
    connection that does nothing.
    """

    __slots__ = ()

    def popleft(self) -> Any:
        """The oldest, taken out. There are never more than a few."""
        return self.pop(0)


class _Numbers:
    """In place of the module uuid: what is told apart by it lives and ends in this process."""

    def __init__(self) -> None:
        self.uuid4 = itertools.count(1).__next__


def tune() -> None:
    """Apply, once, when a worker starts."""
    # In development builds mitmproxy checks the types of a message's fields with `typing` each
    # time one is made; they come from its own parser, and mypy has checked that.
    http.MessageData.__post_init__ = _unchecked  # type: ignore[method-assign]
    layer.collections = SimpleNamespace(deque=_Waiting)  # type: ignore[attr-defined, assignment]
    connection.uuid = flow.uuid = _Numbers()  # type: ignore[attr-defined, assignment]
    gc.set_threshold(_GARBAGE_THRESHOLD, 10, 20)


def _unchecked(_message: http.MessageData) -> None:
    pass
