"""The origin of the table of evasions: what came belongs to the row that sent it."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from proxy_addons.selftest.origin import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUEST = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin([("127.0.0.1", 0), ("127.0.0.1", 0)]) as made:
        yield made


def asked(port: int) -> None:
    """Ask, and leave before anything is answered."""
    with socket.create_connection(("127.0.0.1", port), 20) as sock:
        sock.sendall(REQUEST)


def test_what_came_is_taken_once(origin: Origin) -> None:
    for port in origin.ports:
        asked(port)
    assert origin.take() == ([REQUEST] * 2, 2)
    assert origin.take() == ([], 0)


def test_what_waits_to_be_accepted_is_not_left_for_the_next_row(origin: Origin) -> None:
    """As on a busy machine: the gateway has left before the origin's thread had its turn."""
    held = threading.Thread(target=asked, args=(origin.ports[1],))
    with origin._changed:  # no connection gets further than the queue
        asked(origin.ports[0])
        asked(origin.ports[0])
        held.start()
        held.join()
    assert origin.take() == ([REQUEST] * 3, 3)


def test_its_own_connections_are_not_shown(origin: Origin) -> None:
    for _ in range(20):
        assert origin.take() == ([], 0)
    assert not origin._got
    assert not origin._own


def test_it_answers_what_it_is_told_and_closes(origin: Origin) -> None:
    origin.answer = b"HTTP/1.1 206 Part\r\nX: 1\r\n\r\nhello"
    with socket.create_connection(("127.0.0.1", origin.ports[0]), 20) as sock:
        sock.sendall(REQUEST)
        came = b"".join(iter(lambda: sock.recv(4096), b""))
    assert came == origin.answer
    assert origin.take() == ([REQUEST], 1)
