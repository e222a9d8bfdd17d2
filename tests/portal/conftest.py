"""What the tests of the portal's pages share."""

from __future__ import annotations

from support.portalpages import browser, chromium_address  # noqa: F401 - fixtures
