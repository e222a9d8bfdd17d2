"""Everybody in the directory, against a real slapd."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.ldap import CROWD, PEOPLE, Slapd, deaf_server

from proxy_addons.identity.entries import DirectorySettingsError, DirectoryUnavailableError
from proxy_addons.identity.everybody import everybody
from proxy_addons.settings.people import Directory

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def deaf() -> Iterator[int]:
    with deaf_server() as port:
        yield port


@pytest.mark.parametrize("page_size", [50, 7])
def test_everybody_who_may_sign_in(ldap: Slapd, page_size: int) -> None:
    found = everybody(ldap.settings(page_size=page_size))
    names = [entry.name for entry in found]
    assert names == sorted(set(names))
    assert {person.name for person in CROWD} <= set(names)
    assert {"jane", "zoë", "boss", "deep"} <= set(names)
    assert "left" not in names, "the account is disabled"
    assert len(names) <= len(CROWD) + len(PEOPLE) - 1
    jane = next(entry for entry in found if entry.name == "jane")
    assert (jane.display, jane.unit, jane.manager, jane.groups) == (
        *("Jane Doe", "Major Crime", None, frozenset()),
    )


def test_only_people_whom_the_filter_of_the_settings_finds(ldap: Slapd) -> None:
    found = everybody(ldap.settings(person_filter="(&(department=Major Crime)(uid={name}))"))
    assert [entry.name for entry in found] == ["boss", "jane"]


def test_half_of_them_is_none(ldap: Slapd) -> None:
    """The server gives no more than 50 in one piece: a larger page is refused, not cut."""
    with pytest.raises(DirectoryUnavailableError, match="adminLimitExceeded"):
        everybody(ldap.settings(page_size=500))


def test_a_server_that_says_nothing(deaf: int) -> None:
    settings = Directory(
        servers=(f"ldap://127.0.0.1:{deaf}",), base="dc=force,dc=test", timeout=0.2, start_tls=False
    )
    with pytest.raises(DirectoryUnavailableError):
        everybody(settings, patience=0.2)


def test_a_server_that_cannot_be(ldap: Slapd) -> None:
    with pytest.raises(DirectorySettingsError):
        everybody(ldap.settings(servers=("http://x",)))
