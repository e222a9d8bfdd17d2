"""What formats have in common: their names."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """How a list is written. AUTO finds out by what is in it."""

    AUTO = "auto"
    SQUIDGUARD = "squidguard"
    DOMAINS = "domains"
    HOSTS = "hosts"
    ADBLOCK = "adblock"
    RPZ = "rpz"
    E2GUARDIAN = "e2guardian"
