"""CSV files: column names, delimiters, kinds, and every problem of every row at once."""

from __future__ import annotations

import csv
import io
import os
import tracemalloc
from datetime import date, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.rotas import duties, problems

from proxy_addons.standing import rota_entries, rota_source
from proxy_addons.standing.rota_csv import NAMES, read_csv
from proxy_addons.standing.rota_entries import Options, kind_of
from proxy_addons.standing.rota_problems import RotaFileError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from proxy_addons.standing.rota_entries import RotaFile

LONDON = ZoneInfo("Europe/London")


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., RotaFile]:
    def work(text: str | bytes, **options: object) -> RotaFile:
        path = tmp_path / "duties.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_csv(path, LONDON, Options(**options))  # type: ignore[arg-type]

    return work


@pytest.mark.parametrize(
    "text",
    [
        "person,begins,ends,kind\nJane,2026-12-01 22:00,2026-12-02 07:00,Night\n",
        "person,date,from,to,kind\njane,2026-12-01,22:00,07:00,Night\n",
        (
            "Login Name;Start_Date;START-TIME;End Date;End Time;Shift\n"
            "JANE;01/12/2026;2200;02/12/2026;0700;night\n"
        ),
        (
            "Collar\tUser\tStart\tFinish\tRemark\tDuty Type\n"
            "12\tjane\t2026-12-01T22:00Z\t07:00\tx\tnight"
        ),
        (
            '\r\n\r\n"person","begins","ends","kind"\r\n'
            '"jane","01 Dec 2026 22:00","02 Dec 2026 7:00","NIGHT"\r\n\r\n'
        ),
        "kind,to,from,date,person\nnight,07:00,22:00,2026-12-01, jane \n",
    ],
)
def test_the_same_duty(read: Callable[..., RotaFile], text: str):
    for data in (text.encode(), b"\xef\xbb\xbf" + text.encode(), text.encode("utf-16")):
        file = read(data)
        assert duties(file) == ["12-01 22:00 12-02 07:00 night"]
        assert (file.rows, file.first, file.last) == (1, date(2026, 12, 1), date(2026, 12, 1))


def test_no_two_columns_share_a_name():
    columns = [{name.replace(" ", "") for name in names} for names in NAMES.values()]
    assert sum(map(len, columns)) == len(set().union(*columns))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("\n \n", "the file is empty"),
        ("person,date,from\n", "there is no column ends; there are 'person', 'date', 'from'"),
        ("jane,2026-12-01,07:00,17:00\n", "there is no column person and none begins and none"),
        ("person,user,from,to\n", "the columns 'person' and 'user' mean the same"),
        ("person,date,from,to\n", "there is no entry to import"),
        ("person,from,to" + ",x" * 300, "there are 303 columns"),
        ('person,"from,to\n', "this is no CSV"),
        ("person,date,from,to\nJos\xe9,2026-12-01,7:00,8:00\n".encode("latin-1"), "csv:2: a char"),
        ("person,date,from,to\nja\0ne,2026-12-01,7:00,8:00\n", "csv:2: there is a NUL"),
        (b"\xff\xfep\x00e\x00x", "a character is not UTF-16"),
        (b"PK\x03\x04\xff\xfe", "a character is not UTF-8"),
    ],
)
def test_no_rota(read: Callable[..., RotaFile], text: str | bytes, said: str):
    found = problems(read, text)
    assert len(found) == 1
    assert found[0].startswith("duties.csv")
    assert said in found[0]


