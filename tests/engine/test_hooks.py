"""The hook table: who answers which hook, and what a handler that raises leads to."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from mitmproxy.proxy.server_hooks import ClientConnectedHook, ClientDisconnectedHook
from support.scene import a_client

from proxy_addons.engine.hooks import HookTable


def never(hook: str, data: object, problem: Exception) -> None:
    raise AssertionError((hook, data, problem))


class Noting:
    """Notes who was called."""

    def __init__(self, name: str, calls: list[str], problem: Exception | None = None) -> None:
        self._name = name
        self._calls = calls
        self._problem = problem

    def client_connected(self, client: object) -> None:
        assert client is CLIENT
        self._calls.append(self._name)
        if self._problem:
            raise self._problem


CLIENT = a_client()


def test_handlers_are_asked_in_the_order_of_the_addons() -> None:
    calls: list[str] = []
    table = HookTable([Noting("a", calls), Noting("b", calls), Noting("c", calls)], never)
    assert table.call(ClientConnectedHook(CLIENT))
    assert calls == ["a", "b", "c"]
    assert "client_connected" in table
    assert "client_disconnected" not in table


def test_a_hook_that_nobody_answers_passes() -> None:
    assert HookTable([Noting("a", [])], never).call(ClientDisconnectedHook(CLIENT))


def test_a_handler_that_raises_is_refused_and_ends_the_asking() -> None:
    calls: list[str] = []
    refused: list[tuple[str, Any, Exception]] = []
    problem = RuntimeError("quoting a password")
    table = HookTable(
        [Noting("a", calls), Noting("b", calls, problem), Noting("c", calls)],
        lambda *what: refused.append(what),
    )
    assert table.call(ClientConnectedHook(CLIENT)), "refused, so the connection can tell of it"
    assert calls == ["a", "b"], "no later handler may take a refused thing for a sound one"
    assert refused == [("client_connected", CLIENT, problem)]


def test_when_the_refusal_raises_too_the_connection_must_close() -> None:
    table = HookTable([Noting("a", [], RuntimeError())], never)
    assert not table.call(ClientConnectedHook(CLIENT))


def test_what_stops_a_process_is_no_fault_of_a_handler() -> None:
    class Stopping:
        def client_connected(self, _client: object) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        HookTable([Stopping()], never).call(ClientConnectedHook(CLIENT))


def test_a_method_that_answers_no_hook_is_a_mistake() -> None:
    """A misspelt hook would never be called: a check that is not made."""

    class Misspelt:
        def client_conected(self, client: object) -> None:
            """Never called."""

    with pytest.raises(TypeError, match=r"Misspelt\.client_conected answers no hook"):
        HookTable([Misspelt()], never)


def test_own_hooks_are_answered_too() -> None:
    class Own:
        def upstream_failed(self, flow: object) -> None:
            """Ours."""

    assert "upstream_failed" in HookTable([Own()], never, ("upstream_failed",))


def test_private_methods_and_values_are_no_handlers() -> None:
    class Addon:
        number = 7

        def _request(self, flow: object) -> None:
            """No hook."""

    assert "request" not in HookTable([Addon()], never)


class Waiting(Noting):
    """Waits before it is done."""

    def client_connected(self, client: object) -> Any:
        return self._later(client)

    async def _later(self, client: object) -> None:
        await asyncio.sleep(0)
        super().client_connected(client)


async def test_a_handler_may_wait_and_the_later_ones_wait_for_it() -> None:
    calls: list[str] = []
    table = HookTable([Noting("a", calls), Waiting("b", calls), Waiting("c", calls)], never)
    done = table.ask(ClientConnectedHook(CLIENT))
    assert not isinstance(done, bool)
    assert calls == ["a"]
    assert await done
    assert calls == ["a", "b", "c"]
    assert HookTable([Noting("a", calls)], never).ask(ClientConnectedHook(CLIENT)) is True


@pytest.mark.parametrize("waits", [Noting, Waiting])
async def test_a_handler_that_raises_after_waiting_is_refused(waits: Any) -> None:
    calls: list[str] = []
    refused: list[Any] = []
    problem = RuntimeError("quoting a password")
    addons = [Waiting("a", calls), waits("b", calls, problem), Noting("c", calls)]
    done = HookTable(addons, lambda *what: refused.append(what)).ask(ClientConnectedHook(CLIENT))
    assert not isinstance(done, bool)
    assert await done
    assert calls == ["a", "b"]
    assert refused == [("client_connected", CLIENT, problem)]
    failing = HookTable([Waiting("a", [], problem)], never).ask(ClientConnectedHook(CLIENT))
    assert not isinstance(failing, bool)
    assert not await failing, "even the refusal failed: the connection must close"


def test_where_nobody_waits_a_handler_that_would_has_failed() -> None:
    """Its answer would come too late to refuse anything."""
    refused: list[Any] = []
    table = HookTable([Waiting("a", [])], lambda *what: refused.append(what))
    assert table.call(ClientConnectedHook(CLIENT))
    ((hook, _, problem),) = refused
    assert hook == "client_connected"
    assert isinstance(problem, TypeError)
