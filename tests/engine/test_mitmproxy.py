"""Alarms for a new mitmproxy: they fail when it moves what the engine builds on.

When one fails after an upgrade: read what changed there, carry it over to the class of ours that
is named, and write the new value down here.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import re
import textwrap
from pathlib import Path
from typing import Any

import mitmproxy.proxy
import pytest
from mitmproxy import connection, flow, hooks, http, version
from mitmproxy.connection import Client, Connection, ConnectionState, Server
from mitmproxy.proxy import commands, context, events, layer, layers, server_hooks, tunnel
from mitmproxy.proxy.layers import http as layers_http
from mitmproxy.proxy.layers import modes, tls
from mitmproxy.proxy.layers.http import _http1, _http2, _http_h2, _upstream_proxy
from mitmproxy.proxy.layers.websocket import WebsocketLayer

from proxy_addons.engine import (
    exchange,
    http1,
    http2,
    httplayer,
    tuning,
    websockets,
)
from proxy_addons.engine import layers as our_layers
from proxy_addons.engine import tls as our_tls
from proxy_addons.engine.driver import Driver
from proxy_addons.engine.options import EngineOptions
from proxy_addons.engine.splice import Join
from proxy_addons.engine.wires import HalfClose, Hold

OURS = {
    exchange.Stream: layers_http.HttpStream,
    httplayer.Http: layers_http.HttpLayer,
    httplayer.Speaker: layers_http.HttpClient,
    http1.Server: _http1.Http1Server,
    http1.Client: _http1.Http1Client,
    http2.Server: _http2.Http2Server,
    http2.Client: _http2.Http2Client,
    http2._Connection: _http_h2.BufferedH2Connection,
    websockets.WebSocketRelay: WebsocketLayer,
    our_tls.QuickTls: tls.TLSLayer,
    our_tls.InspectedTls: tls.ClientTLSLayer,
    tuning.ForkingContext: context.Context,
}


def test_the_version() -> None:
    assert version.VERSION.startswith("12.2."), "pyproject.toml pins mitmproxy to a minor version"


def names_after_options(tree: ast.AST) -> set[str]:
    """X of every `….options.X`, `options.X` and `getattr(….options, "X")`."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _is_options(node.value):
            found.add(node.attr)
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "getattr"
            and _is_options(node.args[0])
            and isinstance(node.args[1], ast.Constant)
        ):
            found.add(str(node.args[1].value))
    return found


def _is_options(node: ast.AST) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None)
    return name == "options"


def test_every_option_that_the_layers_read_is_there() -> None:
    root = Path(mitmproxy.proxy.__path__[0])
    # mitmproxy's own server and listeners are not used; all else could be in a stack of layers.
    files = [
        file for file in root.rglob("*.py") if file.name not in {"server.py", "mode_servers.py"}
    ]
    assert len(files) > 20
    read = set[str]().union(*(names_after_options(ast.parse(f.read_text())) for f in files))
    assert {"connection_strategy", "validate_inbound_headers", "rawtcp"} <= read, "found none?"
    assert read - set(EngineOptions.__slots__) <= {"proxyauth"}  # of SOCKS, which we do not speak
    # Of driver and layers of our own.
    ours = {name for name in EngineOptions.__slots__ if name.endswith("_timeout")} | {
        "head_bytes", "head_fields", "url_bytes", "http2_streams", "trickle_after", "trickle_bytes",
    }  # fmt: skip
    # The next-layer addon reads this one; ours does not, but has no other list to keep.
    unread = set(EngineOptions.__slots__) - read - ours
    assert unread <= {"http2", "show_ignored_hosts", "proxy_debug"}, "no longer read: leave it out"


@pytest.mark.parametrize("option", ["rawtcp", "http3", "proxy_debug", "keep_host_header"])
def test_what_must_be_off_is_off(option: str) -> None:
    assert getattr(EngineOptions(), option) is False


def test_the_defence_against_smuggling_is_on() -> None:
    assert EngineOptions().validate_inbound_headers is True
    assert EngineOptions().connection_strategy == "lazy"
    assert EngineOptions().store_streamed_bodies is False


def test_no_pings_keep_a_connection_from_being_idle() -> None:
    assert EngineOptions().http2_ping_keepalive == 0
    source = inspect.getsource(_http2.Http2Client)
    assert "if self.context.options.http2_ping_keepalive > 0:" in source, "0 switches them off"


