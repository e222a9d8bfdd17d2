"""scripts/run and scripts/test, run in a checkout of their own with a Python that only takes notes.

In: `scripts/`. Out: passes, or shows what a script did.
Making a real environment takes half a minute and a package index: scripts/test itself does that.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]
BASH = shutil.which("bash") or "/bin/bash"

# Stands for a Python 3.13: `-m venv` and `-m pip` leave their traces, nothing else is done.
PYTHON = """#!/bin/sh
case "$1 $2" in
    "-m venv")
        echo "venv $3" >>"$CALLS"
        mkdir -p "$3/bin" "$3/site"
        cp "$0" "$3/bin/python" ;;
    "-m pip")
        shift 2
        echo "pip $*" >>"$CALLS"
        sleep 0.2
        [ ! -e "$CALLS.broken" ] ;;
    *sysconfig*) echo "${0%/bin/python}/site" ;;
    "-c "*) echo "3.13.9 $FAKE_PYTHON" ;;
    *)
        printf 'ran'
        printf ' [%s]' "$@"
        echo ;;
esac
"""


def program(path: Path, text: str) -> Path:
    """Write an executable file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


class Checkout:
    """A folder with the project's scripts and a Python of the test's own."""

    def __init__(self, top: Path) -> None:
        self.top = top / "a checkout"  # a space, because some folders have one
        shutil.copytree(TOP / "scripts" / "lib", self.top / "scripts" / "lib")
        for name in ("run", "test"):
            shutil.copy2(TOP / "scripts" / name, self.top / "scripts" / name)
        (self.top / "requirements.lock").write_text("one==1\n", encoding="utf-8")
        (self.top / "requirements-dev.lock").write_text("one==1\ntwo==2\n", encoding="utf-8")
        self.python = program(top / "python313", PYTHON)
        self.calls_file = top / "calls"
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(top),
            "CALLS": str(self.calls_file),
            "FAKE_PYTHON": str(self.python),
            "WATCHHOUSE_PYTHON": str(self.python),
            "WATCHHOUSE_TEST_PACKAGES": "no",
        }

    @property
    def venv(self) -> Path:
        return self.top / ".venv"

    def calls(self) -> list[str]:
        """Return what the Python was asked to do: `venv …` and `pip …`."""
        if not self.calls_file.exists():
            return []
        return self.calls_file.read_text(encoding="utf-8").splitlines()

    def start(self, script: str, *args: str, **environ: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [BASH, str(self.top / script), *args],
            env=self.environ | environ,
            cwd="/",
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def end_of(self, process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
        """Wait for a script that was started; one that hangs fails the test and leaves nothing."""
        with process:
            try:
                out, err = process.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def run(self, script: str, *args: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return self.end_of(self.start(script, *args, **environ))


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


# scripts/run and scripts/test -------------------------------------------------------------------


def test_the_first_start_makes_the_environment_and_the_second_does_nothing(
    checkout: Checkout,
) -> None:
    first = checkout.run("scripts/run", "--listen", "a b")
    assert first.returncode == 0, first.stderr
    made = checkout.calls()
    assert [call.split()[0] for call in made] == ["venv", "pip"]
    second = checkout.run("scripts/run", "--listen", "a b")
    ran = f"ran [{checkout.venv}/bin/watchhouse] [serve] [--listen] [a b]\n"
    assert checkout.calls() == made
    assert second.stderr == ""
    assert second.stdout == first.stdout == ran


def test_a_gateway_is_installed_from_hashed_wheels_of_the_lock_alone(checkout: Checkout) -> None:
    checkout.run("scripts/run", PIP_USER="1", PIP_TARGET="/elsewhere")
    pip = checkout.calls()[-1].split(" ", 1)[1]
    assert "--require-hashes" in pip
    assert "--only-binary :all:" in pip
    assert pip.endswith(f"--requirement {checkout.top}/requirements.lock")


def test_the_environment_sees_the_checkout_and_runs_what_pyproject_names(
    checkout: Checkout,
) -> None:
    checkout.run("scripts/run")
    assert (checkout.venv / "site" / "watchhouse.pth").read_text() == f"{checkout.top}\n"
    command = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["scripts"][
        "watchhouse"
    ]
    module, _, function = command.partition(":")
    written = (checkout.venv / "bin" / "watchhouse").read_text()
    assert f"from {module} import {function}\n" in written
    compile(written, "watchhouse", "exec")  # Python reads what sh has executed


def test_tests_add_to_what_run_has_made_and_a_changed_test_lock_begins_anew(
    checkout: Checkout,
) -> None:
    checkout.run("scripts/run")
    ran = checkout.run("scripts/test", "-k", "x")
    assert ran.stdout == "ran [-m] [pytest] [-k] [x]\n", ran.stderr
    assert [call.split()[0] for call in checkout.calls()] == ["venv", "pip", "pip"]
    assert checkout.calls()[-1].endswith("/requirements-dev.lock")
    # what run needs is still as it was, so it has nothing to do
    checkout.run("scripts/run")
    assert len(checkout.calls()) == 3
    (checkout.top / "requirements-dev.lock").write_text("one==1\nthree==3\n", encoding="utf-8")
    checkout.run("scripts/test")
    assert [call.split()[0] for call in checkout.calls()[3:]] == ["venv", "pip"]


def test_after_the_tests_set_up_run_has_nothing_to_do(checkout: Checkout) -> None:
    checkout.run("scripts/test")
    made = checkout.calls()
    assert len(made) == 2
    checkout.run("scripts/run")
    assert checkout.calls() == made


def test_a_half_made_environment_is_made_anew(checkout: Checkout) -> None:
    checkout.calls_file.with_suffix(".broken").touch()
    failed = checkout.run("scripts/run")
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert "could not install the packages" in failed.stderr
    left = checkout.venv / "left-behind"
    left.touch()
    checkout.calls_file.with_suffix(".broken").unlink()
    assert checkout.run("scripts/run").returncode == 0
    assert not left.exists()


def test_two_starts_at_once_make_one_environment(checkout: Checkout) -> None:
    both = [checkout.start("scripts/run"), checkout.start("scripts/run")]
    for done in map(checkout.end_of, both):
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith("watchhouse] [serve]\n")
    assert [call.split()[0] for call in checkout.calls()] == ["venv", "pip"]


def test_the_environment_is_not_taken_from_under_a_running_gateway(checkout: Checkout) -> None:
    checkout.run("scripts/run")
    # stands for a gateway at work: its output stays open until it is told to end
    program(checkout.venv / "bin" / "watchhouse", '#!/bin/sh\necho up\nread -r end <"$GATE"\n')
    gate = checkout.top / "gate"
    os.mkfifo(gate)
    running = checkout.start("scripts/run", GATE=str(gate))
    assert running.stdout
    assert running.stdout.readline() == "up\n"
    made = checkout.calls()
    (checkout.top / "requirements.lock").write_text("one==1.1\n", encoding="utf-8")
    refused = checkout.run("scripts/run", WATCHHOUSE_WAIT="0")
    gate.write_text("end\n", encoding="utf-8")
    assert checkout.end_of(running).returncode == 0
    assert refused.returncode == 1
    assert "still runs on the old ones" in refused.stderr
    assert checkout.calls() == made
    checkout.run("scripts/run")
    assert len(checkout.calls()) == 4


def shell(checkout: Checkout, script: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run lines of bash with the shared files of that checkout read in."""
    return subprocess.run(
        [
            BASH,
            "-c",
            f'set -euo pipefail; root=$1; . "$root/scripts/lib/environment.sh"\n{script}',
            "scripts/run",
            str(checkout.top),
        ],
        env=checkout.environ | environ,
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("change", "ready"),
    [
        ("true", True),
        ('rm "$venv/run.stamp"', False),
        (': >"$venv/run.stamp"', False),
        ('head -n 2 "$venv/run.stamp" >x && mv x "$venv/run.stamp"', False),
        ('rm "$venv/bin/python"', False),
        ('ln -sf /nonexistent/python "$venv/bin/python"', False),
        ('echo "# new" >>"$root/requirements.lock"', False),
        ('echo "# new" >>"$root/requirements-dev.lock"', True),
        ('mv "$root" "$root-2"; root=$root-2; venv=$root/.venv', False),
        ("FAKE_PYTHON=/another/python", False),
        ("WATCHHOUSE_PYTHON=/nonexistent/python", False),
        ("unset WATCHHOUSE_PYTHON", True),
    ],
)
def test_what_makes_the_stamp_not_fit(checkout: Checkout, change: str, ready: bool) -> None:
    checkout.run("scripts/run")
    asked = shell(
        checkout,
        f'cd "$root"; {change}\n'
        'if ready run "$root/requirements.lock"; then echo yes; else echo no; fi',
    )
    assert asked.stdout == ("yes\n" if ready else "no\n"), asked.stderr


# finding a Python -------------------------------------------------------------------------------


def pretender(path: Path, version: tuple[int, int, int], missing: str = "") -> Path:
    """Make a Python that answers for itself as the real one would at another version."""
    patch = f"import sys; sys.version_info = {(*version, 'final', 0)!r}; "
    patch += f"sys._base_executable = {str(path)!r}; "
    if missing:
        patch += f"sys.modules[{missing!r}] = None; "
    return program(
        path, f'#!/bin/sh\nexec \'{sys.executable}\' -c "{patch}exec(sys.argv[1])" "$2"\n'
    )


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A folder that comes first on the path, and the environment for it."""
    first = tmp_path / "bin"
    first.mkdir()
    return (
        first,
        {
            "PATH": f"{first}:/usr/bin:/bin",
            "HOME": str(tmp_path),
            "PYENV_ROOT": str(tmp_path / "py"),
        },
    )


def find(environ: dict[str, str], before: str = "true") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            BASH,
            "-c",
            f'set -euo pipefail; . "$1"; {before}\nfind_python',
            "x",
            str(TOP / "scripts/lib/python.sh"),
        ],
        env=environ,
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_an_old_python3_on_the_path_is_passed_over(
    folders: tuple[Path, dict[str, str]],
) -> None:
    first, environ = folders
    pretender(first / "python3", (3, 11, 7))
    good = pretender(first / "python3.13", (3, 13, 0))
    assert find(environ).stdout == f"{good}\n"


def test_the_newest_patch_release_under_pyenv_is_found_where_its_shim_does_not_answer(
    folders: tuple[Path, dict[str, str]],
) -> None:
    first, environ = folders
    pretender(first / "python3", (3, 9, 1))
    program(
        first / "python3.13",
        "#!/bin/sh\necho 'pyenv: python3.13: command not found' >&2\nexit 127\n",
    )
    versions = Path(environ["PYENV_ROOT"]) / "versions"
    pretender(versions / "3.13.2" / "bin" / "python", (3, 13, 2))
    newest = pretender(versions / "3.13.10" / "bin" / "python", (3, 13, 10))
    pretender(versions / "3.12.11" / "bin" / "python", (3, 12, 11))
    assert find(environ).stdout == f"{newest}\n"


@pytest.mark.parametrize("missing", ["ensurepip", "ssl", "sqlite3", "venv"])
def test_a_python_without_a_module_that_is_needed_is_passed_over(
    folders: tuple[Path, dict[str, str]], missing: str
) -> None:
    first, environ = folders
    pretender(first / "python3.13", (3, 13, 5), missing=missing)
    whole = pretender(Path(environ["PYENV_ROOT"]) / "versions/3.13.1/bin/python", (3, 13, 1))
    assert find(environ).stdout == f"{whole}\n"


def test_a_plain_python3_that_is_new_enough_will_do(
    folders: tuple[Path, dict[str, str]],
) -> None:
    first, environ = folders
    good = pretender(first / "python3", (3, 19, 0))
    # nothing by version, wherever else this machine keeps some
    found = find(environ, "python_versions=")
    assert found.stdout == f"{good}\n"


def test_without_one_it_says_how_to_get_one(folders: tuple[Path, dict[str, str]]) -> None:
    first, environ = folders
    old = pretender(first / "python3", (3, 11, 7))
    none = find(environ, f"python_candidates() {{ echo '{old}'; }}")
    assert none.returncode == 1
    assert none.stdout == ""
    assert "apt-get install python3 python3-venv" in none.stderr


def test_the_python_asked_for_by_name_is_taken_or_refused_never_replaced(
    folders: tuple[Path, dict[str, str]],
) -> None:
    first, environ = folders
    pretender(first / "python3.13", (3, 13, 0))
    named = pretender(first / "mine", (3, 12, 0))
    assert find(environ | {"WATCHHOUSE_PYTHON": str(named)}).stdout == f"{named}\n"
    old = pretender(first / "old", (3, 11, 9))
    refused = find(environ | {"WATCHHOUSE_PYTHON": str(old)})
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert f"WATCHHOUSE_PYTHON={old}" in refused.stderr
