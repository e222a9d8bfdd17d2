"""The lock files: exact, hashed, in step with pyproject.toml, and the same on every machine.

In: `requirements*.lock`, `pyproject.toml`. Out: passes, or names the package.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

TOP = Path(__file__).parents[1]


def locked(name: str) -> dict[str, tuple[str, list[str]]]:
    """Read a lock file: package -> (version, hashes)."""
    text = (TOP / name).read_text(encoding="ascii").replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        match = re.fullmatch(
            r"([a-z0-9-]+)(?:\[[a-z0-9-]+\])?==([0-9a-z.]+)( ; [^#]+?)?"
            r"((?: +--hash=sha256:[0-9a-f]{64})+)",
            line.strip(),
        )
        assert match, f"{name}: no exact version, or no hash: {line[:100]}"
        assert match[1] not in found, f"{name}: twice: {match[1]}"
        found[match[1]] = (match[2], match[4].split())
    return found


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("requirements.lock", 41),
        ("requirements-dev.lock", 41),
        ("requirements-kerberos.lock", 2),
        ("scripts/lib/kerberos-build.lock", 2),
        ("scripts/lib/audit.lock", 21),
    ],
)
def test_a_lock_has_exact_versions_and_hashes_and_names_no_index(name: str, least: int) -> None:
    assert len(locked(name)) >= least
    text = (TOP / name).read_text(encoding="ascii")
    assert "://" not in text
    assert not re.search(r"^\s*--?(?!hash)[a-z]", text, re.MULTILINE)


def test_the_tests_run_on_just_the_versions_that_a_gateway_runs_on() -> None:
    tested = locked("requirements-dev.lock")
    assert {name: tested.get(name) for name in locked("requirements.lock")} == locked(
        "requirements.lock"
    )


def lines(name: str) -> list[str]:
    """What a file for scripts/lock asks for."""
    text = (TOP / name).read_text(encoding="ascii")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_kerberos_replaces_nothing_that_a_gateway_runs_on() -> None:
    assert not set(locked("requirements-kerberos.lock")) & set(locked("requirements-dev.lock"))


def test_the_locks_follow_pyproject() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))
    asked = {
        "requirements.lock": project["project"]["dependencies"],
        "requirements-dev.lock": project["dependency-groups"]["dev"],
        "requirements-kerberos.lock": project["project"]["optional-dependencies"]["kerberos"],
        "scripts/lib/kerberos-build.lock": lines("scripts/lib/kerberos-build.in"),
    }
    assert asked["requirements-kerberos.lock"] == lines("scripts/lib/kerberos.in")
    for name, requirements in asked.items():
        versions = locked(name)
        for requirement in map(Requirement, requirements):
            package = re.sub(r"[-_.]+", "-", requirement.name).lower()
            assert package in versions, f"{name}: run scripts/lock: {requirement}"
            version = versions[package][0]
            assert requirement.specifier.contains(version), (
                f"{name}: run scripts/lock: {requirement}"
            )


def test_mitmproxy_is_the_version_whose_internals_the_engine_knows() -> None:
    assert locked("requirements.lock")["mitmproxy"][0] == "12.2.3"