def test_no_file(tmp_path: Path):
    for path, why in ((tmp_path / "none.csv", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(RotaFileError, match=why):
            read_csv(path, LONDON)


WRONG = """person,date,from,to,kind,remark
jane,2026-12-01,07:00,17:00,early,
,2026-12-01,07:00,25:00,early,
jane,2026-13-01,07:00,17:00,early,
jane,2026-12-01,07:00,17:00,early,a,b
john,2026-12-01,,,early,
ann,2026-12-01,7am,7 am,early,
bob
j\x1b[2Jne,2026-12-01,07:00,17:00,early,
bob,2026-12-02,08:00,16:00
"""


def test_all_that_is_wrong_at_once(read: Callable[..., RotaFile]):
    """File, line, column, what is wrong, what to do."""
    assert "\n".join(problems(read, WRONG)) == (
        "duties.csv:3: column 'person': there is no name: give the person's login name,"
        " or --person\n"
        "duties.csv:3: column 'to': '25:00' is no time: write it as 07:00 (24 hours)\n"
        "duties.csv:4: column 'date': '2026-13-01' is no day of the calendar: write it as"
        " 2026-12-01 or 01/12/2026\n"
        "duties.csv:5: there are 7 cells under 6 column names: put a value with a comma in it"
        " between quotation marks\n"
        "duties.csv:6: there are no times, and 'early' is not known as time off: give times, or"
        " say --off early\n"
        "duties.csv:7: it ends at the time at which it begins: nothing, or a whole day: write the"
        " end with its date\n"
        "duties.csv:8: there are no times, and 'duty' is not known as time off: give times, or say"
        " --off duty\n"
        r"duties.csv:9: column 'person': 'j\x1b[2Jne' is no login name: a login name with"
        " characters that cannot be shown"
    )


def test_problems_are_counted_and_the_first_are_shown(read: Callable[..., RotaFile]):
    text = "person,date,from,to\n" + "jane,2026-12-01,x,y\n" * 1500
    found = problems(read, text)
    assert len(found) == 1001
    assert found[-1] == "and 500 more"


def test_a_quotation_mark_that_is_not_closed(read: Callable[..., RotaFile]):
    text = (
        'person,date,from,to\njane,2026-12-01,7:00,8:00\njane,"2026-12-02,7:00,8:00\n' + "x\n" * 9
    )
    assert problems(read, text) == [
        "duties.csv:3: this is no CSV (unexpected end of data): look at the quotation marks"
    ]


def test_time_off(read: Callable[..., RotaFile]):
    file = read(
        "person,date,from,to,kind,end date\n"
        "jane,2026-12-01,,,Rest Day,\n"
        "jane,2026-12-03,00:00,00:00,RD,\n"
        "jane,2026-12-05,,,Annual Leave,2026-12-07\n"
        "jane,2026-12-08,09:00,17:00,Cancelled rest day,\n"
        "jane,2026-12-09,,,Garden party,\n",
        off=("garden PARTY",),
    )
    assert [day.day for day in file.people["jane"].off] == [1, 3, 5, 6, 7, 9]
    assert duties(file) == ["12-08 09:00 12-08 17:00 cancelled-rest-day"]
    assert (file.rows, file.first.day, file.last.day) == (5, 1, 9)


def test_a_file_of_one_person(read: Callable[..., RotaFile]):
    text = "date,from,to\n2026-12-01,07:00,17:00\n"
    assert list(read(text, person="jane").people) == ["jane"]
    assert "there is no column person" in problems(read, text)[0]


def test_some_of_the_days(read: Callable[..., RotaFile]):
    rows = [f"jane,2026-12-{day:02},22:00,07:00,night" for day in range(1, 10)]
    text = "\n".join(("person,date,from,to,kind", *rows, "john,2026-12-01,,,off"))
    file = read(text, first=date(2026, 12, 3), last=date(2026, 12, 20))
    assert (file.rows, file.left_out, list(file.people)) == (7, 3, ["jane"])
    assert (file.first, file.last) == (date(2026, 12, 3), date(2026, 12, 20))
    assert problems(read, text, first=date(2027, 1, 1)) == [
        (
            "duties.csv: there is no entry to import; 10 are on other days:"
            " export the days that are wanted"
        )
    ]


def test_a_mistyped_year_would_take_duties_away_for_years(read: Callable[..., RotaFile]):
    text = "person,date,from,to\njane,2026-12-01,7:00,8:00\njane,2062-12-02,7:00,8:00\n"
    assert problems(read, text) == [
        (
            "duties.csv: from 2026-12-01 (line 2) to 2062-12-02 (line 3) it is more than 400 days:"
            " mend the year, or read fewer days with --from and --until"
        )
    ]


def test_entries_that_overlap_touch_or_are_there_twice(read: Callable[..., RotaFile]):
    file = read(
        "person,date,from,to,kind\n"
        "jane,2026-12-01,07:00,17:00,early\n"
        "jane,2026-12-01,17:00,19:00,overtime\n"  # touches
        "jane,2026-12-02,07:00,17:00,early\n"
        "jane,2026-12-02,07:00,17:00,early\n"  # twice
        "jane,2026-12-02,10:00,12:00,court\n"  # within
        "jane,2026-12-02,16:00,20:00,overtime\n"  # beyond
        "john,2026-12-02,16:00,20:00,early\n"
        "john,2026-12-02,,,rest day\n"
    )
    assert len(duties(file)) == 5
    assert [(each.row, each.count, each.text) for each in file.notes] == [
        (5, 1, "the same entry twice: it counts once"),
        (6, 2, "entries of one person overlap: on duty while any of them says"),
        (8, 1, "a duty on a day that is time off besides: the duty counts"),
    ]


def test_limits(read: Callable[..., RotaFile], monkeypatch: pytest.MonkeyPatch):
    text = "person,date,from,to\n" + "jane,2026-12-01,07:00,17:00\n" * 5
    monkeypatch.setattr(rota_entries, "ENTRIES_AT_MOST", 4)
    assert problems(read, text) == [
        "duties.csv:6: the file has more than 4 entries: export fewer days at a time"
    ]
    monkeypatch.setattr(rota_source, "FILE_AT_MOST", 100)
    assert "the file is larger than" in problems(read, text)[0]


@pytest.mark.parametrize("end", ["x", "x{n}"])
def test_a_hostile_file_takes_memory_as_its_size(read: Callable[..., RotaFile], end: str):
    """Names, kinds, times and problems that are all different; or one problem many times."""
    rows = (f"p{n},2026-12-01,0{n % 10}:{n % 60:02},{end.format(n=n)},k{n}" for n in range(10_000))
    text = "person,date,from,to,kind\n" + "\n".join(rows)
    tracemalloc.start()
    try:
        assert len(problems(read, text)) == 1001
        assert tracemalloc.get_traced_memory()[1] < 40 * len(text)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "duty"),
        (" Rest Day ", "rest-day"),
        ("On-Call / Standby", "on-call-standby"),
        ("RD", "rd"),
        ("Früh", "früh"),
        ("Fru\u0308h", "früh"),
        ("***", "duty"),
        ("A very long name of a duty that nobody reads", "a-very-long-name-of-a-duty-that"),
    ],
)
def test_kinds(text: str, kind: str):
    assert kind_of(text) == kind
    assert kind_of(kind) == kind
    assert len(kind) <= 32


