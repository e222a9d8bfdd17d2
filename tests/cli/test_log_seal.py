"""`watchhouse log seal` and `log verify`, on a log that the gateway's own code has written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from proxy_addons.accesslog import AccessLog

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
# 21 July 2026, 11:30:00 UTC.
EARLIER = 1784633400.25
ORIGIN = ("--origin", "proxy.force.example/access-log")


def filled(data: Path, records: int = 5, worker: int = 1) -> None:
    """Write a log and end it."""
    log = AccessLog(data / "log/access", worker, clock=lambda: EARLIER)
    log.start()
    for number in range(records):
        host = f"site{number}.example.com"
        transaction = log.begin(person="AB1234", method="GET", kind="https", host=host, port=443)
        transaction.finish()
    log.close()


SUMMARY = "1 entries signed; lines of 1 segments looked at, 5 records: all as it was sealed"


@pytest.fixture
def run(watchhouse: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    config = tmp_path / "config"
    shutil.copytree(ROOT / "config", config)

    def run(command: str, *arguments: str) -> Any:
        common = ("--config", str(config), "--data", str(tmp_path / "data"))
        return watchhouse("log", command, *common, *arguments)

    return run


def test_a_log_is_sealed_and_verified(run: Callable[..., Any], tmp_path: Path) -> None:
    data = tmp_path / "data"
    filled(data)
    done = run("seal", *ORIGIN)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "sealed access-w01-20260721T11Z-0001.jsonl: 5 records",
        "1 segments sealed, 1 in all; 0 not ended yet",
    ]
    assert (data / "log/keys/seal").stat().st_mode & 0o777 == 0o400
    done = run("verify")
    assert (done.code, done.out) == (
        0,
        f"there are no time-stamps\n{SUMMARY}\n",
    )
    filled(data, 3, worker=2)
    assert run("seal").out.splitlines()[-1] == "1 segments sealed, 2 in all; 0 not ended yet"
    assert run("seal").out.splitlines() == ["0 segments sealed, 2 in all; 0 not ended yet"]


def test_what_was_changed_is_named(run: Callable[..., Any], tmp_path: Path) -> None:
    filled(tmp_path / "data")
    run("seal", *ORIGIN)
    (packed,) = (tmp_path / "data/log/sealed").rglob("*.gz")
    packed.chmod(0o600)
    packed.write_bytes(packed.read_bytes()[:-1])
    done = run("verify")
    assert done.code == 1
    assert f"WRONG  {packed}: cannot be read: it ends in the middle" in done.out
    assert done.out.endswith("1 things are wrong\n")
    said = json.loads(run("verify", "--json").out)
    assert said["faults"] == [
        {"path": str(packed), "what": "cannot be read: it ends in the middle"}
    ]
    assert said["size"] == 1


def test_a_copy_is_verified_with_a_key_that_was_kept(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    filled(data)
    run("seal", *ORIGIN)
    key = (data / "log/keys/seal.pub").read_text().strip()
    shutil.copytree(data / "log/sealed", tmp_path / "copy")
    seen = tmp_path / "seen"
    shutil.copy(tmp_path / "copy/checkpoint", seen)
    shutil.rmtree(data)
    named = ("--sealed", str(tmp_path / "copy"), "--key", key)
    assert run("verify", *named, "--seen", str(seen)).code == 0
    assert "1 entries signed; lines of 0" in run("verify", *named, "--day", "2026-07-22").out
    other = key.replace("proxy.force", "other.force")
    assert run("verify", *named[:3], other).code == 2
    shutil.rmtree(tmp_path / "copy")
    (tmp_path / "copy").mkdir()
    done = run("verify", *named, "--seen", str(seen))
    assert done.code == 1
    assert "1 entries were signed once: all are gone" in done.out


def test_without_what_it_needs_nothing_is_said_to_be_sound(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    done = run("verify")
    assert done.code == 2
    assert "cannot be checked" in done.err
    done = run("verify", "--day", "21.7.2026")
    assert done.code == 2
    assert "wanted YYYY-MM-DD" in done.err
    done = run("seal", *ORIGIN)
    assert done.code == 1
    assert "nothing was sealed" in done.err
    assert not list((tmp_path / "data").rglob("*.gz"))


def test_a_key_that_was_lost_is_not_replaced(run: Callable[..., Any], tmp_path: Path) -> None:
    data = tmp_path / "data"
    filled(data)
    run("seal", *ORIGIN)
    key = data / "log/keys/seal"
    key.unlink()
    filled(data, 2, worker=2)
    done = run("seal")
    assert done.code == 1
    assert "Put it back" in done.err
    assert not key.exists()
    key.write_text("x")
    done = run("seal")
    assert (done.code, "not a private key" in done.err) == (1, True)
