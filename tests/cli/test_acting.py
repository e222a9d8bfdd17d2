from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.ldap import Slapd

from proxy_addons.cli import acting
from proxy_addons.cli.acting import Login, actor_of, login_of, named, units_of
from proxy_addons.settings.load import load
from proxy_addons.settings.people import Directory, Portal, RoleGroups

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy_addons.settings.model import Settings

ROOT = Path(__file__).parents[2]
NAMES = {0: "root", 100: "watchhouse", 200: "jane", 201: "Kim", 300: "\x07"}


@pytest.fixture
def users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acting, "_user", NAMES.get)


@pytest.mark.usefixtures("users")
@pytest.mark.parametrize(
    ("login", "name", "operator"),
    [
        # root: sudo's word, else who logged in, else root
        (Login(0, 100, "lee", 201), "lee", True),
        (Login(0, 100, None, 201), "kim", True),
        (Login(0, 100, None, None), "root", True),
        (Login(0, None, "\x1b", None), "root", True),
        # the gateway's own user: anybody could set its variables, so only the kernel's word counts
        (Login(100, 100, "lee", 200), "jane", True),
        (Login(100, 100, "lee", None), "watchhouse", True),
        # others are who they are, and no operators
        (Login(200, 100, "lee", 201), "jane", False),
        (Login(201, None, None, None), "kim", False),
        (Login(999, 100, None, None), "uid-999", False),
        (Login(300, 100, None, None), "uid-300", False),
    ],
)
def test_who_that_is(login: Login, name: str, operator: bool) -> None:
    assert named(login) == (name, operator)


def test_what_the_system_says(tmp_path: Path) -> None:
    found = login_of(tmp_path, {"SUDO_USER": "lee"})
    assert (found.uid, found.owner, found.sudo_user) == (
        os.geteuid(),
        tmp_path.stat().st_uid,
        "lee",
    )
    assert login_of(tmp_path / "none", {}).owner is None
    assert login_of(tmp_path, {"SUDO_USER": ""}).sudo_user is None


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with Slapd(tmp_path_factory.mktemp("slapd")) as server:
        yield server


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(acting, "login_of", lambda *_: Login(0, sudo_user="boss"))
    roles = (
        RoleGroups("information-security", ("major crime",)),
        RoleGroups("psd", ("Detectives",), ("boss",)),
        RoleGroups("operator", (), ("jane",)),
    )
    return replace(load(ROOT / "config", environ={}), portal=Portal(roles=roles))


def test_roles_come_from_the_directory(settings: Settings, slapd: Slapd) -> None:
    actor = actor_of(replace(settings, directory=slapd.settings()))
    assert (actor.name, actor.how) == ("boss", "command-line")
    assert {"jane", "zoë"} <= actor.manages
    assert actor.roles == {"staff", "line-manager", "information-security", "psd", "operator"}


def test_without_a_directory_names_have_roles(settings: Settings) -> None:
    actor = actor_of(settings)
    assert actor.roles == {"staff", "psd", "operator"}
    assert actor.manages == frozenset()


def test_somebody_who_is_no_operator_of_this_machine(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The portal's role of that name opens nothing here."""
    monkeypatch.setattr(acting, "_user", NAMES.get)
    monkeypatch.setattr(acting, "login_of", lambda *_: Login(200, 100))
    actor = actor_of(settings)
    assert (actor.name, actor.roles) == ("jane", {"staff"})
    assert not actor.at_the_machine


@pytest.mark.parametrize("servers", [("ldap://127.0.0.1:1",), ("nonsense",)])
def test_a_directory_that_does_not_answer(
    settings: Settings, capsys: pytest.CaptureFixture[str], servers: tuple[str, ...]
) -> None:
    directory = Directory(servers=servers, base="dc=x", start_tls=False)
    actor = actor_of(replace(settings, directory=directory))
    assert actor.roles == {"staff", "psd", "operator"}
    # What the directory's own part reports goes to standard error too.
    (warning,) = [
        line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")
    ]
    assert servers[0] in warning
    assert units_of(directory, ["jane"]) == {}


def test_units(slapd: Slapd) -> None:
    assert units_of(slapd.settings(), ["jane", "boss", "twice-too", "nobody"]) == {
        "jane": "Major Crime",
        "boss": "Major Crime",
        "twice-too": None,
    }