@given(st.text(max_size=60))
def test_a_kind_fits_its_column_and_stays(text: str):
    kind = kind_of(text)
    assert 1 <= len(kind) <= 32
    assert kind_of(kind) == kind or not kind.isascii()  # casefolding may need two steps


FILES = st.lists(
    st.lists(
        st.sampled_from(
            (
                *("jane", "2026-12-01", "07:00", "17:00", "25:00", "", " ", '"', "\n", "rest day"),
                *("2026-02-29", "é", "\x1b", "=1+1", "2026-12-01 07:00", "24:00", "0", "Z"),
            )
        )
        | st.text(max_size=6),
        max_size=7,
    ),
    max_size=8,
)


def read_or_refused(path: Path) -> RotaFile | RotaFileError:
    try:
        return read_csv(path, LONDON)
    except RotaFileError as problem:
        return problem


@given(FILES, st.sampled_from(("person,date,from,to,kind", "person;begins;ends", "a,b")))
def test_whatever_is_in_it(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], head: str
):
    """Either every row is taken or all that is wrong is said, in text that can be shown."""
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=";" if ";" in head else ",").writerows(rows)
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    path.write_bytes(f"{head}\r\n{out.getvalue()}".encode("utf-8", "surrogatepass"))
    file = read_or_refused(path)
    if isinstance(file, RotaFileError):
        lines = str(file).splitlines()
        assert len(lines) == file.count
        assert all(line.isprintable() and line.startswith("x.csv") for line in lines)
        return
    filled = [row for row in rows if any(cell.strip() for cell in row)]
    assert file.rows == len(filled)
    for person in file.people.values():
        for each in person.duties:
            assert timedelta() < each.ends - each.begins <= timedelta(hours=48)
            assert file.first <= each.day <= file.last


def test_a_files_name_may_hold_anything(tmp_path: Path):
    path = tmp_path / os.fsdecode(b"a\x1b\xff.csv")
    path.write_text("person,date,from,to\njane,2026-12-01,7:00,8:00\n")
    assert read_csv(path, LONDON).name == "a\ufffd\ufffd.csv"


def test_a_name_in_any_spelling_is_one_person(read: Callable[..., RotaFile]):
    text = "person,date,from,to\nJos\u00e9,2026-12-01,7:00,8:00\nJOSE\u0301,2026-12-02,7:00,8:00\n"
    assert list(read(text).people) == ["jos\u00e9"]
