"""What all tests share: those that cannot run here are skipped, each with the reason; those that
take minutes are left out.

The markers are explained in pyproject.toml. As root on Debian, scripts/test has installed what they
need.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from support.postgres import postgres  # noqa: F401 - a fixture: one server, whichever room asks
from support.sharedbrowser import browser, chromium_address  # noqa: F401 - likewise

if TYPE_CHECKING:
    from pathlib import Path

# No timed tests: on a busy machine, and in a fresh checkout where hypothesis first makes its tables
# of characters, slowness says nothing about the code.
settings.register_profile("watchhouse", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("watchhouse")

# A shell starts what it runs in the background with Ctrl-C ignored, and so would all programs that
# tests start: a test that ends one by SIGINT would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Ten thousand tests stay to the end: no collection of garbage need look at them again.

    Some tests collect garbage to see what is left over; that took most of their time.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module")
def little_to_collect() -> None:
    """For modules that collect garbage: not what tests before them have left in pytest's hands."""
    gc.collect()
    gc.freeze()


def reason_against(marker: str) -> str | None:
    """Say why tests with this marker cannot run on this machine, or None."""
    if marker == "root" and os.geteuid() != 0:
        return "needs root: it makes network namespaces or mounts"
    if marker == "browser" and not (shutil.which("chromium") and shutil.which("certutil")):
        return "needs Chromium and certutil (Debian: chromium, libnss3-tools)"
    return None


def _takes_long(path: Path) -> bool:
    """Whether the tests of a file start gateways or browsers, or wait for long."""
    return path.parent.name == "e2e" or path.stem.endswith(
        ("_browser", "_chromium", "_killed", "_parts")
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "heavy" not in config.option.markexpr:  # scripts/faults and scripts/large do
        heavy = [item for item in items if item.get_closest_marker("heavy")]
        config.hook.pytest_deselected(items=heavy)
        items[:] = [item for item in items if item not in heavy]
    # Several run at a time, a file each: what takes minutes comes first, so that none is left alone
    # at the end. Otherwise the order stays the random one.
    items.sort(key=lambda item: not _takes_long(item.path))
    reasons = {marker: reason_against(marker) for marker in ("root", "browser")}
    for item in items:
        for marker, reason in reasons.items():
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))