@pytest.mark.parametrize("ours", OURS, ids=lambda c: f"{c.__module__}.{c.__name__}")
def test_what_we_override_is_there_and_is_called_the_same_way(ours: type) -> None:
    base = OURS[ours]
    assert issubclass(ours, base)
    overridden = [
        name
        for name, value in vars(ours).items()
        if inspect.isfunction(value) and hasattr(base, name) and name != "__init__"
    ]
    assert overridden
    for name in overridden:
        theirs = inspect.signature(getattr(base, name)).parameters
        assert list(inspect.signature(vars(ours)[name]).parameters) == list(theirs), name


# Of these we have rewritten or relied on every line. SHA-256 over the syntax tree written out,
# so that layout and comments do not count.
COPIED: dict[str, Any] = {
    "HttpLayer._handle_event": layers_http.HttpLayer._handle_event,
    "HttpLayer.event_to_child": layers_http.HttpLayer.event_to_child,
    "HttpLayer.get_connection": layers_http.HttpLayer.get_connection,
    "HttpLayer.register_connection": layers_http.HttpLayer.register_connection,
    "HttpLayer.make_stream": layers_http.HttpLayer.make_stream,
    "HttpClient._handle_event": inspect.unwrap(layers_http.HttpClient._handle_event),
    "HttpStream.state_wait_for_request_headers": inspect.unwrap(
        layers_http.HttpStream.state_wait_for_request_headers
    ),
    "HttpStream.state_stream_request_body": inspect.unwrap(
        layers_http.HttpStream.state_stream_request_body
    ),
    "HttpStream.state_consume_request_body": inspect.unwrap(
        layers_http.HttpStream.state_consume_request_body
    ),
    "HttpStream.send_response": layers_http.HttpStream.send_response,
    "HttpStream.flow_done": layers_http.HttpStream.flow_done,
    "HttpStream.start_request_stream": layers_http.HttpStream.start_request_stream,
    "HttpStream.make_server_connection": layers_http.HttpStream.make_server_connection,
    "HttpStream.handle_protocol_error": layers_http.HttpStream.handle_protocol_error,
    "HttpStream.check_invalid": layers_http.HttpStream.check_invalid,
    "HttpStream.check_killed": layers_http.HttpStream.check_killed,
    "HttpStream.passthrough": inspect.unwrap(layers_http.HttpStream.passthrough),
    "validate_request": layers_http.validate_request,
    "Http1Server.read_headers": _http1.Http1Server.read_headers,
    "Http1Server.send": _http1.Http1Server.send,
    "Http1Client.read_headers": _http1.Http1Client.read_headers,
    "Http1Connection.read_body": _http1.Http1Connection.read_body,
    "Http1Connection.mark_done": _http1.Http1Connection.mark_done,
    "make_body_reader": _http1.make_body_reader,
    "Http2Client.__init__": _http2.Http2Client.__init__,
    "BufferedH2Connection.__init__": _http_h2.BufferedH2Connection.__init__,
    "WebsocketLayer.relay_messages": inspect.unwrap(WebsocketLayer.relay_messages),
    "TunnelLayer._handle_command": tunnel.TunnelLayer._handle_command,
    "TunnelLayer._handle_event": tunnel.TunnelLayer._handle_event,
    "TunnelLayer.event_to_child": tunnel.TunnelLayer.event_to_child,
    "TLSLayer.receive_data": tls.TLSLayer.receive_data,
    "TLSLayer.send_data": tls.TLSLayer.send_data,
    "TLSLayer.tls_interact": tls.TLSLayer.tls_interact,
    "ServerTLSLayer.start_handshake": tls.ServerTLSLayer.start_handshake,
    "ServerTLSLayer.event_to_child": tls.ServerTLSLayer.event_to_child,
    "HttpUpstreamProxy.make": _upstream_proxy.HttpUpstreamProxy.make,
    "ClientTLSLayer.receive_handshake_data": tls.ClientTLSLayer.receive_handshake_data,
    "TLSLayer.receive_handshake_data": tls.TLSLayer.receive_handshake_data,
    "TLSLayer.start_tls": tls.TLSLayer.start_tls,
    "get_client_hello": tls.get_client_hello,
    "MessageData.__post_init__": http.MessageData.__post_init__,
    "Context.__init__": context.Context.__init__,
    "Context.fork": context.Context.fork,
}
PRINTS: dict[str, str] = {
    "HttpLayer._handle_event": "817bf5e29eb2",
    "HttpLayer.event_to_child": "78d70bfc1ede",
    "HttpLayer.get_connection": "db2a14c2292d",
    "HttpLayer.register_connection": "1cdb32a452f5",
    "HttpLayer.make_stream": "efe5584f91c1",
    "HttpClient._handle_event": "325523c68a1e",
    "HttpStream.state_wait_for_request_headers": "7d4a192f5172",
    "HttpStream.state_stream_request_body": "7bf656cbd0fc",
    "HttpStream.state_consume_request_body": "872c2ac81f44",
    "HttpStream.send_response": "088bc6176e22",
    "HttpStream.flow_done": "ff00f19c7d6b",
    "HttpStream.start_request_stream": "490aebb73028",
    "HttpStream.make_server_connection": "f63da042f3c8",
    "HttpStream.handle_protocol_error": "4116955f9831",
    "HttpStream.check_invalid": "0f7e70eb894f",
    "HttpStream.check_killed": "036d67b34f7b",
    "HttpStream.passthrough": "b7750e2ea13f",
    "validate_request": "0c53bc53f672",
    "Http1Server.read_headers": "35b138a1640f",
    "Http1Server.send": "e8ba6cd21cbd",
    "Http1Client.read_headers": "d0b29e56f05f",
    "Http1Connection.read_body": "e87b431566fe",
    "Http1Connection.mark_done": "625770284f96",
    "make_body_reader": "ebebb6e1a1e8",
    "Http2Client.__init__": "42ecd399d696",
    "BufferedH2Connection.__init__": "7d61d92e4c13",
    "WebsocketLayer.relay_messages": "7d714acdf012",
    "TunnelLayer._handle_command": "39aea41f7cb0",
    "TunnelLayer._handle_event": "f59981da256d",
    "TunnelLayer.event_to_child": "0b54c68cef10",
    "TLSLayer.receive_data": "e2a8ecce98d5",
    "TLSLayer.send_data": "74a65e0ba581",
    "TLSLayer.tls_interact": "deb63d24e36e",
    "ServerTLSLayer.start_handshake": "969475ab3156",
    "ServerTLSLayer.event_to_child": "9695eede9616",
    "HttpUpstreamProxy.make": "ed8d7028df5e",
    "ClientTLSLayer.receive_handshake_data": "fb4eb1ca4b79",
    "TLSLayer.receive_handshake_data": "1f98393ce959",
    "TLSLayer.start_tls": "be3fb7c99b28",
    "get_client_hello": "dcfa45c315aa",
    "MessageData.__post_init__": "ce2229c67038",
    "Context.__init__": "71675f4fdfbd",
    "Context.fork": "2787ccc7db92",
}


