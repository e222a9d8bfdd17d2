"""Groups of people who have signed in, from a real directory that comes and goes."""

from __future__ import annotations

import math
from inspect import iscoroutine
from typing import TYPE_CHECKING, Any

import pytest
from support.ldap import Slapd
from support.stage import snapshot_of

from proxy_addons.gate.facts import RequestFacts
from proxy_addons.identity.directory import Directory
from proxy_addons.identity.proof import Proof

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from proxy_addons.identity.proof import Outcome

IDENTITY = {
    "order": ["kerberos"],
    "profiles": [
        {"groups": ["all staff", "DETECTIVES"], "profile": "unrestricted"},
        {"groups": ["Contact Centre"], "profile": "withdrawn"},
    ],
    "default_profile": "standard",
}


class Proving:
    """An acceptor that takes a token for the name."""

    async def accept(self, token: bytes) -> Outcome:
        return Proof(token.decode(), "kerberos")


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with Slapd(tmp_path_factory.mktemp("slapd")) as running:
        yield running


@pytest.fixture
def clock() -> list[float]:
    return [0.0]


@pytest.fixture
def doors(
    doors_with: Callable[..., Any], slapd: Slapd, clock: list[float], tmp_path: Path
) -> Iterator[Any]:
    keytab = tmp_path / "keytab"
    keytab.write_bytes(b"\x05\x02")
    made = doors_with(
        {
            "identity": IDENTITY | {"kerberos": {"keytab": str(keytab)}},
            "directory": {"servers": ["ldaps://localhost:9"], "base": "dc=x"},
        }
    )
    directory = Directory(slapd.settings(ttl=60, stale=600, timeout=2), clock=lambda: clock[0])
    made.gate.people.directory = directory
    made.gate.signing_in.kerberos = Proving()
    yield made
    directory.close()


async def signed_in(doors: Any, token: str) -> Any:
    visitor = doors.visitor()
    facts = RequestFacts("GET", "allowed.test", "allowed.test", 1, "/", login=f"Negotiate {token}")
    found = doors.gate.sign_in(visitor, facts)
    assert iscoroutine(found)
    assert await found is None
    return visitor


JANE, BOSS, NOBODY = "amFuZQ==", "Ym9zcw==", "bm9ib2R5"


async def test_groups_give_the_profile(doors: Any) -> None:
    doors.standing.snapshot = snapshot_of(everything=["jane"])
    jane, boss = await signed_in(doors, JANE), await signed_in(doors, BOSS)
    assert (jane.person.profile, jane.person.exemption) == ("unrestricted", "EX-jane")
    assert boss.person.profile == "standard", "in none of these groups"
    doors.standing.snapshot = snapshot_of()
    doors.gate.people.know_again(jane)
    assert jane.person.profile == "standard"
    gone = await signed_in(doors, NOBODY)
    assert (gone.person.name, gone.person.profile) == ("nobody", "withdrawn")


async def test_a_directory_that_goes_and_comes_back(
    doors: Any, slapd: Slapd, clock: list[float]
) -> None:
    boss = await signed_in(doors, BOSS)
    slapd.kill()
    try:
        clock[0] = 100
        assert (await signed_in(doors, BOSS)).person.profile == "standard", "stale, and used"
        jane = await signed_in(doors, JANE)
        assert (jane.person.name, jane.person.profile) == ("jane", "withdrawn"), "never heard of"
        clock[0] = 700
        doors.gate.people.look(boss)
        assert boss.person.profile == "withdrawn", "too old to be used"
        assert (await signed_in(doors, BOSS)).person.profile == "withdrawn"
    finally:
        slapd.start()
    clock[0] = 800
    await doors.gate.people.directory.look_up("jane")
    doors.gate.people.look(jane)
    assert jane.person.profile == "standard"
    assert math.isfinite(jane.until)
