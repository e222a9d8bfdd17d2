"""`watchhouse log show --format`: the log as other programs read it, and calamaris doing so."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from proxy_addons.accesslog import AccessLog
from proxy_addons.cli import main
from proxy_addons.cli.log_show import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOON = 1784633400.25  # 21 July 2026, 11:30:00 UTC
HOUR = 3600


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two days: 40 requests of two people, every fourth of them refused; one still open."""
    folder = tmp_path / "access"
    now = [NOON]
    log = AccessLog(folder, 1, clock=lambda: now[0])
    log.start()
    for number in range(40):
        now[0] = NOON + HOUR * number
        refused = number % 4 == 0
        transaction = log.begin(
            person="AB1234" if number % 2 else "CD 5678", method="GET", kind="https",
            host="www.example.com", port=443, client_ip="192.0.2.1",
            url=f"https://www.example.com/{number}?a=b",
        )  # fmt: skip
        transaction.finish(
            action="block" if refused else "allow", rule="r", status=403 if refused else 200,
            bytes_up=10, bytes_down=1000, categories=["health" if number == 1 else "news"],
            server_ip=None if refused else "198.51.100.4", content_type="text/html",
        )  # fmt: skip
    log.close()
    return folder


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(["log", "show", "--directory", str(folder), *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_every_record(name: str, run: Callable[..., Any]) -> None:
    code, out, err = run("--format", name)
    lines = [line for line in out.splitlines() if not line.startswith("#")]
    assert (code, len(lines), err) == (0, 40, "")
    place = "www.example.com 443 /7 ?a=b" if name == "elff" else "https://www.example.com/7?a"
    assert len([line for line in lines if place in line]) == 1


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (("--from", "2026-07-22"), 40 - 12),  # begins at 23:00 UTC: summer time
        (("--to", "2026-07-21"), 12),
        (("--from", "2026-07-21T12:30", "--to", "2026-07-21T14:30"), 2),
        (("--person", "AB1234"), 20),
        (("--refused",), 10),
        (("--host", "example.com", "--refused", "--person", "AB1234"), 0),
    ],
)
def test_a_time_and_a_person(options: tuple[str, ...], count: int, run: Callable[..., Any]) -> None:
    assert len(run("--format", "squid", *options)[1].splitlines()) == count


def test_one_record_in_a_format(run: Callable[..., Any]) -> None:
    record = orjson.loads(run("--format", "json")[1].splitlines()[5])
    code, out, _ = run(record["id"], "--format", "cef")
    assert code == 0
    assert f" externalId={record['id']} " in out


def test_masked_as_a_feed_is(run: Callable[..., Any]) -> None:
    out = run("--format", "squid", "--mask")[1]
    assert "?" not in out
    assert "https://www.example.com/2 " in out
    assert "https://www.example.com/1 " not in out  # of a category that is nobody's business


def test_what_a_format_has_no_room_for_is_counted(folder: Path, run: Callable[..., Any]) -> None:
    segment = max(folder.glob("*.jsonl"))
    record = orjson.loads(segment.read_bytes().splitlines()[-1]) | {"event": "gap", "seq": 41}
    with segment.open("ab") as file:
        file.write(orjson.dumps(record) + b"\n")
    _, out, err = run("--format", "squid")
    assert len(out.splitlines()) == 40
    assert "1 records of the kind gap left out" in err
    assert run("--format", "cef")[1].count("Records were lost") == 1


def test_a_time_without_a_format_is_said_to_need_one(run: Callable[..., Any]) -> None:
    code, out, err = run("--from", "2026-07-21")
    assert (code, out) == (2, "")
    assert "--format" in err


def test_calamaris_reads_what_squid_would_have_written(run: Callable[..., Any]) -> None:
    written = run("--format", "squid")[1]
    found = subprocess.run(
        ["calamaris", "-a", "-F", "unformatted"], input=written, capture_output=True, text=True,
        check=True, timeout=60,
    )  # fmt: skip
    told = found.stdout
    assert "\nlines parsed: lines 40 \ninvalid lines: lines 0 \n" in told
    assert "\n TCP_MISS 30 " in told
    assert "\n TCP_DENIED 10 " in told
    assert "\nSum 40 100 40000 100 \n" in told.partition("# TCP Response code")[2]