def fingerprint(function: Any) -> str:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest()[:12]


@pytest.mark.parametrize("name", COPIED)
def test_what_we_have_rewritten_is_as_it_was(name: str) -> None:
    assert fingerprint(COPIED[name]) == PRINTS[name], f"mitmproxy's {name} has changed"


def test_the_driver_knows_every_command() -> None:
    """An unknown one closes the connection: no hole, but no service either."""
    source = inspect.getsource(Driver._obey)
    abstract = {commands.Command, commands.ConnectionCommand}
    known = {each for each in _subclasses(commands.Command) if each.__module__ == commands.__name__}
    for command in known - abstract:
        assert f"commands.{command.__name__}" in source
    for own in (Hold, HalfClose, Join):
        assert own.__name__ in source
        assert not issubclass(own, commands.ConnectionCommand), "tunnels would take it for theirs"


def _subclasses(base: type) -> set[type]:
    return {base}.union(*(_subclasses(each) for each in base.__subclasses__()))


def test_connection_states_are_as_the_driver_sets_them() -> None:
    assert ConnectionState.CAN_READ | ConnectionState.CAN_WRITE == ConnectionState.OPEN
    assert not ConnectionState.CLOSED
    server = Server(address=("allowed.test", 443))
    assert server.state is ConnectionState.CLOSED
    assert not server.connected
    server.state = ConnectionState.OPEN
    assert server.connected
    for name in ("error", "tls", "sni", "alpn", "alpn_offers", "peername", "via", "timestamp_end"):
        assert hasattr(server, name), name
    assert isinstance(hash(server), int)
    assert server != Server(address=server.address), "connections are told apart by identity"


def test_events_are_made_as_the_driver_makes_them() -> None:
    command = commands.OpenConnection(Server(address=None))
    assert command.blocking is True
    assert events.OpenConnectionCompleted(command, None).command is command
    wake = commands.RequestWakeup(1.0)
    assert not wake.blocking
    assert events.Wakeup(wake).command is wake
    assert commands.CloseTcpConnection(command.connection, half_close=True).half_close
    assert isinstance(commands.CloseTcpConnection(command.connection), commands.CloseConnection)


