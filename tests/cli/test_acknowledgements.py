"""`watchhouse acknowledgements …`, as a user types it."""

from __future__ import annotations

import csv
import io
import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.ldap import BASE, SERVICE, SERVICE_PASSWORD, Slapd
from support.standing import ready

from proxy_addons.settings.model import Paths
from proxy_addons.settings.people import Standing
from proxy_addons.standing import open_store
from proxy_addons.standing.acknowledgements import Acknowledgements
from proxy_addons.standing.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
BEGIN = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)


@dataclass
class World:
    """A configuration with a statement, a store, and the command."""

    config: Path
    data: Path
    watchhouse: Callable[..., Any]

    def run(self, *arguments: str) -> Any:
        return self.watchhouse(
            "acknowledgements", *arguments, "--config", str(self.config), "--data", str(self.data)
        )

    def state(self, text: str) -> Statement:
        (self.config / "statement.md").write_text(text)
        return Statement.of(text)

    def acknowledge(self, person: str, statement: Statement, at: datetime | None = None) -> None:
        paths = Paths(self.config, self.config, self.data)
        ready(Standing(), paths)
        store = open_store(Standing(), paths)
        kept = Acknowledgements(store, clock=lambda: at or datetime.now(UTC))
        kept.acknowledge(
            statement, person, seen=statement.version, client_ip="10.0.0.7", how="kerberos"
        )
        store.close()


@pytest.fixture
def world(watchhouse: Callable[..., Any], tmp_path: Path) -> World:
    config = tmp_path / "config"
    shutil.copytree(ROOT / "config", config)
    return World(config, tmp_path / "data", watchhouse)


def told(done: Any) -> str:
    assert (done.code, done.err) == (0, "")
    return " ".join(done.out.split())


def test_who_has_and_who_has_not(world: World, tmp_path: Path):
    old, new = Statement.of("# Use\n\nOld.\n"), world.state("# Use\n\nNew.\n")
    world.acknowledge("jane", old, BEGIN)
    world.acknowledge("john", new)
    numbers = "acknowledged: 1, due soon: 0, expired: 0, older version: 1, never: 0"
    said = told(world.run("list"))
    assert said.startswith(f"statement {new.version}: Use {numbers} person unit standing")
    assert f"jane unknown older version {old.version} 02 Nov 2026 08:00" in said
    assert f"john unknown acknowledged {new.version}" in said
    said = told(world.run("missing"))
    assert numbers in said
    assert "jane" in said
    assert "john" not in said
    people = tmp_path / "people.csv"
    people.write_text("unit,Person\nCID,KIM\nCID,John\n\n")
    found = json.loads(world.run("missing", "--json", "--people", str(people)).out)
    assert [row["person"] for row in found["people"]] == ["kim"]
    assert (found["version"], found["counts"]["never"], found["counts"]["older version"]) == (
        new.version,
        1,
        0,
    )
    people.write_text("# the force\njane\njohn\n")
    done = world.run("list", "--csv", "-", "--people", str(people))
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert [(row["person"], row["standing"]) for row in rows] == [
        ("jane", "older version"),
        ("john", "acknowledged"),
    ]


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with Slapd(tmp_path_factory.mktemp("slapd")) as server:
        yield server


@pytest.fixture
def with_directory(world: World, slapd: Slapd, monkeypatch: pytest.MonkeyPatch) -> World:
    (world.config / "watchhouse.yaml").write_text(
        f"""
directory:
  servers: ["{slapd.ldap_url}"]
  start_tls: false
  bind_dn: "{SERVICE}"
  bind_password_env: TEST_LDAP_PASSWORD
  base: "{BASE}"
  person_filter: "(&(objectClass=inetOrgPerson)(uid={{name}}))"
  name_attribute: uid
  groups: members
  page_size: 50
"""
    )
    monkeypatch.setenv("TEST_LDAP_PASSWORD", SERVICE_PASSWORD)
    return world


def test_everybody_in_the_directory_is_asked(with_directory: World, tmp_path: Path):
    """Also somebody whom the store never heard of; and nobody who has left."""
    world = with_directory
    statement = world.state("# Use\n")
    world.acknowledge("jane", statement)
    world.acknowledge("left", statement)
    found = json.loads(world.run("list", "--json").out)["people"]
    rows = {row["person"]: (row["standing"], row["unit"]) for row in found}
    assert rows["jane"] == ("acknowledged", "Major Crime")
    assert rows["zoë"] == ("never", "Contact Centre")
    assert "left" not in rows
    people = tmp_path / "people"
    people.write_text("zoë\n")
    for options, unit in (((), "unknown"), (("--units",), "Contact Centre")):
        done = world.run("missing", "--json", "--people", str(people), *options)
        (row,) = json.loads(done.out)["people"]
        assert (row["person"], row["unit"]) == ("zoë", unit)


