"""What the tests of the portal's pages share."""

from __future__ import annotations

from support.portalpages import browser  # noqa: F401 - a fixture
