"""Standard output is a command's answer: what is reported meanwhile goes to standard error."""

from __future__ import annotations

import csv
import io
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.ldap import BASE, SERVICE, SERVICE_PASSWORD, Slapd
from support.standing import grant

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
REPORTED = "a server does not work"


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with Slapd(tmp_path_factory.mktemp("slapd")) as server:
        yield server


@pytest.fixture(scope="module")
def place(slapd: Slapd, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration whose first directory server is away, and a store with an exemption."""
    folder = tmp_path_factory.mktemp("place")
    shutil.copytree(ROOT / "config", folder / "config")
    (folder / "config" / "watchhouse.yaml").write_text(
        f"""
directory:
  servers: ["ldap://127.0.0.1:1", "{slapd.ldap_url}"]
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
    (folder / "data").mkdir()
    now = datetime.now(UTC)
    grant(folder / "data", "jane", categories={"malware"}, ends=now + timedelta(days=3))
    return folder


COMMAND = "import sys; from proxy_addons.cli import main; code = main()\n"
AFTERWARDS = f"""{COMMAND}
import logging
assert "structlog" not in sys.modules
logging.getLogger("watchhouse.standing").warning("the store is slow")
sys.exit(code)
"""


def run(
    place: Path, *arguments: str, program: str = f"{COMMAND}sys.exit(code)"
) -> subprocess.CompletedProcess[str]:
    """A process of its own: in this one, other tests have said where reports go."""
    return subprocess.run(
        [sys.executable, "-c", program,
         *arguments, "--config", str(place / "config"), "--data", str(place / "data")],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "COLUMNS": "120",
             "TEST_LDAP_PASSWORD": SERVICE_PASSWORD},
    )  # fmt: skip


@pytest.mark.parametrize(
    "command",
    [("exemption", "report", "--csv", "-"), ("acknowledgements", "missing", "--csv", "-")],
    ids=" ".join,
)
def test_a_csv_file_has_no_line_of_the_log_in_it(place: Path, command: tuple[str, ...]):
    done = run(place, *command)
    assert done.returncode == 0, done.stderr
    assert REPORTED in done.stderr, "else this test shows nothing"
    head, *rows = csv.reader(io.StringIO(done.stdout))
    assert "person" in head
    assert rows
    assert all(len(row) == len(head) for row in rows)
    assert REPORTED not in done.stdout


@pytest.mark.parametrize("command", [("whois", "jane"), ("report", "weekly")], ids=" ".join)
def test_nor_has_what_people_read(place: Path, command: tuple[str, ...]):
    done = run(place, *command)
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert REPORTED not in done.stdout


@pytest.mark.parametrize(
    "command",
    [("acknowledgements", "export", "--csv", "-"), ("rota", "status"), ("break", "show", "jane")],
    ids=" ".join,
)
def test_no_command_says_otherwise_where_reports_go(place: Path, command: tuple[str, ...]):
    """Those that need no directory report by `logging`, which is standard error by itself."""
    done = run(place, *command, program=AFTERWARDS)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "the store is slow\n"
    assert "slow" not in done.stdout