def test_a_directory_that_does_not_answer_makes_no_report(with_directory: World):
    with_directory.state("# Use\n")
    done = with_directory.run("missing", "--set", "directory.servers=ldap://127.0.0.1:1")
    assert (done.code, done.out) == (1, "")
    assert "the directory does not say who there is: ldap://127.0.0.1:1" in done.err
    assert "(--people)" in done.err


def test_every_acknowledgement_can_be_taken_along(world: World, tmp_path: Path):
    assert told(world.run("export")) == "no acknowledgements"
    old, new = Statement.of("# Use\n\nOld.\n"), world.state("# Use\n\nNew.\n")
    world.acknowledge("jane", old, BEGIN)
    world.acknowledge("jane", new)
    file = tmp_path / "out.csv"
    assert told(world.run("export", "--csv", str(file))) == f"{file}: 2 acknowledgements"
    rows = list(csv.DictReader(io.StringIO(file.read_bytes().decode())))
    assert rows[0] == {
        "person": "jane",
        "version": old.version,
        "at": "2026-11-02T08:00:00+00:00",
        "until": "2027-11-02T08:00:00+00:00",
        "client_ip": "10.0.0.7",
        "how": "kerberos",
    }
    assert [row["version"] for row in rows] == [old.version, new.version]
    found = json.loads(world.run("export", "--json", "--version", new.version).out)
    assert [row["version"] for row in found] == [new.version]
    assert "10.0.0.7 kerberos" in told(world.run("export"))
    done = world.run("export", "--csv", str(tmp_path / "none" / "x.csv"))
    assert done.code == 1
    assert "No such file" in done.err


def test_what_somebody_acknowledged(world: World):
    old, new = Statement.of("# Use\n\nOld \u202eevil.\n"), world.state("# Use\n\nNew.\n")
    world.acknowledge("jane", old, BEGIN)
    said = told(world.run("show", "Jane"))
    assert said.startswith("jane version when until from where how")
    assert f"{old.version} 02 Nov 2026 08:00 02 Nov 2027 08:00 10.0.0.7 kerberos" in said
    assert told(world.run("show", "kim")) == "kim: no acknowledgements"
    assert json.loads(world.run("show", "jane", "--json").out)[0]["version"] == old.version
    done = world.run("show", "--statement", old.version)
    assert (done.code, done.out) == (0, f"version {old.version}\n\n# Use\n\nOld \ufffdevil.\n")
    assert json.loads(world.run("show", "--statement", old.version, "--json").out) == {
        "version": old.version,
        "text": old.text,
    }
    assert world.run("show", "--statement").out == f"version {new.version}\n\n# Use\n\nNew.\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "--statement", "0" * 12), "nobody acknowledged a version 000000000000"),
        (("show", "\x07"), "no login name"),
        (("missing", "--people", "/nonexistent"), "/nonexistent: No such file"),
        (("missing", "--people", "{tmp}/wrong"), "wrong, line 2: this is no login name"),
        (("missing", "--people", "{tmp}/empty"), "there are no login names in it"),
        (("missing", "--people", "{tmp}/latin"), "it is not UTF-8"),
    ],
)
def test_what_is_refused(world: World, tmp_path: Path, arguments: tuple[str, ...], said: str):
    world.state("# Use\n")
    (tmp_path / "wrong").write_text("jane\n!\x07\n")
    (tmp_path / "empty").write_text("name\n# nobody\n")
    (tmp_path / "latin").write_bytes(b"jos\xe9\n")
    done = world.run(*(each.replace("{tmp}", str(tmp_path)) for each in arguments))
    assert (done.code, done.out) == (1, "")
    assert said in done.err
    assert done.err.rstrip("\n").isprintable()


def test_without_a_statement(world: World):
    (world.config / "statement.md").unlink(missing_ok=True)
    done = world.run("missing")
    assert done.code == 1
    assert "statement.md: the acceptable-use statement cannot be read" in done.err


@pytest.mark.parametrize("arguments", [(), ("show",), ("show", "jane", "--statement", "x")])
def test_wrong_usage(world: World, arguments: tuple[str, ...]):
    assert world.run(*arguments).code == 2