def test_a_blocking_command_names_the_layer_that_waits() -> None:
    """The driver answers hooks after the step; layers know their answer by the command."""

    class Asking(layer.Layer):
        done = False

        def _handle_event(self, event: events.Event) -> Any:
            del event
            yield server_hooks.ClientConnectedHook(self.context.client)
            self.done = True

    client = Client(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2), timestamp_start=0.0)
    asking = Asking(tuning.ForkingContext(client, EngineOptions()))
    (command,) = asking.handle_event(events.Start())
    assert command.blocking is asking
    assert not asking.done
    assert list(asking.handle_event(events.HookCompleted(command))) == []
    assert asking.done


def test_our_hooks_are_named_as_the_table_knows_them() -> None:
    ours = {
        value.name
        for value in vars(our_layers).values()
        if inspect.isclass(value)
        and issubclass(value, commands.StartHook)
        and value.__module__ == our_layers.__name__
    }
    assert ours == set(our_layers.OWN_HOOKS) == {
        "upstream_failed", "body_refused", "bad_request", "splice_end",
    }  # fmt: skip
    assert ours <= set(hooks.all_hooks)
    assert our_layers.SpliceEndHook.blocking is False
    assert our_layers.BadRequestHook.blocking is True


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("client_connected", "client"), ("client_disconnected", "client"),
        ("server_connect", "data"), ("server_disconnected", "data"),
        ("http_connect", "flow"), ("http_connect_upstream", "flow"), ("requestheaders", "flow"),
        ("responseheaders", "flow"), ("response", "flow"), ("error", "flow"),
        ("websocket_end", "flow"), ("next_layer", "data"),
        ("tls_start_client", "data"), ("tls_start_server", "data"),
        ("tls_established_client", "data"), ("tls_failed_client", "data"),
    ],
)  # fmt: skip
def test_hooks_have_the_one_argument_that_their_handlers_expect(name: str, argument: str) -> None:
    hook = hooks.all_hooks[name]
    assert list(hook.__dataclass_fields__) == [argument]  # type: ignore[attr-defined]


def test_message_data_checks_types_only() -> None:
    """tune() leaves the check out: it must not begin to check anything that comes from outside."""
    source = inspect.getsource(http.MessageData.__post_init__)
    assert "check_option_type" in source
    assert {
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for node in ast.walk(ast.parse(textwrap.dedent(source)))
        if isinstance(node, ast.Call)
    } <= {"fields", "check_option_type", "getattr"}
    assert http.Request.make("GET", "http://allowed.test/").data.host == "allowed.test"


def test_a_forked_context_is_a_context() -> None:
    client = Client(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2), timestamp_start=0.0)
    made = tuning.ForkingContext(client, EngineOptions())
    made.layers.append(modes.HttpProxy(made))
    ours = made.fork()
    theirs = context.Context.fork(made)
    assert vars(ours).keys() == vars(theirs).keys() | {"pace", "way_out"}
    assert (ours.pace, ours.way_out) == (made.pace, made.way_out)
    for name, value in vars(theirs).items():
        assert getattr(ours, name) == value, name
    ours.layers.clear()
    assert made.layers, "a fork has a list of its own"


def test_what_a_layer_does_with_its_queue_ours_can_do() -> None:
    """tune() gives it a list in place of a deque."""
    tree = ast.parse(inspect.getsource(layer))
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Attribute)
        and node.value.attr == "_paused_event_queue"
    }
    assert used == {"append", "popleft"}
    assert {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "collections"
    } == {"deque"}
    waiting = tuning._Waiting()
    assert not waiting
    for number in range(3):
        waiting.append(number)
    assert waiting
    assert [waiting.popleft() for _ in range(3)] == [0, 1, 2]


def test_names_of_connections_are_told_apart() -> None:
    numbers = tuning._Numbers()
    assert numbers.uuid4() != numbers.uuid4()
    for module in (connection, flow):
        source = inspect.getsource(module)
        assert re.findall(r"uuid\.\w+", source) == ["uuid.uuid4"], module
        assert "str(uuid.uuid4())" in source


def test_tls_layers_have_what_the_hooks_rely_on() -> None:
    start = tls.TlsData.__dataclass_fields__
    assert {"conn", "context", "ssl_conn"} <= set(start)
    assert issubclass(tls.ClientTLSLayer, tls.TLSLayer)
    assert issubclass(layers.ServerTLSLayer, tls.TLSLayer)
    for name in ("sni", "alpn_protocols", "extensions"):
        assert isinstance(getattr(tls.ClientHello, name), property)
    assert isinstance(Connection.connected, property)
