from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from proxy_addons.cli import acting
from proxy_addons.cli.acting import Login

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LONDON = ZoneInfo("Europe/London")
TODAY = datetime.now(LONDON).date()
TOMORROW = TODAY + timedelta(days=1)


def written() -> str:
    """A week as a duty system exports it: Jane is on duty now."""
    return f"""person,date,from,to,kind
jane,{TODAY},00:00,24:00,early
jane,{TOMORROW},22:00,07:00,night
john,{TOMORROW},,,rest day
"""


@pytest.fixture(autouse=True)
def day(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command goes by the machine's clock: the day is that of the test, all of it."""
    while (now := datetime.now(LONDON)).strftime("%H:%M") == "23:59":
        time.sleep(1)
    monkeypatch.setitem(globals(), "TODAY", now.date())
    monkeypatch.setitem(globals(), "TOMORROW", now.date() + timedelta(days=1))


@pytest.fixture
def rota(
    watchhouse: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Any]:
    """`watchhouse rota …`, by somebody who called it with sudo."""
    monkeypatch.setattr(acting, "login_of", lambda *_: Login(0, sudo_user="lee"))

    def run(*arguments: str) -> Any:
        return watchhouse("rota", *arguments, "--data", str(tmp_path / "data"))

    return run


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "week.csv"
    path.write_text(written())
    return str(path)


def told(done: Any) -> str:
    assert (done.code, done.err) == (0, "")
    return " ".join(done.out.split())


def test_import_show_status(rota: Callable[..., Any], file: str):
    assert "nothing was imported yet" in told(rota("status"))
    assert told(rota("show", "JANE")) == "jane is not on the rota: office hours apply"
    said = told(rota("import", file, "--dry-run"))
    assert said == (
        f"week.csv: 3 entries of 2 people, {TODAY} to {TOMORROW}. Changes: 2 duties would be added,"
        " 0 would be removed, 2 people would be changed, 2 of them new to the rota"
    )
    assert "nothing was imported yet" in told(rota("status"))
    said = told(rota("import", file))
    assert "Changes: 2 duties added, 0 removed, 2 people changed, 2 of them new" in said
    said = told(rota("import", file))
    assert "Changes: 0 duties added, 0 removed, 0 people changed, 0 of them new" in said
    shown = told(rota("show", "Jane"))
    assert shown.startswith(f"jane is on the rota from {TODAY} to {TOMORROW}")
    assert f"{TODAY:%a} {TODAY:%d %b %Y} 00:00" in shown
    assert "early now week.csv" in shown
    assert f"{TOMORROW:%d %b %Y} 22:00" in shown
    assert "no duties from" in told(rota("show", "john", "--from", "01/01/2026"))
    stands = told(rota("status"))
    assert "people on the rota today 2 of these on duty now 1" in stands
    assert stands.count("lee week.csv 3 2 0") == 1
    assert stands.count("lee week.csv 3 0 0") == 1


def test_icalendar(rota: Callable[..., Any], tmp_path: Path):
    text = (
        "BEGIN:VCALENDAR",
        "BEGIN:VEVENT",
        f"DTSTART:{TODAY:%Y%m%d}T090000Z",
        "DURATION:PT8H",
        "RRULE:FREQ=DAILY",
        "SUMMARY:Day",
        "END:VEVENT",
        "END:VCALENDAR",
    )
    for name, options in (("days.ics", ()), ("export", ("--format", "ics"))):
        path = tmp_path / name
        path.write_text("\r\n".join(text))
        done = rota("import", str(path), "--person", "Ann", *options)
        assert (done.code, done.out) == (1, "")
        assert f"{name}:2: RRULE: it is repeated without end" in done.err
        until = f"{TODAY + timedelta(days=2)}"
        said = told(rota("import", str(path), "--person", "Ann", "--until", until, *options))
        assert f"{name}: 3 entries of 1 people" in said
    assert told(rota("show", "ann")).count(" day ") == 3


def test_what_is_wrong_with_a_file(rota: Callable[..., Any], tmp_path: Path):
    path = tmp_path / "week.csv"
    path.write_text(written() + f"\x1b[2J,{TODAY},07:00,17:00,\njane,{TODAY},x,17:00,\nann,,,,\n")
    done = rota("import", str(path))
    assert (done.code, done.out) == (1, "")
    lines = done.err.splitlines()
    assert [line.split(" ")[0] for line in lines] == [
        *("week.csv:5:", "week.csv:6:", "week.csv:7:", "watchhouse:"),
    ]
    assert lines[-1] == "watchhouse: 3 problems; nothing was imported"
    assert "\x1b" not in done.err
    assert "nothing was imported yet" in told(rota("status"))
    path.write_text(written().replace("24:00", "24:30"))
    assert rota("import", str(path)).err.endswith("watchhouse: 1 problem; nothing was imported\n")


def test_notes_and_gaps(rota: Callable[..., Any], tmp_path: Path, file: str):
    told(rota("import", file))
    later = TOMORROW + timedelta(days=10)
    path = tmp_path / "later.csv"
    path.write_text(
        "person,date,from,to\n"
        f"jane,{later},07:00,17:00\njane,{later},09:00,11:00\njane,{later},10:00,12:00\n"
    )
    said = told(rota("import", str(path)))
    assert "later.csv:3: note: entries of one person overlap: on duty while any" in said
    assert "says (1 more)" in said
    assert f"note: between what is known and {later} there are days of which no file has" in said
    assert "for jane." in said
    assert f"until {TOMORROW}" not in said
    assert f"to {TOMORROW}" in told(rota("show", "jane"))
    joined = told(rota("import", str(path), "--from", f"{TODAY + timedelta(days=2)}"))
    assert "there are days" not in joined
    assert f"to {later}" in told(rota("show", "jane"))


def test_wrong_usage(rota: Callable[..., Any], file: str):
    assert rota("import").code == 2
    done = rota("import", file, "--until", "tomorrow")
    assert done.code == 2
    assert "'tomorrow' is no date: write it as" in done.err
    done = rota("import", file, "--person", "\x00")
    assert done.code == 1
    assert "This is no login name" in done.err
    assert "cannot be read (No such file" in rota("import", f"{file}.none").err


def test_who_may(
    rota: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, file: str, tmp_path: Path
):
    """Somebody who is neither an operator here nor of information security."""
    told(rota("status"))
    nobody = Login(12345, owner=0)
    monkeypatch.setattr(acting, "login_of", lambda *_: nobody)
    done = rota("import", file)
    assert done.code == 1
    assert "Only information security or an operator may import duty times. (Inf/27" in done.err
    assert "would be added" in rota("import", file, "--dry-run").out
    assert (tmp_path / "data").exists()


def test_days_of_either_way_of_writing(rota: Callable[..., Any], file: str):
    said = told(rota("import", file, "--dry-run", "--from", f"{TOMORROW:%d/%m/%Y}"))
    assert f"2 entries of 2 people, {TOMORROW} to {TOMORROW}; 1 on other days left out." in said
