from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.ldap import BASE, SERVICE, SERVICE_PASSWORD, Slapd
from support.standing import grant, revoke, withdraw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
LATER = datetime.now(UTC) + timedelta(days=3)


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with Slapd(tmp_path_factory.mktemp("slapd")) as server:
        yield server


@pytest.fixture
def whois(
    watchhouse: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """What is said of somebody, with single spaces."""

    def run(name: str, *arguments: str, code: int = 0) -> str:
        done = watchhouse("whois", name, "--data", str(tmp_path / "data"), *arguments)
        assert done.code == code
        return " ".join((done.out + done.err).split())

    (tmp_path / "data").mkdir()
    monkeypatch.setenv("COLUMNS", "500")
    return run


@pytest.fixture
def signing_in(tmp_path: Path, slapd: Slapd, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The options for a configuration with a directory."""
    config = tmp_path / "config"
    config.mkdir()
    (config / "policy.yaml").write_text((ROOT / "config/policy.yaml").read_text())
    (config / "watchhouse.yaml").write_text(
        f"""
identity:
  order: [basic, addresses]
  addresses:
    - {{network: 192.0.2.7, person: Jane, profile: unrestricted}}
  profiles:
    - {{groups: [Major Crime, Detectives], profile: unrestricted}}
    - {{groups: [All Staff], profile: standard}}
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
    return ("--config", str(config))


def test_known_by_address(whois: Callable[..., str], tmp_path: Path):
    said = whois("SAMPLE Person")
    assert "name sample person directory none is set up exemption none that holds" in said
    assert "at 127.0.0.0/8 profile standard: identity.addresses says so" in said
    made = grant(tmp_path / "data", "sample person", categories={"malware"}, ends=LATER)
    said = whois("sample person")
    assert f"exemption {made.reference}, live: everything, and malware, from" in said
    assert (
        "at 127.0.0.0/8 profile unrestricted: identity.addresses says so; exemption"
        f" {made.reference} is for everything; {made.reference} opens"
    ) in said
    withdrawn = withdraw(tmp_path / "data", "Sample Person")
    said = whois("sample person")
    assert f"withdrawn {withdrawn.reference}," in said
    assert "by psd: A test says so." in said
    assert (
        f"profile withdrawn: access is withdrawn by {withdrawn.reference}, which beats all else at"
    ) in said


def test_unknown(whois: Callable[..., str]):
    assert "profile withdrawn: nobody can sign in, and no address is this" in whois("nobody")
    assert "no login name" in whois("\x1b[2J", code=1)


def test_known_by_the_directory(
    whois: Callable[..., str], signing_in: tuple[str, ...], tmp_path: Path
):
    said = whois("Jane", *signing_in)
    for expected in (
        "display name Jane Doe kind officer unit Major Crime line manager boss groups",
        (
            "signed in profile standard: in Major Crime and Detectives; unrestricted holds only"
            " with a live exemption for everything"
        ),
        "at 192.0.2.7/32 profile standard: identity.addresses says so; unrestricted holds only",
    ):
        assert expected in said
    made = grant(tmp_path / "data", "jane", everything=False, categories={"webmail"}, ends=LATER)
    said = whois("jane", *signing_in)
    assert f"{made.reference}, live: webmail" in said
    assert "signed in profile standard: in Major Crime and Detectives; unrestricted holds" in said
    assert f"{made.reference} opens webmail" in said
    revoke(tmp_path / "data", made.reference)
    made = grant(tmp_path / "data", "jane", ends=LATER)
    said = whois("jane", *signing_in)
    assert "signed in profile unrestricted: in Major Crime and Detectives at" in said
    assert "signed in profile standard: in All Staff" in whois("zoë", *signing_in)
    said = whois("twice-too", *signing_in)
    assert "signed in profile withdrawn: in no group of identity.profiles" in said
    default = ("--set", "identity.default_profile=standard")
    said = whois("twice-too", *signing_in, *default)
    assert "signed in profile standard: identity.default_profile; no group gives" in said
    said = whois("nobody", *signing_in)
    assert "directory knows no such person" in said
    assert "signed in profile withdrawn: the directory says nothing of this person" in said


def test_a_directory_that_does_not_answer(whois: Callable[..., str], signing_in: tuple[str, ...]):
    said = whois("jane", *signing_in, "--set", "directory.servers=ldap://127.0.0.1:1")
    assert "directory does not answer; a gateway may still go by" in said
    assert "signed in profile withdrawn: the directory says nothing" in said
    assert "warning: the directory does not answer" in said
