"""The hook table: which addon methods answer which mitmproxy hook, looked up once.

In: addon objects; each public method named like a hook answers that hook.
Out: `HookTable.call(hook)`, which runs the handlers in order; `HookTable.ask(hook)`, whose handlers
may give an awaitable: the later ones are asked when it is done.
Must never: let an exception of a handler pass the request on. `refuse` is called with what failed,
and where even that fails, the connection in hand is closed.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from mitmproxy import hooks as mitmproxy_hooks

# Importing these registers their hooks in mitmproxy's list of all hooks.
from mitmproxy.proxy import layer, layers, server_hooks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence

    from mitmproxy.proxy.commands import StartHook

__all__ = ["HookTable", "layer", "layers", "server_hooks"]

type Handler = Callable[[Any], Awaitable[None] | None]


class HookTable:
    """Handlers by hook name.

    Args:
        addons: in the order in which they are asked.
        refuse: called as `refuse(hook_name, data, exception)` when a handler raised; it must turn
            the failure into a refusal of what `data` stands for. If it raises itself, `call`
            returns False and its caller closes the connection.
        own_hooks: hooks that the engine fires itself, besides mitmproxy's.
    """

    def __init__(
        self,
        addons: Iterable[object],
        refuse: Callable[[str, Any, Exception], None],
        own_hooks: Iterable[str] = (),
    ) -> None:
        known = set(mitmproxy_hooks.all_hooks) | set(own_hooks)
        table: dict[str, list[Handler]] = {}
        for addon in addons:
            for name in dir(addon):
                if name.startswith("_") or not callable(handler := getattr(addon, name)):
                    continue
                if name not in known:
                    msg = (
                        f"{type(addon).__name__}.{name} answers no hook: make it private, "
                        "or correct its name"
                    )
                    raise TypeError(msg)
                table.setdefault(name, []).append(handler)
        self._table = {name: tuple(handlers) for name, handlers in table.items()}
        self._refuse = refuse

    def __contains__(self, name: str) -> bool:
        return name in self._table

    def call(self, hook: StartHook) -> bool:
        """Run the handlers of a hook. False when the connection in hand must be closed.

        For hooks that nobody waits for: a handler that would wait has failed.
        """
        handlers = self._table.get(hook.name)
        if handlers is None:
            return True
        (data,) = hook.args()
        for handler in handlers:
            try:
                waiting = handler(data)
                if waiting is not None:
                    if inspect.iscoroutine(waiting):
                        waiting.close()
                    msg = "a handler that would wait where nobody can"
                    raise TypeError(msg)  # noqa: TRY301 - a failure of the handler like others
            except Exception as problem:  # noqa: BLE001 - whatever it is, the request is refused
                return self._failed(hook.name, data, problem)
        return True

    def ask(self, hook: StartHook) -> bool | Coroutine[Any, Any, bool]:
        """Run the handlers of a hook. False when the connection in hand must be closed.

        Returns:
            A coroutine with the answer, never raising, where a handler has to wait.
        """
        handlers = self._table.get(hook.name)
        if handlers is None:
            return True
        (data,) = hook.args()
        for number, handler in enumerate(handlers, 1):
            try:
                waiting = handler(data)
            except Exception as problem:  # noqa: BLE001 - whatever it is, the request is refused
                return self._failed(hook.name, data, problem)
            if waiting is not None:
                return self._wait(hook.name, data, waiting, handlers[number:])
        return True

    async def _wait(
        self, name: str, data: Any, waiting: Awaitable[None], others: Sequence[Handler]
    ) -> bool:
        """The same from a handler on that has to wait."""
        try:
            await waiting
            for handler in others:
                if (more := handler(data)) is not None:
                    await more
        except Exception as problem:  # noqa: BLE001 - whatever it is, the request is refused
            return self._failed(name, data, problem)
        return True

    def _failed(self, name: str, data: Any, problem: Exception) -> bool:
        try:
            self._refuse(name, data, problem)
        except Exception:  # noqa: BLE001 - even the refusal failed: close the connection
            return False
        return True
