"""The system packages that scripts/test installs, .ci/run, and what shellcheck says of all scripts.

In: `scripts/`, `.ci/run`. Out: passes, or shows what a script did. Nothing is installed: apt-get
and every step are programs of the tests' own that take notes.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]
BASH = shutil.which("bash") or "/bin/bash"


def program(path: Path, text: str) -> Path:
    """Write an executable file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


def packages(
    tmp_path: Path, lines: str, *, uid: int, apt: str
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run test_packages as that user with an apt-get of the test's own; return also its calls."""
    listed = tmp_path / "list.txt"
    listed.write_text(lines, encoding="utf-8")
    log = tmp_path / "apt.log"
    log.touch()
    program(tmp_path / "bin" / "id", f"#!/bin/sh\necho {uid}\n")
    program(tmp_path / "bin" / "apt-get", f'#!/bin/sh\necho "$*" >>"{log}"\n{apt}\n')
    done = subprocess.run(
        [
            BASH,
            "-c",
            'set -euo pipefail; . "$1/python.sh"; . "$1/packages.sh"; test_packages "$2"',
            "scripts/test",
            str(TOP / "scripts/lib"),
            str(listed),
        ],
        env={
            "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin",
            "WATCHHOUSE_POLICY_RC": str(tmp_path / "policy-rc.d"),
        },
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done, log.read_text(encoding="utf-8").splitlines()


NEEDS = """# comment

bash bash the shell
none no-such-command what it is for
font /no/such/file letters
"""


def test_root_installs_what_is_missing_and_only_that(tmp_path: Path) -> None:
    done, calls = packages(tmp_path, NEEDS, uid=0, apt="exit 0")
    assert done.returncode == 0, done.stderr
    assert len(calls) == 1
    assert calls[0].endswith("install --yes --no-install-recommends none font")


def test_what_is_installed_is_not_started_and_a_rule_of_the_machines_own_stands(
    tmp_path: Path,
) -> None:
    rule = tmp_path / "policy-rc.d"
    # as Debian's packages ask before they start a service: 101 forbids it
    asks = f'code=0; "{rule}" krb5-kdc start || code=$?; echo "code $code" >>"{tmp_path}/apt.log"'
    done, calls = packages(tmp_path, NEEDS, uid=0, apt=asks)
    assert done.returncode == 0, done.stderr
    assert calls[-1] == "code 101"
    assert not rule.exists()
    program(rule, "#!/bin/sh\nexit 104\n")
    _, calls = packages(tmp_path, NEEDS, uid=0, apt=asks)
    assert calls[-1] == "code 104"
    assert rule.read_text() == "#!/bin/sh\nexit 104\n"


def test_the_lists_of_packages_are_fetched_only_after_a_failure(tmp_path: Path) -> None:
    # knows no package until it has been updated
    mark = tmp_path / "updated"
    apt = f'case "$*" in *update) touch "{mark}" ;; *) [ -e "{mark}" ] ;; esac'
    done, calls = packages(tmp_path, NEEDS, uid=0, apt=apt)
    assert done.returncode == 0, done.stderr
    assert [call.rsplit(" ", 1)[-1] for call in calls] == ["font", "update", "font"]


def test_no_test_runs_where_a_package_cannot_be_had(tmp_path: Path) -> None:
    apt = 'case "$*" in *update) ;; *) exit 100 ;; esac'
    done, _ = packages(tmp_path, NEEDS, uid=0, apt=apt)
    assert done.returncode == 1
    assert "could not install: none font" in done.stderr


def test_another_user_is_told_what_is_missing_and_what_for(tmp_path: Path) -> None:
    done, calls = packages(tmp_path, NEEDS, uid=1000, apt="exit 0")
    assert done.returncode == 0
    assert not calls
    assert "Not root" in done.stderr
    assert "none: what it is for" in done.stderr
    assert "bash:" not in done.stderr


def test_every_system_package_has_a_sign_and_a_reason() -> None:
    lines = (TOP / "scripts/lib/test-packages.txt").read_text(encoding="utf-8").splitlines()
    listed = [line.split(maxsplit=2) for line in lines if not line.startswith("#")]
    assert listed
    for package, sign, reason in listed:
        assert re.fullmatch(r"[a-z0-9][a-z0-9.+-]+", package)
        assert re.fullmatch(r"/[!-~]+|[a-z0-9-]+", sign)
        assert len(reason) > 10


STEPS = {
    "scripts/test": "tests",
    ".venv/bin/ruff": "lint",
    ".venv/bin/mypy": "types",
    ".venv/bin/lint-imports": "layers",
    "scripts/audit": "audit",
}


def continuous(top: Path, codes: dict[str, int]) -> tuple[subprocess.CompletedProcess[str], str]:
    """Run .ci/run over programs that end with those codes; return also how they were called."""
    (top / ".ci").mkdir()
    shutil.copy2(TOP / ".ci" / "run", top / ".ci" / "run")
    log = top / "log"
    for path in STEPS:
        said = f'echo "{path} $* CI=$CI $(cat)" >>"{log}"'
        program(top / path, f"#!/bin/sh\n{said}\nexit {codes.get(path, 0)}\n")
    environ = {name: value for name, value in os.environ.items() if name != "CI"}
    # an input that never ends: a step that read it would be found by the time limit
    reading, writing = os.pipe()
    try:
        done = subprocess.run(
            [BASH, str(top / ".ci" / "run")],
            env=environ,
            cwd="/",
            text=True,
            stdin=reading,
            stdout=subprocess.PIPE,
            check=False,
            timeout=30,
        )
    finally:
        os.close(writing)  # and so ends what still reads
        os.close(reading)
    return done, log.read_text(encoding="utf-8")


def test_ci_runs_the_tests_then_every_check(tmp_path: Path) -> None:
    done, log = continuous(tmp_path, {})
    assert done.returncode == 0
    assert log.splitlines() == [
        "scripts/test  CI=true ",
        ".venv/bin/ruff check . CI=true ",
        ".venv/bin/ruff format --check . CI=true ",
        ".venv/bin/mypy  CI=true ",
        ".venv/bin/lint-imports  CI=true ",
        "scripts/audit  CI=true ",
    ]


@pytest.mark.parametrize("path", STEPS)
def test_ci_runs_everything_and_fails_if_anything_did(tmp_path: Path, path: str) -> None:
    done, log = continuous(tmp_path, {path: 5})  # 5: pytest ran no test
    assert done.returncode == 1
    assert len(log.splitlines()) == 6
    assert f"  {STEPS[path]} (exit 5)" in done.stdout.splitlines()


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="needs shellcheck")
def test_shellcheck_finds_nothing() -> None:
    scripts = [
        TOP / "scripts" / name for name in ("run", "test", "lock", "audit", "faults", "fuzz")
    ]
    scripts += [TOP / ".ci" / "run", *sorted((TOP / "scripts" / "lib").glob("*.sh"))]
    assert all(os.access(script, os.X_OK) for script in scripts[:7])
    found = subprocess.run(
        ["shellcheck", "--external-sources", *scripts],
        cwd=TOP,
        text=True,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert found.returncode == 0, found.stdout
