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
        case "$1" in wheel) # what it would build goes into the folder that is named
            while [ "$1" != --wheel-dir ]; do shift; done
            mkdir -p "$2" && : >"$2/gssapi-1-cp311-abi3-any.whl" ;;
        esac
        [ ! -e "$CALLS.broken" ] ;;
    *Python.h*) [ ! -e "$CALLS.no-headers" ] ;;
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
        self.kerberos_lock = self.top / "requirements-kerberos.lock"
        self.kerberos_lock.write_text("gssapi==1\n", encoding="utf-8")
        self.python = program(top / "python313", PYTHON)
        self.calls_file = top / "calls"
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(top),
            "CALLS": str(self.calls_file),
            "FAKE_PYTHON": str(self.python),
            "WATCHHOUSE_PYTHON": str(self.python),
            "WATCHHOUSE_TEST_PACKAGES": "no",
            "WATCHHOUSE_KERBEROS": "no",
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


# Kerberos ---------------------------------------------------------------------------------------


@pytest.fixture
def compiler(checkout: Checkout, tmp_path: Path) -> Checkout:
    """A checkout on a machine that has what a build takes."""
    for name in ("gcc", "krb5-config"):
        program(tmp_path / "tools" / name, "#!/bin/sh\n")
    checkout.environ |= {"PATH": f"{tmp_path / 'tools'}:{os.environ['PATH']}"}
    del checkout.environ["WATCHHOUSE_KERBEROS"]
    return checkout


def ask_for_kerberos(
    folder: Path, text: str = "identity:\n  kerberos:\n    keytab: x.keytab\n"
) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "watchhouse.yaml").write_text(text, encoding="utf-8")
    return folder


def kinds(checkout: Checkout) -> list[str]:
    """What was done, in short."""
    return [
        "venv"
        if call.startswith("venv")
        else next(
            each
            for each in ("kerberos-build.lock", "wheel ", "--no-index", "requirements")
            if each in call
        ).strip()
        for call in checkout.calls()
    ]


BUILD = ["venv", "kerberos-build.lock", "wheel"]


def test_gssapi_is_built_once_where_the_configuration_names_a_keytab(compiler: Checkout) -> None:
    ask_for_kerberos(compiler.top / "config")
    first = compiler.run("scripts/run")
    assert first.returncode == 0, first.stderr
    assert kinds(compiler) == ["venv", "requirements", *BUILD, "--no-index"]
    build = compiler.calls()[3:5]
    assert all("--require-hashes" in call for call in build)
    assert "--no-build-isolation" in build[1]
    # the compiler's tools are nowhere near the gateway
    assert str(compiler.venv) not in compiler.calls()[2]
    assert sorted(path.name for path in (compiler.top / ".cache").iterdir()) == [
        "in-use.lock",
        "kerberos",
        "setup.lock",
    ]
    assert compiler.run("scripts/run").stderr == ""
    assert len(compiler.calls()) == 6
    # a new .venv takes the wheels that are there
    shutil.rmtree(compiler.venv)
    compiler.run("scripts/test")
    assert kinds(compiler)[6:] == ["venv", "requirements", "--no-index"]


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("", False),
        ("identity:\n  order: [addresses]\n", False),
        ("identity:\n  kerberos:\n    # keytab: proxy.keytab\n", False),
        ("identity:\n  kerberos:\n    keytab:   # none\n", False),
        ("identity:\n  kerberos: {keytab: /etc/proxy.keytab}\n", True),
        ("identity:\n  kerberos:\n    keytab: proxy.keytab # ours\n", True),
    ],
)
def test_a_gateway_without_a_keytab_needs_no_compiler(
    compiler: Checkout, text: str, asks: bool
) -> None:
    ask_for_kerberos(compiler.top / "config", text)
    asked = shell(compiler, 'if kerberos_asked_for "$root/config"; then echo yes; fi')
    assert asked.stdout == ("yes\n" if asks else ""), asked.stderr


@pytest.mark.parametrize("how", ["--config", "--config=", "WATCHHOUSE_CONFIG"])
def test_the_configuration_that_asks_is_the_one_that_is_served(
    compiler: Checkout, tmp_path: Path, how: str
) -> None:
    folder = ask_for_kerberos(tmp_path / "my config")
    if how == "WATCHHOUSE_CONFIG":
        done = compiler.run("scripts/run", WATCHHOUSE_CONFIG=str(folder))
    else:
        words = (f"--config={folder}",) if how.endswith("=") else ("--config", str(folder))
        done = compiler.run("scripts/run", *words)
    assert done.returncode == 0, done.stderr
    assert "wheel" in kinds(compiler)


@pytest.mark.parametrize(("script", "code"), [("scripts/run", 0), ("scripts/test", 1)])
def test_a_build_that_fails_ends_the_tests_and_not_a_gateway(
    compiler: Checkout, tmp_path: Path, script: str, code: int
) -> None:
    """The gateway itself refuses the configuration, in words of its own."""
    ask_for_kerberos(compiler.top / "config")
    python = (
        (tmp_path / "python313")
        .read_text()
        .replace("        sleep 0.2\n", "        [ $1 != wheel ] || exit 1\n")
    )
    program(tmp_path / "python313", python)
    done = compiler.run(script)
    assert done.returncode == code, done.stderr
    assert "gssapi could not be built" in done.stderr
    assert "--no-index" not in kinds(compiler)
    assert sorted(path.name for path in (compiler.top / ".cache").iterdir()) == [
        "in-use.lock",
        "setup.lock",
    ]


@pytest.mark.parametrize("script", ["scripts/run", "scripts/test"])
def test_without_a_compiler_it_is_said_what_is_lacking(compiler: Checkout, script: str) -> None:
    ask_for_kerberos(compiler.top / "config")
    compiler.calls_file.with_suffix(".no-headers").touch()
    done = compiler.run(script)
    assert done.returncode == 0, done.stderr
    assert "apt-get install python3-dev)" in done.stderr
    assert done.stderr.count("Kerberos") == 1
    assert "wheel" not in kinds(compiler)


def test_a_changed_kerberos_lock_begins_anew_and_not_under_a_running_gateway(
    compiler: Checkout,
) -> None:
    ask_for_kerberos(compiler.top / "config")
    compiler.run("scripts/run")
    compiler.kerberos_lock.write_text("gssapi==2\n", encoding="utf-8")
    done = compiler.run("scripts/run")
    assert done.returncode == 0, done.stderr
    assert kinds(compiler)[6:] == ["venv", "requirements", *BUILD, "--no-index"]


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
