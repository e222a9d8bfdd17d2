"""Scanners for all tests of this room, and bodies for them."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from blockbuster import blockbuster_ctx
from support import clamd as support_clamd
from support import icap as support_icap
from support.clamd import RunningClamd
from support.icap import RunningIcap

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder with a path short enough for a Unix socket."""
    with TemporaryDirectory(prefix="wh") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def clamd() -> Iterator[RunningClamd]:
    """A clamd that is always well: tests that harm one start their own."""
    if not support_clamd.is_installed():
        pytest.skip("needs clamd (Debian: clamav-daemon)")
    with TemporaryDirectory(prefix="wh") as folder, RunningClamd(Path(folder)) as running:
        yield running


@pytest.fixture
def no_blocking() -> Iterator[None]:
    """A blocking call in this room, on the event loop, fails the test."""
    with blockbuster_ctx("proxy_addons.content"):
        yield


@pytest.fixture(scope="session")
def icap(clamd: RunningClamd) -> Iterator[RunningIcap]:
    """A c-icap that is always well, and asks that clamd."""
    if not support_icap.is_installed():
        pytest.skip("needs c-icap (Debian: c-icap, libc-icap-mod-virus-scan)")
    with TemporaryDirectory(prefix="wh") as folder, RunningIcap(Path(folder), clamd) as running:
        yield running
